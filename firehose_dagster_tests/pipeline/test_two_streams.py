"""One writer a lake, among real processes on a real topic: refused by name, by a draw, and beside an orphaned JVM."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from firehose_dagster.contracts.position import QUERY_ID
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster.streams.lease import lease_is_held, lease_owner
from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.chaos.kills import jvm_of
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until
from firehose_dagster_tests.streams.scenario import trades

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]
REFUSED = 2
ROUNDS = 3


def test_a_second_stream_is_refused_by_the_name_of_the_first_and_writes_nothing(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline("second")
    with _stream_that_took_fifty(pipeline, tmp_path / "first.log") as first:
        owner = lease_owner(pipeline.settings)
        assert owner is not None
        for number, command in enumerate((("streams",), ("streams", "--until-caught-up"))):
            # What the second would take, were it let in.
            pipeline.produce(encoded(trades(51 + number * 50, 100 + number * 50, minute=25 * (number + 1))))
            log = tmp_path / f"second-{number}.log"
            started = time.monotonic()
            with pipeline.start(*command, log=log) as second:
                assert second.wait(120) == REFUSED
            print(f"a second `firehose {' '.join(command)}` was refused {time.monotonic() - started:.2f} s after exec")
            assert log.read_text().splitlines() == [
                f"firehose: the lake under {pipeline.settings.home} is written by process {first.pid} (firehose "
                f"streams, since {owner.since}); a lake has one writer: stop that one first"
            ]
        wait_until(lambda: _silver_rows(pipeline) == 150, first, tmp_path / "first.log")
    assert len(_queries(pipeline)) == 1
    pipeline.require_proven()


def test_of_two_streams_started_at_once_exactly_one_wins(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    pipeline = make_pipeline("draw")
    pipeline.make_topic()
    for number in range(ROUNDS):
        pipeline.produce(encoded(trades(1 + number * 20, 20 + number * 20, minute=10 * number)))
        _draw(pipeline, tmp_path / f"{number}-a.log", tmp_path / f"{number}-b.log", rows=20 * (number + 1))
    assert len(_queries(pipeline)) == ROUNDS
    pipeline.require_proven()


def _draw(pipeline: Pipeline, log_a: Path, log_b: Path, rows: int) -> None:
    """One is refused, and the other one's silver comes to so many rows."""
    with _stream(pipeline, log_a) as a, _stream(pipeline, log_b) as b:
        both = {a.pid: (a, log_a), b.pid: (b, log_b)}
        _wait(lambda: any(each.poll() is not None for each, _ in both.values()), "none of the two was refused")
        ((loser, said),) = [(each, log) for each, log in both.values() if each.poll() is not None]
        assert loser.returncode == REFUSED, said.read_text()[-4_000:]
        *_, last = said.read_text().splitlines()
        assert re.match(r"firehose: the lake under \S+ is written by ", last), last
        ((winner, log),) = [each for pid, each in both.items() if pid != loser.pid]
        wait_until(lambda: _silver_in_lake(pipeline) == rows, winner, log)
        owner = lease_owner(pipeline.settings)
        assert owner is not None
        assert owner.pid == winner.pid


def test_a_jvm_that_outlives_its_python_holds_the_lease_until_it_is_dead(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline("half-dead")
    settings = pipeline.settings
    with _stream_that_took_fifty(pipeline, tmp_path / "first.log") as first:
        jvm_pid = jvm_of(first.pid)
        assert jvm_pid is not None
        jvm = psutil.Process(jvm_pid)
        try:
            jvm.suspend()
            first.kill()
            first.wait(60)
            assert lease_is_held(settings), "what still may write holds it"
            with pipeline.start("streams", log=tmp_path / "third.log") as third:
                assert third.wait(120) == REFUSED
            assert f"is written by process {first.pid} (" in (tmp_path / "third.log").read_text()
        finally:
            jvm.kill()
        # Not by the state of the process: its first thread may be gone while others still hold its files.
        _wait(lambda: not lease_is_held(settings), "a JVM that was killed holds the lease")
    _require_that_the_next_goes_on(pipeline, tmp_path / "next.log")


def test_a_stream_whose_jvm_is_killed_says_so_in_one_line_and_the_next_goes_on(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline("jvm-killed")
    with _stream_that_took_fifty(pipeline, tmp_path / "first.log") as first:
        jvm_pid = jvm_of(first.pid)
        assert jvm_pid is not None
        os.kill(jvm_pid, signal.SIGKILL)
        assert first.wait(60) == 2
    *_, last = (tmp_path / "first.log").read_text().splitlines()
    assert last.startswith("firehose: the stream's JVM was ended by SIGKILL. Nothing half was committed")
    _require_that_the_next_goes_on(pipeline, tmp_path / "next.log")


@contextmanager
def _stream(pipeline: Pipeline, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`firehose streams`; stopped at the end, where it runs still, and then it ended well."""
    with pipeline.start("streams", log=log) as stream:
        try:
            yield stream
            if stream.poll() is None:
                os.kill(stream.pid, signal.SIGTERM)
                assert stream.wait(60) == 0, log.read_text()[-4_000:]
        finally:
            stream.kill()


@contextmanager
def _stream_that_took_fifty(pipeline: Pipeline, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`firehose streams` on a new topic, with fifty trades in silver."""
    pipeline.make_topic()
    pipeline.produce(encoded(trades(1, 50)))
    with _stream(pipeline, log) as stream:
        wait_until(lambda: _silver_rows(pipeline) == 50, stream, log)
        yield stream


def _require_that_the_next_goes_on(pipeline: Pipeline, log: Path) -> None:
    """Another stream takes thirty trades more, and all eighty are proven."""
    pipeline.produce(encoded(trades(51, 80, minute=25)))
    pipeline.run("streams", "--until-caught-up", log=log)
    assert _silver_in_lake(pipeline) == 80
    pipeline.require_proven()


def _silver_rows(pipeline: Pipeline) -> int:
    """Of the stream that runs."""
    progress = read_progress(pipeline.settings)
    return 0 if progress is None else progress.silver


def _silver_in_lake(pipeline: Pipeline) -> int:
    """Of all streams."""
    return int(pipeline.query("SELECT count(*)::BIGINT AS n FROM crypto_silver_trades")[0]["n"])


def _queries(pipeline: Pipeline) -> set[str | None]:
    """Who wrote to bronze and silver: each start has an id of its own."""
    catalog = open_catalog(pipeline.settings)
    return {
        stamp(snapshot, QUERY_ID)
        for table in (BRONZE, SILVER)
        for snapshot in lineage(catalog.load_table(table.identifier))
    }


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)  # between two looks at another process
