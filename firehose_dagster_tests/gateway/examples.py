"""A gateway's status in which no two figures are the same."""

from datetime import UTC, datetime

from firehose_dagster.gateway.status import GatewayStatus

GATEWAY_STATUS = GatewayStatus(
    state="running",
    pid=1001,
    started_at=datetime(2026, 1, 1, 10, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, 11, tzinfo=UTC),
    symbols=1002,
    connections=1003,
    connections_planned=1004,
    reconnects=1005,
    rotations=1006,
    frames=1007,
    bytes=1008,
    trades=1009,
    by_kind={"kline": 1010},
    unparsable=1011,
    produced=1012,
    delivered=1013,
    outstanding=1014,
    lost=1015,
    full_queue_seconds=1016.5,
    gaps_found=1017,
    gaps_healed=1018,
    missing_ids=1019,
    healed_ids=1020,
    absent_ids=1021,
    unresolved_ids=1022,
    rest_calls=1023,
    probes=1024,
    highest_weight_used=1025,
    last_trade_at=datetime(2026, 1, 1, 10, 59, 59, tzinfo=UTC),
    last_error="cut without a closing handshake",
)
