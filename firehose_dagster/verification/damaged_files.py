"""Which files of the lake are gone or damaged, where it could not be read: told by table and place, not by a trace."""

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, ValidationError
from pyiceberg.io import FileIO
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS, OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.position import HOLES_SNAPSHOT, SILVER_SNAPSHOT
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.verification.data_files import NAME
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

UNREADABLE = (duckdb.Error, pa.ArrowException, OSError, ValueError, EOFError, ValidationError, struct.error, zlib.error)
"""What reading a damaged file ends with: Parquet in DuckDB and Arrow, Avro and JSON in pyiceberg."""
_NAMED = ((SILVER, SILVER_SNAPSHOT), (OPS_EXCHANGE_HOLES, HOLES_SNAPSHOT))
_ADVICE = "put it back from a backup"


def files_can_be_read(catalog: Catalog) -> Check:
    """The check of the data files where the lake could not be read: names what nobody finds or can read.

    Looks for each file of the snapshots judged by itself, on an object store too: first for its footer, and where all
    have theirs, at all it holds. Raises what pyiceberg raises when the catalog cannot be reached.
    """
    tables: dict[str, IcebergTable] = {}
    examples: list[str] = []
    for contract in TABLES:
        try:
            tables[contract.name] = catalog.load_table(contract.identifier)
        except NoSuchTableError:
            continue
        except UNREADABLE as error:
            examples.append(f"{contract.name}: its metadata cannot be read, {_ADVICE} ({_line(error)})")
    files: dict[str, tuple[str, FileIO]] = {}
    for name, snapshots in _judged(tables).items():
        locations, damage = _listed(name, tables[name], snapshots)
        files |= dict.fromkeys(locations, (name, tables[name].io))
        examples += damage
    examples += _damaged(files, is_whole=False)
    if not examples:
        examples += _damaged(files, is_whole=True)
    return Check(
        name=NAME,
        table="all",
        figures={"files": len(files)},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _judged(tables: Mapping[str, IcebergTable]) -> Mapping[str, list[Snapshot]]:
    """By table the snapshots that are judged: the current one, and those that gold and completeness name."""
    wanted: dict[str, dict[int, Snapshot]] = defaultdict(dict)
    for name, table in tables.items():
        if (current := table.current_snapshot()) is not None:
            wanted[name][current.snapshot_id] = current
    for namer in (GOLD, OPS_COMPLETENESS):
        for named, key in _NAMED:
            text = newest_stamp(tables[namer.name], key) if namer.name in tables and named.name in tables else None
            snapshot = None if text is None else tables[named.name].snapshot_by_id(int(text))
            if snapshot is not None:
                wanted[named.name][snapshot.snapshot_id] = snapshot
    return {name: list(snapshots.values()) for name, snapshots in wanted.items()}


def _listed(name: str, table: IcebergTable, snapshots: Iterable[Snapshot]) -> tuple[set[str], list[str]]:
    """The files of these snapshots, and what could not be read on the way to them."""
    locations: set[str] = set()
    damage: dict[str, str] = {}
    for snapshot in snapshots:
        try:
            manifests = snapshot.manifests(table.io)
        except UNREADABLE as error:
            damage[snapshot.manifest_list] = (
                f"its manifest list {snapshot.manifest_list} cannot be read ({_line(error)})"
            )
            continue
        for manifest in manifests:
            path = manifest.manifest_path
            try:
                locations |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
            except UNREADABLE as error:
                damage[path] = f"its manifest {path} cannot be read ({_line(error)})"
    return locations, [f"{name}: {what}, {_ADVICE}" for what in damage.values()]


def _damaged(files: Mapping[str, tuple[str, FileIO]], *, is_whole: bool) -> Iterator[str]:
    for location, (name, io) in files.items():
        try:
            file = io.new_input(location)
            if not file.exists():
                yield f"{name} lists {location}, which is not there"
                continue
            with file.open() as stream:
                parquet = pq.ParquetFile(stream)
                if is_whole:
                    for _ in parquet.iter_batches():
                        pass
        except UNREADABLE as error:
            yield f"{name} lists {location}, which is damaged, {_ADVICE} ({_line(error)})"


def _line(error: BaseException) -> str:
    """The first line, for pydantic and Arrow tell more than fits one."""
    text = str(error).strip()
    return f"{type(error).__name__}: {' '.join(text.splitlines()[:2])[:300]}"
