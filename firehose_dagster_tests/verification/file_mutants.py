"""Damage to files as a whole: gone, cut, or other bytes than were written. Data files, and those that list them."""

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster_tests.verification.mutant import Draw, Finding, Mutate
from firehose_dagster_tests.verification.stored_lake import StoredLake, path_of

TABLES = (BRONZE, SILVER, QUARANTINE, GOLD, SPIKES, OPS_AUDIT)


def file_deleted(lake: StoredLake, draw: Draw) -> Finding:
    table = draw.in_turn(TABLES)
    file = draw.choice(lake.files(table))
    location = lake.location(table, file)
    lake.delete(file)
    return Finding("data_files_are_listed_once", f"{table.name} lists {location}, which is not there")


def file_cut(lake: StoredLake, draw: Draw) -> Finding:
    table = draw.in_turn(TABLES)
    file = draw.choice(lake.files(table))
    location = lake.location(table, file)
    content = file.read_bytes()
    lake.overwrite(file, content[: len(content) // 2])
    return Finding("data_files_are_listed_once", f"{table.name} lists {location}, which is damaged")


def file_of_garbage(lake: StoredLake, draw: Draw) -> Finding:
    table = draw.in_turn(TABLES)
    file = draw.choice(lake.files(table))
    location = lake.location(table, file)
    lake.overwrite(file, draw.randbytes(len(file.read_bytes())))
    return Finding("data_files_are_listed_once", f"{table.name} lists {location}, which is damaged")


def column_of_garbage(lake: StoredLake, draw: Draw) -> Finding:
    """The footer is as it was: a pass over all that the files hold finds it."""
    file = draw.choice(lake.files(QUARANTINE))
    location = lake.location(QUARANTINE, file)
    content = file.read_bytes()
    lake.overwrite(file, content[:4] + b"\xff" * (len(content) // 4) + content[4 + len(content) // 4 :])
    return Finding("data_files_are_listed_once", f"{QUARANTINE.name} lists {location}, which is damaged")


def metadata_damaged(lake: StoredLake, draw: Draw) -> Finding:
    kind, how = draw.in_turn(
        [(kind, how) for kind in ("metadata", "manifest list", "manifest") for how in ("gone", "cut")]
    )
    table = draw.choice(TABLES)
    location = lake.listing_file(table, kind)
    file = path_of(location)
    if how == "gone":
        lake.delete(file)
    else:
        lake.overwrite(file, file.read_bytes()[: file.stat().st_size // 2])
    told = f"its {kind} cannot be read" if kind == "metadata" else f"its {kind} {location} cannot be read"
    return Finding("data_files_are_listed_once", f"{table.name}: {told}")


FILE_MUTANTS: dict[str, Mutate] = {
    "a file is deleted": file_deleted,
    "a file is cut in half": file_cut,
    "a file is garbage": file_of_garbage,
    "a column is garbage": column_of_garbage,
    "what lists the files is damaged": metadata_damaged,
}
