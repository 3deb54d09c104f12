"""Readers that hold a state of the lake for longer than expiry waits: each pins its snapshots by an Iceberg tag.

A tag belongs to the table, so every engine's expiry honours it, on whatever machine the reader is; it ends by itself
after `lasts`. What may be pinned needs no agreement with an expiry that runs at the same time: a snapshot that is
current, that was superseded less than half of expiry's smallest age ago, or that a tag already holds. An expiry that
was planned before the tag was there left such a snapshot alone because of its age.

A reader that is done within the smallest age (FIREHOSE_SNAPSHOT_MIN_AGE_MINUTES) needs no pin.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from firehose_dagster.errors import ExplainedError
from firehose_dagster.maintenance.expiry.history import history_of

TAG_PREFIX = "reader."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class PinRefusedError(ExplainedError):
    """The snapshot cannot be held: the text says which and why."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A snapshot of a table that a reader holds, until `expires_at` (UTC; None: until it lets go)."""

    reader: str
    table: str
    snapshot_id: int
    expires_at: datetime | None


def pin(
    catalog: Catalog,
    reader: str,
    tables: Mapping[str, int | None],
    *,
    min_age: timedelta,
    lasts: timedelta | None = None,
) -> tuple[Pin, ...]:
    """Hold these snapshots (identifier -> snapshot id, None: the current one) for the reader.

    A table without a snapshot is left out. Raises PinRefusedError where a snapshot may already be on its way out, or is
    not there; what was pinned until then is let go.
    """
    if not _NAME.fullmatch(reader):
        raise PinRefusedError(f"{reader!r} names no reader: letters, digits, `_`, `.`, `-`, at most 100 of them")
    pins: list[Pin] = []
    try:
        for identifier, snapshot_id in tables.items():
            held = _pin(catalog, reader, identifier, snapshot_id, min_age, lasts)
            pins += [held] if held is not None else []
    except PinRefusedError:
        release(catalog, reader, [each.table for each in pins])
        raise
    return tuple(pins)


def release(catalog: Catalog, reader: str, tables: Sequence[str]) -> None:
    """Let go of what the reader holds of these tables; nothing where it holds nothing."""
    for identifier in tables:
        _release(catalog, reader, identifier)


def pins_of(table: Table) -> Iterator[Pin]:
    """What readers hold of a table."""
    for ref in history_of(table).refs:
        if ref.name.startswith(TAG_PREFIX):
            reader = ref.name.removeprefix(TAG_PREFIX)
            yield Pin(reader, ".".join(table.name()), ref.snapshot_id, ref.expires_at)


_lost_races_are_run_again = retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(20),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    reraise=True,
)


@_lost_races_are_run_again
def _pin(
    catalog: Catalog,
    reader: str,
    identifier: str,
    snapshot_id: int | None,
    min_age: timedelta,
    lasts: timedelta | None,
) -> Pin | None:
    table = catalog.load_table(identifier)
    history = history_of(table)
    wanted = history.current_id if snapshot_id is None else snapshot_id
    if wanted is None:
        return None
    asked_at = datetime.now(UTC)
    facts = next((each for each in history.snapshots if each.snapshot_id == wanted), None)
    if facts is None:
        raise PinRefusedError(f"{identifier} has no snapshot {wanted}: it was never there, or has expired")
    is_tagged = any(
        each.snapshot_id == wanted and (each.expires_at is None or each.expires_at > asked_at + min_age)
        for each in history.refs
    )
    if not is_tagged and facts.superseded_at is not None and facts.superseded_at < asked_at - min_age / 2:
        raise PinRefusedError(
            f"snapshot {wanted} of {identifier} was superseded at {facts.superseded_at.isoformat()}: expiry may be "
            "about to take it; pin the current one, or one that a tag holds"
        )
    snapshot = table.snapshot_by_id(wanted)
    assert snapshot is not None  # noqa: S101 - it is among the facts
    expires_at = None if lasts is None else asked_at + lasts
    # Iceberg counts a tag's age from its snapshot.
    age_ms = None if expires_at is None else int(expires_at.timestamp() * 1000) - snapshot.timestamp_ms
    table.manage_snapshots().create_tag(wanted, TAG_PREFIX + reader, age_ms).commit()
    held = catalog.load_table(identifier)
    if held.snapshot_by_id(wanted) is None or datetime.now(UTC) - asked_at > min_age / 2:
        _release(catalog, reader, identifier)
        raise PinRefusedError(f"snapshot {wanted} of {identifier} could not be pinned in time; try again")
    return Pin(reader, identifier, wanted, expires_at)


@_lost_races_are_run_again
def _release(catalog: Catalog, reader: str, identifier: str) -> None:
    table = catalog.load_table(identifier)
    if TAG_PREFIX + reader in table.metadata.refs:
        table.manage_snapshots().remove_tag(TAG_PREFIX + reader).commit()
