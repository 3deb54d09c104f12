"""Compaction yields to the stream: a low priority for its own thread, and word of an interruption."""

import os
import sys
import threading

import pytest

from firehose_dagster.maintenance.compaction.priority import beside_the_stream


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_work_has_a_low_priority_and_its_caller_keeps_its_own() -> None:
    before = _niceness()
    assert beside_the_stream(lambda _: _niceness()) == 10
    assert _niceness() == before


def test_where_threads_have_no_priority_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _niceness()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert beside_the_stream(lambda _: _niceness()) == before


def test_what_the_work_raises_is_raised() -> None:
    def fail(_: threading.Event) -> None:
        raise LookupError("no such file")

    with pytest.raises(LookupError, match="no such file"):
        beside_the_stream(fail)
