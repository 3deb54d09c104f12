"""Reads what commits left in their snapshot summaries: which offsets a table holds, and from what it was computed.

Only the ancestors of a snapshot are looked at, newest first: a staged or rolled-back snapshot says nothing about what
a table holds. Maintenance commits carry no stamp and are stepped over. The lineage ends where snapshots were expired.
"""

from collections.abc import Iterator

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from firehose_dagster.contracts.position import OFFSETS, TOPIC_ID, Position


def lineage(table: Table, snapshot_id: int | None = None) -> Iterator[Snapshot]:
    """A snapshot (default: the table's current one) and its ancestors, newest first; nothing for a table without one.

    Raises ValueError where `snapshot_id` is given and the table does not have it (any more).
    """
    if snapshot_id is None:
        snapshot = table.current_snapshot()
    else:
        snapshot = table.snapshot_by_id(snapshot_id)
        if snapshot is None:
            raise ValueError(f"table {'.'.join(table.name())} has no snapshot {snapshot_id}: it may have been expired")
    while snapshot is not None:
        yield snapshot
        parent_id = snapshot.parent_snapshot_id
        snapshot = None if parent_id is None else table.snapshot_by_id(parent_id)


def stamp(snapshot: Snapshot, key: str) -> str | None:
    """What the summary of one snapshot says under `key`."""
    return None if snapshot.summary is None else snapshot.summary.additional_properties.get(key)


def newest_stamp(table: Table, key: str, snapshot_id: int | None = None) -> str | None:
    """The newest value under `key` in the lineage of a snapshot (default: the current one), None where none has it.

    An empty value is none: so a table that was emptied says that what came before does not count.

    The table is read as it was loaded: `table.refresh()` first to see what others committed since.
    """
    return next((text for each in lineage(table, snapshot_id) if (text := stamp(each, key)) is not None), None) or None


def was_emptied(table: Table, key: str) -> bool:
    """Whether the newest value under `key` is the empty one: the table was emptied, and is not yet complete again."""
    return next((text for each in lineage(table) if (text := stamp(each, key)) is not None), None) == ""


def held_position(table: Table, snapshot_id: int | None = None) -> Position | None:
    """Which offsets of the topic a snapshot of the table holds (default: the current one); None where none is stamped.

    Raises ValueError for a stamp that is no position.
    """
    text = newest_stamp(table, OFFSETS, snapshot_id)
    return None if text is None else Position.from_json(text)


def held_topic_ids(*tables: Table) -> frozenset[str]:
    """What the broker called the topic that each table was filled from, as far as they were told: of a sound lake, one.

    Ask both bronze and silver: either may hold the topic without the other, for bronze goes on alone, and earlier code
    told silver only.
    """
    return frozenset(told for table in tables if (told := newest_stamp(table, TOPIC_ID)))
