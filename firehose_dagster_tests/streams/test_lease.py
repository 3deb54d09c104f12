"""One writer a lake: the lock is the JVM's, and dies with it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.settings import Settings
from firehose_dagster.streams import lease as lease_module
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.lease import (
    LeaseLostError,
    StreamAlreadyRunningError,
    StreamLease,
    lease_is_held,
    lease_owner,
    refuse_if_held,
)

_HOLD_THE_LOCK = """
import fcntl, signal, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, getattr(fcntl, sys.argv[2]))
print("held", flush=True)
signal.pause()
"""


@contextmanager
def _held_by_another_process(settings: Settings, how: str = "LOCK_EX") -> Iterator[None]:
    """Within, another process holds the lock; at the end it is killed."""
    (settings.state_dir / "streams.lease").touch()
    command = [sys.executable, "-c", _HOLD_THE_LOCK, str(settings.state_dir / "streams.lease"), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.kill()


def _leave_the_word_of_a_dead_process(settings: Settings) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pid = dead.pid
    left = {"pid": pid, "name": "the dead one", "since": "2026-01-01T00:00:00+00:00"}
    (settings.state_dir / "streams.lease.json").write_text(json.dumps(left))


def test_a_home_without_a_stream_is_free(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert not lease_is_held(settings)
    assert lease_owner(settings) is None
    refuse_if_held(settings)


def test_an_owner_file_that_is_no_json_is_no_owner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    (settings.state_dir / "streams.lease.json").write_text("{")
    assert lease_owner(settings) is None


def test_a_lock_held_by_another_process_is_seen_and_free_once_that_is_killed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    with _held_by_another_process(settings):
        assert lease_is_held(settings)
        with pytest.raises(StreamAlreadyRunningError, match="written by another process; a lake has one writer"):
            refuse_if_held(settings)
    assert not lease_is_held(settings)


def test_the_jvm_of_a_stream_that_was_just_killed_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    _leave_the_word_of_a_dead_process(settings)
    # Held at the first two looks, for its JVM ends a moment later.
    looks = [True, True, False]
    monkeypatch.setattr(lease_module, "lease_is_held", lambda _: looks.pop(0))
    refuse_if_held(settings)
    assert looks == []


def test_a_jvm_that_does_not_end_after_its_stream_is_refused_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    _leave_the_word_of_a_dead_process(settings)
    monkeypatch.setattr(lease_module, "_LAST_BREATH_SECONDS", 0)
    refused = pytest.raises(StreamAlreadyRunningError, match=r"\(the dead one, since ")
    with _held_by_another_process(settings), refused:
        refuse_if_held(settings)


def test_another_process_that_looks_in_the_same_moment_is_not_taken_for_a_stream(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    with _held_by_another_process(settings, "LOCK_SH"):
        assert not lease_is_held(settings)
        refuse_if_held(settings)


class _LookedAt:
    """What of a JVM the lease uses; the lock is another's for the moment of the first two tries."""

    def __init__(self) -> None:
        self.java = SimpleNamespace(io=SimpleNamespace(RandomAccessFile=lambda path, mode: self))
        self.answers: list[object] = [None, None, "the lock"]

    def getChannel(self) -> "_LookedAt":
        return self

    def tryLock(self) -> object:
        return self.answers.pop(0)

    def close(self) -> None:
        self.answers.clear()


def test_a_look_at_the_lease_in_the_moment_of_the_start_does_not_refuse_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    StreamLease(cast(SparkSession, SimpleNamespace(_jvm=_LookedAt())), settings).take("the stream")
    owner = lease_owner(settings)
    assert owner is not None
    assert owner.name == "the stream"


def test_what_a_dead_process_wrote_holds_nothing_though_its_number_is_another_ones_now(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    (settings.state_dir / "streams.lease").touch()
    left = {"pid": os.getpid(), "name": "the dead one", "since": "2026-01-01T00:00:00+00:00"}
    (settings.state_dir / "streams.lease.json").write_text(json.dumps(left))
    assert not lease_is_held(settings)
    refuse_if_held(settings)


def test_a_second_host_is_refused_before_it_makes_a_lake_or_asks_for_its_topic(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    with _held_by_another_process(settings), pytest.raises(StreamAlreadyRunningError):
        run_streams(settings, threading.Event(), until_caught_up=True)
    assert not settings.lake_dir.exists()


@pytest.mark.spark
def test_the_lease_of_a_jvm_refuses_a_second_stream_by_the_name_of_the_first(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    lease = StreamLease(spark, settings)
    lease.take("the first")
    try:
        assert lease_is_held(settings)
        command = [sys.executable, "-m", "firehose_dagster.cli", "streams", "--home", str(settings.home)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 2
        assert f"process {os.getpid()} (the first, since " in second.stderr
        assert "Traceback" not in second.stderr
        assert not settings.lake_dir.exists(), "the refused one wrote something"
    finally:
        lease.release()
    assert not lease_is_held(settings)


@pytest.mark.spark
def test_the_lease_that_a_dead_process_left_is_taken_over_and_says_so(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.state_dir.mkdir(parents=True)
    left = {"pid": 1, "name": "the dead one", "since": "2026-01-01T00:00:00+00:00"}
    (settings.state_dir / "streams.lease.json").write_text(json.dumps(left))
    lease = StreamLease(spark, settings)
    refused = pytest.raises(StreamAlreadyRunningError, match=r"written by process 1 \(the dead one, since 2026-01-01T")
    with _held_by_another_process(settings), refused:
        lease.take("the next one")
    lease.take("the next one")
    try:
        assert lease_is_held(settings)
        owner = lease_owner(settings)
        assert owner is not None
        assert (owner.pid, owner.name) == (os.getpid(), "the next one")
    finally:
        lease.release()


@pytest.mark.spark
def test_of_two_that_both_found_the_home_free_the_lock_lets_one_in(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.state_dir.mkdir(parents=True)
    with _held_by_another_process(settings):
        # The look of before, when nobody held it.
        monkeypatch.setattr(lease_module, "lease_is_held", lambda _: False)
        with pytest.raises(StreamAlreadyRunningError, match=r"the lake under .*home is written by another process"):
            StreamLease(spark, settings).take("the second")
    assert lease_owner(settings) is None


@pytest.mark.spark
def test_a_second_stream_in_the_same_jvm_is_refused_and_the_first_keeps_the_lock(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    first = StreamLease(spark, settings)
    first.take("the first")
    try:
        with pytest.raises(StreamAlreadyRunningError, match=r"\(the first, since "):
            StreamLease(spark, settings).take("the second")
        # A file lock is the process's: closing any other channel on the file would have let it go.
        assert lease_is_held(settings)
    finally:
        first.release()


@pytest.mark.spark
@pytest.mark.parametrize("replaced", [False, True])
def test_who_holds_a_lease_whose_file_was_deleted_learns_it_and_what_to_do(
    spark: SparkSession, tmp_path: Path, replaced: bool
) -> None:
    settings = Settings(home=tmp_path / "home")
    lease = StreamLease(spark, settings)
    lease.take("the stream")
    try:
        lease.require_held()
        (settings.state_dir / "streams.lease").unlink()
        if replaced:
            (settings.state_dir / "streams.lease").touch()
        with pytest.raises(LeaseLostError, match=r"streams\.lease was deleted or replaced .* start one again"):
            lease.require_held()
    finally:
        lease.release()
