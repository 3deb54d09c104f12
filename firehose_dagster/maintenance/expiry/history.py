"""Iceberg's metadata of a table -> the facts that the expiry plan is made from."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot

from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS, OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.position import (
    AUDIT,
    BATCH_ID,
    HOLES_SNAPSHOT,
    OFFSETS,
    OFFSETS_BEFORE,
    QUERY_ID,
    SILVER_SEQUENCE,
    SILVER_SNAPSHOT,
    TOPIC_ID,
    WATERMARK,
)
from firehose_dagster.contracts.table import Table as Contract
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lake.row_filters import at_least
from firehose_dagster.lake.single_writer import broken_link, link_stamps
from firehose_dagster.lake.snapshots import newest_stamp, stamp
from firehose_dagster.maintenance.expiry.plan import Needs, Ref, SnapshotFacts, TableHistory

FOUND_BY_WALKING = (OFFSETS, WATERMARK, TOPIC_ID, SILVER_SNAPSHOT, SILVER_SEQUENCE, HOLES_SNAPSHOT)
"""Stamps that are looked for from the current snapshot backwards: the newest of each must stay within reach."""
READ_OTHERWISE = (AUDIT, QUERY_ID, BATCH_ID, OFFSETS_BEFORE)
"""The audit has a rule of its own, the position before is compared with the last commit where that is kept, the others
are provenance."""
NAMES: tuple[tuple[Contract, str, Contract], ...] = (
    (GOLD, SILVER_SNAPSHOT, SILVER),
    (GOLD, HOLES_SNAPSHOT, OPS_EXCHANGE_HOLES),
    (OPS_COMPLETENESS, HOLES_SNAPSHOT, OPS_EXCHANGE_HOLES),
)
"""Whose snapshots name, by which stamp, snapshots of which table: what is compared with each other stays together."""
COMPLETENESS_WAITED_FOR = timedelta(hours=3)
"""The survey goes on from the silver that it saw last, and reads everything where that is gone: one that does not run
must not make silver keep its snapshots for ever."""


class _StampedRun(msgspec.Struct, frozen=True):
    """The part of a stamped audit row that says whose it is."""

    run_id: str
    started_at: datetime


def history_of(table: Table) -> TableHistory:
    """The table's snapshots as they were loaded, oldest first."""
    metadata = table.metadata
    superseded = _superseded_at(table)
    refs = tuple(
        Ref(name, ref.snapshot_id, _expires_at(table.snapshot_by_id(ref.snapshot_id), ref.max_ref_age_ms))
        for name, ref in metadata.refs.items()
        if name != MAIN_BRANCH
    )
    snapshots = sorted(metadata.snapshots, key=lambda each: each.sequence_number or 0)
    return TableHistory(
        current_id=metadata.current_snapshot_id,
        snapshots=tuple(_facts(each, superseded[each.snapshot_id]) for each in snapshots),
        refs=refs,
        has_other_writer=broken_link(link_stamps(table)) is not None,
    )


def needs_of(catalog: Catalog, contract: Contract, table: Table) -> Needs:
    """What other tables' readers, gold's recovery and the audit's rely on in the table.

    Every snapshot that the naming table holds counts, so that one is to be expired first.
    """
    named: set[int] = set()
    back_to: dict[int, str] = {}
    for naming, key, named_table in NAMES:
        if named_table is not contract or (held := _load(catalog, naming)) is None:
            continue
        named |= {int(text) for each in held.metadata.snapshots if (text := stamp(each, key))}
        if naming is GOLD and contract is SILVER and (newest := newest_stamp(held, key)) is not None:
            back_to[int(newest)] = "gold goes on from here"
    if contract is SILVER and (seen := _seen_by_completeness(catalog, table)) is not None:
        back_to[seen] = "completeness goes on from here"
    unaudited = _unaudited(catalog, table) if contract is SILVER else frozenset[str]()
    return Needs(frozenset(named), back_to, unaudited)


def _seen_by_completeness(catalog: Catalog, silver: Table) -> int | None:
    looks = _load(catalog, OPS_COMPLETENESS)
    text = None if looks is None else newest_stamp(looks, SILVER_SNAPSHOT)
    snapshot = None if text is None else silver.snapshot_by_id(int(text))
    if snapshot is None or _instant(snapshot.timestamp_ms) < datetime.now(UTC) - COMPLETENESS_WAITED_FOR:
        return None
    return snapshot.snapshot_id


def _load(catalog: Catalog, contract: Contract) -> Table | None:
    try:
        return catalog.load_table(contract.identifier)
    except NoSuchTableError:
        return None


def _facts(snapshot: Snapshot, superseded_at: datetime | None) -> SnapshotFacts:
    audit = stamp(snapshot, AUDIT)
    return SnapshotFacts(
        snapshot_id=snapshot.snapshot_id,
        parent_id=snapshot.parent_snapshot_id,
        superseded_at=superseded_at,
        stamps=frozenset(key for key in FOUND_BY_WALKING if stamp(snapshot, key) is not None),
        query_id=stamp(snapshot, QUERY_ID),
        run_id=None if audit is None else _run(audit).run_id,
    )


def _run(text: str) -> _StampedRun:
    return msgspec.json.decode(text, type=_StampedRun)


def _superseded_at(table: Table) -> Mapping[int, datetime | None]:
    """When each snapshot stopped being the current one, by the table's own log.

    The log forgets removed snapshots, so a snapshot next to them may seem to have been current for longer than it was:
    it is then kept for longer, never for less.
    """
    log = table.metadata.snapshot_log
    found: dict[int, datetime | None] = {
        each.snapshot_id: _instant(each.timestamp_ms) for each in table.metadata.snapshots
    }
    for entry, successor in pairwise(log):
        if entry.snapshot_id in found:
            found[entry.snapshot_id] = _instant(successor.timestamp_ms)
    if table.metadata.current_snapshot_id is not None:
        found[table.metadata.current_snapshot_id] = None
    return found


def _expires_at(snapshot: Snapshot | None, max_age_ms: int | None) -> datetime | None:
    """Iceberg counts a ref's age from its snapshot."""
    if snapshot is None or max_age_ms is None:
        return None
    return _instant(snapshot.timestamp_ms) + timedelta(milliseconds=max_age_ms)


def _instant(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC) + timedelta(milliseconds=epoch_ms % 1000)


def _unaudited(catalog: Catalog, silver: Table) -> frozenset[str]:
    stamped = [_run(text) for each in silver.metadata.snapshots if (text := stamp(each, AUDIT)) is not None]
    if not stamped:
        return frozenset()
    first = min(each.started_at for each in stamped)
    audit = _load(catalog, OPS_AUDIT)
    if audit is None:
        return frozenset(each.run_id for each in stamped)
    scan = audit.scan(row_filter=at_least("started_at", first.isoformat()), selected_fields=("run_id",))
    held = set(scan.to_arrow().column("run_id").to_pylist())
    return frozenset(each.run_id for each in stamped if each.run_id not in held)
