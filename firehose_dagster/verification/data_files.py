"""Does each table's metadata list its data files once, and are they there?"""

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

_NAME = "data_files_are_listed_once"


def data_files_are_listed_once(lake: PinnedLake) -> Check:
    """No current snapshot names a data file twice, and its files' row counts add up to the total it states."""
    examples: list[str] = []
    files = 0
    for name, table in sorted(lake.tables.items()):
        counted, wrong = _judge(name, table)
        files += counted
        examples += wrong
    return Check(
        name=_NAME,
        table="all",
        figures={"files": files, "tables": len(lake.tables)},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def listed_files_are_there(catalog: Catalog) -> Check:
    """The same check where the lake could not be read: it names what the current snapshots list and nobody finds.

    Looks for each file by itself, on an object store too.
    """
    examples: list[str] = []
    files = 0
    for contract in TABLES:
        try:
            table = catalog.load_table(contract.identifier)
            tasks = _tasks(table)
        except NoSuchTableError:
            continue
        except OSError as error:
            examples.append(f"{contract.name} cannot be read: {' '.join(str(error).split())}")
            continue
        files += len(tasks)
        absent = (task.file.file_path for task in tasks if not table.io.new_input(task.file.file_path).exists())
        examples += [f"{contract.name} lists {location}, which is not there" for location in absent]
    return Check(
        name=_NAME,
        table="all",
        figures={"files": files},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _tasks(table: IcebergTable) -> list[FileScanTask]:
    snapshot = table.current_snapshot()
    return [] if snapshot is None else list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files())


def _judge(name: str, table: IcebergTable) -> tuple[int, list[str]]:
    snapshot = table.current_snapshot()
    if snapshot is None:
        return 0, []
    tasks = _tasks(table)
    wrong: list[str] = []
    seen: set[str] = set()
    for task in tasks:
        if task.file.file_path in seen:
            wrong.append(f"{name} lists {task.file.file_path} more than once")
        seen.add(task.file.file_path)
    stated = None if snapshot.summary is None else snapshot.summary.additional_properties.get("total-records")
    held = sum(task.file.record_count for task in tasks)
    if stated is not None and int(stated) != held and not any(task.delete_files for task in tasks):
        wrong.append(f"{name} states {stated} rows in snapshot {snapshot.snapshot_id}, its files hold {held}")
    return len(tasks), wrong
