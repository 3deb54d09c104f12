"""What the run of the gateway shows of the feed on the topic's asset."""

from datetime import datetime

import msgspec

from firehose_dagster.defs.gateway import feed_metadata
from firehose_dagster_tests.gateway.examples import GATEWAY_STATUS

SAID_ELSEWHERE = {"state", "pid", "updated_at", "frames", "bytes", "by_kind", "produced"}
"""By the run itself, or by a figure beside it."""


def test_every_figure_of_the_feed_s_health_is_shown() -> None:
    shown = " ".join(str(value) for value in feed_metadata(GATEWAY_STATUS).values())
    figures = msgspec.to_builtins(GATEWAY_STATUS, builtin_types=(datetime,))
    for name in figures.keys() - SAID_ELSEWHERE:
        text = figures[name].isoformat() if isinstance(figures[name], datetime) else str(figures[name])
        assert text in shown, name


def test_connections_are_told_against_what_should_be_open() -> None:
    assert feed_metadata(GATEWAY_STATUS)["connections open"] == "1003 of 1004"


def test_a_gateway_without_a_trade_or_an_error_says_so() -> None:
    quiet = feed_metadata(msgspec.structs.replace(GATEWAY_STATUS, last_trade_at=None, last_error=None))
    assert (quiet["newest trade"], quiet["last error"]) == ("none", "none")
