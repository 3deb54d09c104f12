"""A gateway whose status cannot be written goes on collecting, and says so once."""

import errno
import logging
import threading
from pathlib import Path

import pytest

from firehose_dagster.gateway import process
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.settings import Settings


def test_a_disk_that_is_full_does_not_end_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(process, "write_status", no_room)
    stop = threading.Event()
    told: list[GatewayStatus] = []

    def count(status: GatewayStatus) -> None:
        told.append(status)
        if len(told) == 2:
            stop.set()

    settings = Settings(home=tmp_path, exchange_rest_url="http://127.0.0.1:1", exchange_ws_url="ws://127.0.0.1:1")
    with caplog.at_level(logging.WARNING):
        run_gateway(settings, stop, count)
    assert [status.state for status in told] == ["starting", "starting", "stopped"]
    assert [record.getMessage() for record in caplog.records if "status_not_written" in record.getMessage()] == [
        "event=status_not_written reason=[Errno 28] No space left on device"
    ]
