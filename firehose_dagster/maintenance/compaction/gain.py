"""What compaction gains: the same three queries over the files before and after, on the same machine, in turns."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import quoted
from firehose_dagster.maintenance.compaction.fingerprint import make_rows_view

_TURNS = 3
_ENOUGH_SECONDS = 0.3
"""A query that took so long is not asked again: chance hardly shows in it, and it would cost more than the rewrite."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Times of the queries in seconds, the best of some turns each."""

    partition: int | None
    files_before: int
    files_after: int
    seconds_before: Mapping[str, float]
    seconds_after: Mapping[str, float]

    def ratio(self, query: str) -> float:
        """How many times faster the query is now."""
        return self.seconds_before[query] / max(self.seconds_after[query], 1e-9)


def queries(contract: Table, symbol: str | None) -> Mapping[str, str]:
    """The three queries by name: every column of every row, one symbol (else ten minutes), a count by minute."""
    names = ", ".join(f'"{name}"' for name in contract.column_names)
    time = f'"{contract.partition.column}"'
    one = f"{time} < (SELECT min({time}) FROM rows) + INTERVAL 10 MINUTE"  # noqa: S608 names of contracts
    if symbol is not None:
        one = f"symbol = {quoted(symbol)}"
    return {
        "full_scan": f"SELECT sum(hash({names})::HUGEINT) FROM rows",  # noqa: S608 names of contracts
        "one_symbol": f"SELECT sum(hash({names})::HUGEINT) FROM rows WHERE {one}",  # noqa: S608 quoted
        "by_minute": f"SELECT count(*) FROM (SELECT date_trunc('minute', {time}), count(*) FROM rows GROUP BY 1)",  # noqa: S608 names of contracts
    }


def measure(
    table: IcebergTable,
    contract: Table,
    partition: int | None,
    before: Sequence[str],
    after: Sequence[str],
    threads: int,
) -> Gain:
    """Run the queries over both sets of files. Both must be there: the old ones are until their snapshot expires."""
    wanted = queries(contract, _a_symbol(table, contract, after, threads))
    return Gain(
        partition=partition,
        files_before=len(before),
        files_after=len(after),
        seconds_before=_best(table, wanted, before, threads),
        seconds_after=_best(table, wanted, after, threads),
    )


def _a_symbol(table: IcebergTable, contract: Table, paths: Sequence[str], threads: int) -> str | None:
    if "symbol" not in contract.column_names:
        return None
    with bounded_duckdb("compaction", threads=threads) as connection:
        make_rows_view(connection, table, paths)
        found = connection.execute("SELECT min(symbol) FROM rows").fetchone()
    return None if found is None else found[0]


def _best(table: IcebergTable, wanted: Mapping[str, str], paths: Sequence[str], threads: int) -> dict[str, float]:
    with bounded_duckdb("compaction", threads=threads) as connection:
        make_rows_view(connection, table, paths)
        return {name: _best_seconds(connection, sql) for name, sql in wanted.items()}


def _best_seconds(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    seconds: list[float] = []
    while len(seconds) < _TURNS and sum(seconds) < _ENOUGH_SECONDS:
        started = time.perf_counter()
        connection.execute(sql).fetchall()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
