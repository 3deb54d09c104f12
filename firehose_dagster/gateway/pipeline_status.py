"""What a pipeline's parts counted -> the status that others read."""

import os
from datetime import UTC, datetime

from firehose_dagster.gateway.pipeline import Pipeline
from firehose_dagster.gateway.session import Counts
from firehose_dagster.gateway.status import GatewayStatus, State, utc_from_microseconds


def status_of(pipeline: Pipeline, state: State, last_error: str | None) -> GatewayStatus:
    """The counts of now."""
    connections, healer, publisher = pipeline.connections, pipeline.healer, pipeline.publisher
    counts = Counts()
    for connection in connections:
        counts.add(connection.counts)
    # Read before its ids: a gap that is counted as healed has its ids counted, too.
    gaps_healed = healer.gaps_healed if healer else 0
    # Read before the queue: what is counted as delivered was delivered.
    healed_ids = healer.healed_ids if healer else 0
    produced = counts.trades + counts.unparsable + healed_ids
    outstanding = publisher.outstanding if publisher else 0
    lost = publisher.lost if publisher else 0
    errors = [
        last_error,
        *(connection.last_error for connection in connections),
        healer.last_error if healer else None,
        pipeline.lake.last_error if pipeline.lake else None,
        pipeline.startup_error,
        pipeline.notice.text() if pipeline.notice else None,
    ]
    return GatewayStatus(
        state=state,
        pid=os.getpid(),
        started_at=pipeline.started_at,
        updated_at=datetime.now(UTC),
        symbols=len(pipeline.symbols),
        connections=sum(connection.is_open for connection in connections),
        connections_planned=len(connections),
        reconnects=sum(connection.reconnects for connection in connections),
        rotations=sum(connection.rotations for connection in connections),
        frames=counts.frames,
        bytes=counts.bytes,
        trades=counts.trades,
        by_kind=dict(counts.by_kind),
        unparsable=counts.unparsable,
        produced=produced,
        delivered=max(0, produced - outstanding - lost),
        outstanding=outstanding,
        lost=lost,
        full_queue_seconds=round(publisher.full_queue_seconds, 3) if publisher else 0.0,
        gaps_found=healer.gaps_found if healer else 0,
        gaps_healed=gaps_healed,
        missing_ids=healer.missing_ids() if healer else 0,
        healed_ids=healed_ids,
        absent_ids=healer.absent_ids if healer else 0,
        unresolved_ids=healer.unresolved_ids() if healer else 0,
        rest_calls=pipeline.rest.calls,
        probes=pipeline.prober.probes if pipeline.prober else 0,
        highest_weight_used=pipeline.rest.highest_weight_used,
        last_trade_at=utc_from_microseconds(counts.last_trade_time_us) if counts.last_trade_time_us else None,
        last_error=next((error for error in errors if error), None),
    )
