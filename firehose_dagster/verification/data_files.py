"""Does each table's metadata list its data files once, with the rows that it states?"""

from pyiceberg.table import Table as IcebergTable

from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

NAME = "data_files_are_listed_once"


def data_files_are_listed_once(lake: PinnedLake) -> Check:
    """No current snapshot names a data file twice, and its files' row counts add up to the total it states."""
    examples: list[str] = []
    files = 0
    for name, table in sorted(lake.tables.items()):
        counted, wrong = _judge(name, table)
        files += counted
        examples += wrong
    return Check(
        name=NAME,
        table="all",
        figures={"files": files, "tables": len(lake.tables)},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _judge(name: str, table: IcebergTable) -> tuple[int, list[str]]:
    snapshot = table.current_snapshot()
    if snapshot is None:
        return 0, []
    tasks = list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files())
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
