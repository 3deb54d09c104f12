import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from firehose_dagster.alerts.message import body, text
from firehose_dagster_tests.alerts.examples import SPIKE


def test_the_body_says_the_row_with_plain_decimals_and_utc_times() -> None:
    assert json.loads(body(SPIKE)) == {
        "type": "spike.detected",
        "timestamp": "2026-01-01T00:05:32Z",
        "data": {
            "spike_id": SPIKE.spike_id,
            "symbol": "BTCUSDT",
            "minute": "2026-01-01T00:05:00Z",
            "kind": "volume",
            "score": "7.20000000",
            "price": "87648.21000000",
            "vwap": "87640.00000001",
            "volume": "120.00000000",
            "return_1m": "0.00000000",
            "is_complete": True,
            "received_at": "2026-01-01T00:05:30.123456Z",
            "detected_at": "2026-01-01T00:05:32Z",
            "text": "BTCUSDT 2026-01-01 00:05 UTC: volume spike, score 7.2, price 87648.21, volume 120, "
            "return 0 % in the minute",
        },
    }


def test_a_return_that_is_not_known_is_null_and_not_in_the_text() -> None:
    spike = replace(SPIKE, return_1m=None)
    assert json.loads(body(spike))["data"]["return_1m"] is None
    assert "return" not in text(spike)


def test_the_text_says_when_trades_are_missing_and_writes_percent() -> None:
    spike = replace(SPIKE, is_complete=False, return_1m=Decimal("-0.01234000"))
    assert text(spike).endswith("return -1.234 % in the minute, trades of this minute are missing")


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        body(replace(SPIKE, minute=datetime(2026, 1, 1)))  # noqa: DTZ001  # the naive time is the point
