"""What makes an installation degraded, each cause by itself."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from firehose_dagster.status.judgement import judge
from firehose_dagster.status.report import (
    EXIT_CODES,
    CompletenessHealth,
    DiskHealth,
    GatewayHealth,
    Health,
    StreamsHealth,
    TableHealth,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREAMS = StreamsHealth(running=True, updated_at=NOW, lag_ms=1_500)
GATEWAY = GatewayHealth(running=True, last_trade_at=NOW)
TABLE = TableHealth(name="t", rows=1, data_files=1, bytes=1, snapshots=1, written_at=NOW, most_files_in_a_partition=1)


@dataclass(frozen=True)
class Seen:
    """A healthy installation, in which a test changes one thing."""

    streams: StreamsHealth = STREAMS
    gateway: GatewayHealth = GATEWAY
    completeness: CompletenessHealth | None = None
    table: TableHealth = TABLE
    disk: DiskHealth = field(default_factory=lambda: DiskHealth(total_bytes=100, free_bytes=50))
    lake_error: str | None = None

    def judged(self) -> tuple[Health, list[str]]:
        return judge(NOW, self.streams, self.gateway, self.completeness, [self.table], self.disk, self.lake_error)


def test_nothing_wrong_is_healthy_and_exits_with_0() -> None:
    assert Seen().judged() == ("healthy", [])
    assert EXIT_CODES == {"healthy": 0, "degraded": 1, "unusable": 2}


def test_a_lake_that_cannot_be_read_is_unusable() -> None:
    assert Seen(lake_error="no lake").judged() == ("unusable", ["no lake"])


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen(streams=StreamsHealth(running=False)), "no stream runs"),
        (Seen(streams=msgspec.structs.replace(STREAMS, lag_ms=30_001)), "30 s late"),
        (Seen(streams=msgspec.structs.replace(STREAMS, updated_at=NOW - timedelta(minutes=6))), "no batch since 11:54"),
        (Seen(gateway=GatewayHealth(running=False, last_error="refused")), "no gateway runs (refused)"),
        (Seen(gateway=msgspec.structs.replace(GATEWAY, missing_ids=7)), "7 trades wait"),
        (
            Seen(gateway=msgspec.structs.replace(GATEWAY, connections=1, connections_planned=2, last_error="cut")),
            "1 of 2 connections to the exchange stand (cut)",
        ),
        (
            Seen(gateway=msgspec.structs.replace(GATEWAY, state="starting", last_error="no route")),
            "the gateway waits to begin (no route)",
        ),
        (
            Seen(completeness=CompletenessHealth(hours=2, sealed=1, missing_ids=3, looked_at=NOW)),
            "3 trades of the last",
        ),
        (Seen(streams=msgspec.structs.replace(STREAMS, failing="silver failed: full")), "bronze alone: silver failed"),
        (
            Seen(streams=msgspec.structs.replace(STREAMS, started_at=NOW - timedelta(hours=2), watermark=NOW)),
            "does `completeness` run?",
        ),
        (Seen(table=msgspec.structs.replace(TABLE, snapshots=10_001)), "expire_snapshots"),
        (Seen(table=msgspec.structs.replace(TABLE, most_files_in_a_partition=5_001)), "compact"),
        (Seen(disk=DiskHealth(total_bytes=100, free_bytes=4)), "disk"),
    ],
)
def test_each_fault_alone_is_degraded_and_named(seen: Seen, reason: str) -> None:
    health, (told,) = seen.judged()
    assert health == "degraded"
    assert reason in told


def test_a_gateway_that_just_begins_is_no_fault() -> None:
    assert Seen(gateway=msgspec.structs.replace(GATEWAY, state="starting")).judged() == ("healthy", [])


def test_a_silent_market_is_no_fault_of_the_stream() -> None:
    quiet = NOW - timedelta(hours=1)
    seen = Seen(
        streams=msgspec.structs.replace(STREAMS, updated_at=quiet),
        gateway=msgspec.structs.replace(GATEWAY, last_trade_at=quiet),
    )
    assert seen.judged() == ("healthy", [])


def test_completeness_is_not_overdue_where_no_trades_came_since_its_look() -> None:
    looked = CompletenessHealth(hours=1, sealed=0, missing_ids=0, looked_at=NOW - timedelta(hours=5))
    streams = msgspec.structs.replace(STREAMS, watermark=NOW - timedelta(hours=4))
    assert Seen(streams=streams, completeness=looked).judged() == ("healthy", [])


def test_files_that_were_not_counted_are_not_judged() -> None:
    assert Seen(table=msgspec.structs.replace(TABLE, most_files_in_a_partition=None)).judged()[0] == "healthy"
