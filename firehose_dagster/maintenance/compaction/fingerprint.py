"""What a set of data files holds, as figures that depend neither on the order of rows nor on how files are cut.

Read by DuckDB's own Parquet reader; compaction reads and writes with Arrow's: a fault of one is seen by the other.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Context, Decimal
from functools import reduce

import duckdb
import pyarrow.dataset as arrow_dataset
from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.columns import Decimal as DecimalColumn
from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import duckdb_type, local_path, quoted

_EXACT = Context(prec=80)
"""Python's default cuts off after 28 digits."""


@dataclass(frozen=True, slots=True)
class SymbolIds:
    """The ids of one symbol."""

    symbol: str | None
    rows: int
    lowest: int | None
    highest: int | None
    distinct: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Two sets of files with equal fingerprints hold the same rows, but for a collision of 64-bit hashes."""

    rows: int
    content: str
    """Sum of a hash over all columns of each row."""
    sums: Mapping[str, str] = field(default_factory=dict)
    """Of every decimal column, and of price x qty: exact."""
    ids: tuple[SymbolIds, ...] = ()

    def digest(self) -> str:
        """All of it in 64 characters, for a snapshot's summary."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """What is not the same, in words; empty where nothing is."""
    found = []
    if before.rows != after.rows:
        found.append(f"rows: {before.rows:,} before, {after.rows:,} after")
    found += [
        f"sum of {name}: {before.sums.get(name)} before, {after.sums.get(name)} after"
        for name in sorted({*before.sums, *after.sums})
        if before.sums.get(name) != after.sums.get(name)
    ]
    ids_before = {each.symbol: each for each in before.ids}
    ids_after = {each.symbol: each for each in after.ids}
    changed = [s for s in {**ids_before, **ids_after} if ids_before.get(s) != ids_after.get(s)]
    if changed:
        symbol = changed[0]
        found.append(f"ids of {len(changed)} symbols, {symbol}: {ids_before.get(symbol)} -> {ids_after.get(symbol)}")
    if not found and before.content != after.content:
        found.append("content: counts and sums agree, the hash over all columns does not")
    return found


def fingerprint(table: IcebergTable, contract: Table, paths: Sequence[str], threads: int = 1) -> Fingerprint:
    """Read every column of these files. Raises what DuckDB or the file system raise for one that is gone."""
    if not paths:
        return Fingerprint(rows=0, content="0")
    with bounded_duckdb("compaction", threads=threads) as connection:
        make_rows_view(connection, table, paths)
        return _fingerprint(connection, contract)


def make_rows_view(connection: duckdb.DuckDBPyConnection, table: IcebergTable, paths: Sequence[str]) -> None:
    """Make (or replace) the view `rows` over these data files, columns as the table has them now."""
    local = [path for path in map(local_path, paths) if path is not None]
    if len(local) < len(paths):
        connection.register("remote_rows", dataset(table, paths))
        connection.execute("CREATE OR REPLACE VIEW rows AS SELECT * FROM remote_rows")
        return
    shape = ", ".join(
        f"{each.field_id}: {{name: {quoted(each.name)}, type: {quoted(duckdb_type(each.field_type))}, "
        "default_value: NULL}"
        for each in table.schema().fields
    )
    files = ", ".join(quoted(path) for path in local)
    connection.execute(
        f"CREATE OR REPLACE VIEW rows AS SELECT * FROM read_parquet([{files}], schema = MAP {{{shape}}})"  # noqa: S608 names are quoted
    )


def dataset(table: IcebergTable, paths: Sequence[str]) -> arrow_dataset.Dataset:
    """These data files as Arrow sees them, columns as the table has them now. They lie in one store."""
    io = table.io
    assert isinstance(io, PyArrowFileIO)  # noqa: S101 - the catalog is opened with it
    parsed = [PyArrowFileIO.parse_location(path, io.properties) for path in paths]
    scheme, netloc, _ = parsed[0]
    return arrow_dataset.dataset(
        [path for _, _, path in parsed],
        schema=schema_to_pyarrow(table.schema()),
        format="parquet",
        filesystem=io.fs_by_scheme(scheme, netloc),
    )


def _fingerprint(connection: duckdb.DuckDBPyConnection, contract: Table) -> Fingerprint:
    """All figures in one pass over the files, for opening them is most of the work: by symbol, then added up."""
    names = ", ".join(f'"{name}"' for name in contract.column_names)
    has_ids = {"symbol", "agg_id"} <= set(contract.column_names)
    summed = _summed(contract)
    # Whole and broken parts apart: bronze may hold numbers of which a few products are too large for one decimal.
    parts = [f"sum(trunc({sql})::HUGEINT), sum({sql} - trunc({sql}))" for sql in summed.values()]
    ids = "symbol, min(agg_id), max(agg_id), count(DISTINCT agg_id)" if has_ids else "NULL, NULL, NULL, NULL"
    figures = ", ".join([ids, "count(*)", f"sum(hash({names})::HUGEINT)", *parts])
    found = connection.execute(
        f"SELECT {figures} FROM rows {'GROUP BY symbol ORDER BY symbol' if has_ids else ''}"  # noqa: S608 names of contracts
    ).fetchall()
    return Fingerprint(
        rows=sum(row[4] for row in found),
        content=str(sum(row[5] or 0 for row in found)),
        sums={
            name: str(_total([each for row in found for each in row[6 + 2 * number : 8 + 2 * number]]))
            for number, name in enumerate(summed)
        },
        ids=tuple(SymbolIds(row[0], row[4], *row[1:4]) for row in found) if has_ids else (),
    )


def _summed(contract: Table) -> dict[str, str]:
    """What is summed by name, as SQL: every decimal, and price x qty."""
    decimals = [column.name for column in contract.columns if isinstance(column.type, DecimalColumn)]
    summed = {name: f'"{name}"' for name in decimals}
    if {"price", "qty"} <= set(decimals):
        summed["price x qty"] = '"price" * "qty"'
    return summed


def _total(parts: Iterable[int | Decimal | None]) -> Decimal:
    return reduce(_EXACT.add, (Decimal(part) for part in parts if part is not None), Decimal(0))
