"""Healthy, degraded or unusable, and why. Pure; thresholds are here, each with its reason."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from firehose_dagster.status.report import (
    CompletenessHealth,
    DiskHealth,
    GatewayHealth,
    Health,
    StreamsHealth,
    TableHealth,
)

MOST_LAG = timedelta(seconds=30)
"""Ten times what a live stream needs; catching up after an outage is told as degraded, for it is late."""
LONGEST_SILENCE = timedelta(minutes=5)
"""A stream that takes trades makes a batch a second."""
LONGEST_WITHOUT_A_LOOK = timedelta(hours=1)
"""Completeness is looked at every five minutes, in the hours that changed."""
MOST_SNAPSHOTS = 10_000
"""Three hours of commits each second: expiry has not run, and each commit writes megabytes of metadata."""
MOST_FILES_IN_A_PARTITION = 5_000
"""An hour of commits each second leaves 3,600: compaction is an hour late."""
LEAST_FREE_FRACTION = 0.05


def judge(
    now: datetime,
    streams: StreamsHealth,
    gateway: GatewayHealth,
    completeness: CompletenessHealth | None,
    tables: Sequence[TableHealth],
    disk: DiskHealth,
    lake_error: str | None,
) -> tuple[Health, list[str]]:
    """The verdict and its reasons, the worst first. `lake_error`: why the lake could not be read."""
    if lake_error is not None:
        return "unusable", [lake_error]
    reasons = [
        *_of_streams(now, streams, gateway),
        *_of_gateway(gateway),
        *_of_tables(tables),
    ]
    if completeness is not None and completeness.missing_ids:
        reasons.append(f"{completeness.missing_ids:,} trades of the last 24 hours are missing")
    if _is_unlooked_at(streams, completeness):
        reasons.append("silver took trades for an hour that completeness has not looked at: does `completeness` run?")
    if disk.free_bytes < disk.total_bytes * LEAST_FREE_FRACTION:
        reasons.append(f"disk: {disk.free_bytes // 1_000_000:,} MB free of {disk.total_bytes // 1_000_000:,}")
    return ("degraded" if reasons else "healthy"), reasons


def _of_streams(now: datetime, streams: StreamsHealth, gateway: GatewayHealth) -> list[str]:
    if not streams.running:
        return ["no stream runs: start the job `streams`, or `firehose streams`"]
    reasons = []
    if streams.failing is not None:
        reasons.append(f"the stream takes batches into bronze alone: {streams.failing}")
    if streams.lag_ms is not None and timedelta(milliseconds=streams.lag_ms) > MOST_LAG:
        reasons.append(f"the stream is {streams.lag_ms / 1000:.0f} s late")
    # A market may be silent, and then there is nothing to process.
    fed = gateway.last_trade_at is not None and now - gateway.last_trade_at < LONGEST_SILENCE
    if fed and streams.updated_at is not None and now - streams.updated_at > LONGEST_SILENCE:
        reasons.append(f"the stream has processed no batch since {streams.updated_at:%H:%M:%S} UTC, though trades come")
    return reasons


def _is_unlooked_at(streams: StreamsHealth, completeness: CompletenessHealth | None) -> bool:
    """By the trades, not by the clock: where none come there is nothing to look at."""
    looked_at = None if completeness is None else completeness.looked_at
    since = looked_at or streams.started_at
    if not streams.running or since is None or streams.watermark is None:
        return False
    return streams.watermark - since > LONGEST_WITHOUT_A_LOOK


def _of_gateway(gateway: GatewayHealth) -> list[str]:
    why = f" ({gateway.last_error})" if gateway.last_error else ""
    if not gateway.running:
        return [f"no gateway runs{why}: start the job `gateway`, or `firehose gateway`"]
    reasons = []
    if gateway.connections < gateway.connections_planned:
        reasons.append(f"{gateway.connections} of {gateway.connections_planned} connections to the exchange stand{why}")
    elif gateway.state == "starting" and why:
        reasons.append(f"the gateway waits to begin{why}")
    if gateway.missing_ids:
        reasons.append(f"{gateway.missing_ids:,} trades wait to be healed")
    return reasons


def _of_tables(tables: Sequence[TableHealth]) -> list[str]:
    reasons = []
    for table in tables:
        if table.snapshots > MOST_SNAPSHOTS:
            reasons.append(f"{table.name} has {table.snapshots:,} snapshots: does `expire_snapshots` run?")
        most = table.most_files_in_a_partition
        if most is not None and most > MOST_FILES_IN_A_PARTITION:
            reasons.append(f"{table.name} has {most:,} files in a partition: does `compact` run?")
    return reasons
