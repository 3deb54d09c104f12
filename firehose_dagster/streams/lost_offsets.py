"""Records that the topic lost before any table had them: refused, or accepted as an incident that the audit tells."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import OFFSETS_LOST, Position
from firehose_dagster.lake.row_filters import equals
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import NO_ROWS, BatchAudit
from firehose_dagster.streams.topic_offsets import TopicUnusableError

logger = logging.getLogger(__name__)

Losses = Mapping[int, Sequence[tuple[int, int]]]
"""First offset lost and the one after the last, by partition, in order. Some may overlap."""


class Teller(Protocol):
    """Who writes to the audit."""

    def tell(self, audit: BatchAudit) -> None:
        """Write a row, at once."""


def accept_loss(settings: Settings, catalog: Catalog, teller: Teller, lost: Mapping[int, tuple[int, int]]) -> None:
    """Write one row of kind ``incident:offsets_lost`` with the first offset lost and the one after the last, once.

    The trades among them are missing ids like any others: completeness finds them, the gateway heals them.
    Raises ``TopicUnusableError`` where the settings do not allow to go on.
    """
    records = sum(end - first for first, end in lost.values())
    where = ", ".join(f"partition {partition} offsets {first} to {end - 1}" for partition, (first, end) in lost.items())
    if settings.lost_offsets == "refuse":
        raise TopicUnusableError(
            f"retention removed {records} records of topic {settings.topic} that no table holds: {where}. To go on "
            "behind them, set FIREHOSE_LOST_OFFSETS=skip: their trades are then missing ids, which are healed, and the "
            "loss is a row of ops_audit"
        )
    starts = Position(settings.topic, {partition: first for partition, (first, _) in lost.items()}).to_json()
    ends = Position(settings.topic, {partition: end for partition, (_, end) in lost.items()}).to_json()
    run_id = f"{OFFSETS_LOST}/{starts}/{ends}"
    told = catalog.load_table(OPS_AUDIT.identifier).scan(row_filter=equals("run_id", run_id), limit=1).to_arrow()
    if told.num_rows:
        return
    now = datetime.now(UTC)
    incident: BatchAudit = replace(
        NO_ROWS,
        run_id=run_id,
        kind=OFFSETS_LOST,
        started_at=now,
        finished_at=now,
        offsets_start=starts,
        offsets_end=ends,
        detail=f"retention removed {records} records unread: {where}",
    )
    teller.tell(incident)
    logger.error("offsets lost records=%d where=%s", records, where)


def told_losses(catalog: Catalog) -> Losses:
    """What was accepted so far: no table has these offsets, and none will."""
    told = catalog.load_table(OPS_AUDIT.identifier).scan(
        row_filter=equals("kind", OFFSETS_LOST), selected_fields=("offsets_start", "offsets_end")
    )
    losses: dict[int, list[tuple[int, int]]] = {}
    for row in told.to_arrow().to_pylist():
        first = Position.from_json(row["offsets_start"]).offsets
        for partition, end in Position.from_json(row["offsets_end"]).offsets.items():
            losses.setdefault(partition, []).append((first[partition], end))
    return {partition: sorted(ranges) for partition, ranges in losses.items()}
