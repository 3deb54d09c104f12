"""What the run of the gateway shows of the feed on the topic's asset."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from firehose_dagster.defs import gateway
from firehose_dagster.defs.gateway import feed_metadata
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.settings import Settings
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


def test_the_gateway_goes_on_where_dagster_takes_no_word_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    was_told = threading.Event()

    def collecting(_: Settings, stop: threading.Event, on_status: Callable[[GatewayStatus], None]) -> None:
        on_status(GATEWAY_STATUS)
        assert was_told.wait(60)
        assert not stop.is_set()

    def locked(*_: object) -> None:
        was_told.set()
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(gateway, "run_gateway", collecting)
    monkeypatch.setattr(dg.OpExecutionContext, "log_event", locked)
    result = gateway.gateway.execute_in_process(
        resources={"firehose": FirehoseResource(home=str(tmp_path))}, raise_on_error=False
    )
    assert was_told.is_set()
    assert result.success
