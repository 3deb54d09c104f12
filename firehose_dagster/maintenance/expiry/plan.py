"""Which snapshots of a table may go. Pure: what readers need is told, what is kept has a reason.

A snapshot is kept where one of these holds; all others expire, oldest first:

- it is current, or stands between the current one and the newest that carries a stamp: a lineage with a hole in it
  hides the stamp, and the stream would begin at the topic's start;
- a tag or branch names it, and the ref is not older than it may become (a paused reader, a sealed day);
- it was the current one less than `min_age` ago: a reader that began then may still read it, and walk back from it to
  its stamps. Age counts from when a snapshot was superseded, not from when it was made: of a quiet table the current
  snapshot is days old;
- it is among the newest few, or the newest of one of the latest streaming queries;
- another table's reader needs it (`Needs`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

QUERIES_KEPT = 10
"""Each start of the stream has a query id of its own: without a bound they would be kept for ever."""


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What the plan needs to know of one snapshot. Times are UTC."""

    snapshot_id: int
    parent_id: int | None
    superseded_at: datetime | None
    """When another one became current in its place; for one that never was current, when it was made; None: it is."""
    stamps: frozenset[str] = frozenset()
    """Keys of the stamps that it carries."""
    query_id: str | None = None
    run_id: str | None = None
    """Of the audit row that it carries."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tag or branch. It names its snapshot until `expires_at`, None: for ever."""

    name: str
    snapshot_id: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TableHistory:
    """Snapshots of one table in the order in which they were made, and what names them."""

    current_id: int | None
    snapshots: tuple[SnapshotFacts, ...]
    refs: tuple[Ref, ...] = ()
    has_other_writer: bool = False
    """Whether somebody else's commit lies between two of the stream's: a person has to roll the table back."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What readers of other tables, or of this one by other means, rely on."""

    named: frozenset[int] = frozenset()
    """Silver snapshots that snapshots of gold name: `verify` compares the two."""
    back_to: Mapping[int, str] = field(default_factory=dict)
    """Snapshot -> who goes back to it, step by step from the current one, as gold does after a crash. One that is no
    ancestor of the current one holds itself alone."""
    unaudited: frozenset[str] = frozenset()
    """Run ids of batches that `ops_audit` does not hold yet: their rows are rebuilt by walking back."""


@dataclass(frozen=True, slots=True)
class ExpiryPolicy:
    """The settings in force."""

    min_age: timedelta
    min_snapshots: int


@dataclass(frozen=True, slots=True)
class ExpiryPlan:
    """What to remove, oldest first, and why the rest stays."""

    expire: tuple[int, ...]
    expired_refs: tuple[str, ...]
    kept: Mapping[int, str] = field(default_factory=dict)
    """Snapshot id -> the first reason found."""

    def kept_by_reason(self) -> dict[str, int]:
        """How many snapshots stay for which reason."""
        counts: dict[str, int] = {}
        for reason in self.kept.values():
            counts[reason] = counts.get(reason, 0) + 1
        return counts


def plan(history: TableHistory, needs: Needs, policy: ExpiryPolicy, now: datetime) -> ExpiryPlan:
    """What may go now. A table without a current snapshot keeps all that it has, and so does one that two wrote to: by
    its snapshots that is seen, and rolled back."""
    if history.current_id is None:
        return ExpiryPlan((), (), {each.snapshot_id: "no current snapshot" for each in history.snapshots})
    if history.has_other_writer:
        return ExpiryPlan((), (), {each.snapshot_id: "another writer" for each in history.snapshots})
    by_id = {each.snapshot_id: each for each in history.snapshots}
    lasting = [ref for ref in history.refs if ref.expires_at is None or ref.expires_at > now]
    kept: dict[int, str] = {}
    for snapshot_id, reason in _reasons(history, by_id, lasting, needs, policy, now):
        if snapshot_id in by_id:
            kept.setdefault(snapshot_id, reason)
    return ExpiryPlan(
        expire=tuple(each.snapshot_id for each in history.snapshots if each.snapshot_id not in kept),
        expired_refs=tuple(ref.name for ref in history.refs if ref not in lasting),
        kept=kept,
    )


def _reasons(
    history: TableHistory,
    by_id: Mapping[int, SnapshotFacts],
    refs: list[Ref],
    needs: Needs,
    policy: ExpiryPolicy,
    now: datetime,
) -> Iterator[tuple[int, str]]:
    assert history.current_id is not None  # noqa: S101 - told by the caller
    lineage = tuple(_lineage(by_id, history.current_id))
    every_stamp = frozenset[str]().union(*(each.stamps for each in history.snapshots))

    def down_to_stamps(snapshot_id: int) -> tuple[SnapshotFacts, ...]:
        return _down_to_stamps(_lineage(by_id, snapshot_id), every_stamp)

    for each in down_to_stamps(history.current_id):
        yield each.snapshot_id, "position"
    for ref in refs:
        for each in down_to_stamps(ref.snapshot_id):
            yield each.snapshot_id, f"ref {ref.name}"
    for young in history.snapshots:
        if young.superseded_at is None or young.superseded_at > now - policy.min_age:
            for each in down_to_stamps(young.snapshot_id):
                yield each.snapshot_id, "young"
    for each in lineage[: policy.min_snapshots]:
        yield each.snapshot_id, "newest"
    for each in _newest_of_queries(lineage):
        yield each.snapshot_id, "query"
    places = {each.snapshot_id: place for place, each in enumerate(lineage)}
    for snapshot_id, reason in needs.back_to.items():
        yield snapshot_id, reason
        # Where it is not on the way back, nobody can go back to it step by step.
        for each in lineage[: places.get(snapshot_id, -1) + 1]:
            yield each.snapshot_id, reason
    for snapshot_id in needs.named:
        yield snapshot_id, "named by gold"
    waiting = [number for number, each in enumerate(lineage) if each.run_id in needs.unaudited]
    for each in lineage[: waiting[-1] + 1 if waiting else 0]:
        yield each.snapshot_id, "not audited yet"


def _lineage(by_id: Mapping[int, SnapshotFacts], snapshot_id: int) -> Iterator[SnapshotFacts]:
    """The snapshot and its ancestors, newest first, as far as they are there."""
    each = by_id.get(snapshot_id)
    while each is not None:
        yield each
        each = None if each.parent_id is None else by_id.get(each.parent_id)


def _down_to_stamps(lineage: Iterable[SnapshotFacts], every_stamp: frozenset[str]) -> tuple[SnapshotFacts, ...]:
    """The front of the lineage in which every stamp that it has anywhere is found; of `every_stamp` of the table."""
    seen: set[str] = set()
    walked: list[SnapshotFacts] = []
    length = 1
    for each in lineage:
        walked.append(each)
        if not each.stamps <= seen:
            seen |= each.stamps
            length = len(walked)
        if seen >= every_stamp:
            break
    return tuple(walked[:length])


def _newest_of_queries(lineage: tuple[SnapshotFacts, ...]) -> Iterator[SnapshotFacts]:
    seen: set[str] = set()
    for each in lineage:
        if each.query_id is not None and each.query_id not in seen:
            seen.add(each.query_id)
            yield each
            if len(seen) == QUERIES_KEPT:
                return
