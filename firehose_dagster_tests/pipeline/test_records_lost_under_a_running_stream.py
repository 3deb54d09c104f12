"""A topic that loses records while a stream reads it: the stream ends, and the next start says which they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from firehose_dagster.streams.progress import read_progress
from firehose_dagster.streams.topic_offsets import TopicUnusableError
from firehose_dagster_tests.faults import waiting
from firehose_dagster_tests.pipeline.stream_on_topic import MakePipeline, Stream, new_stream, retain_from
from firehose_dagster_tests.pipeline.topic import encoded, wait_until
from firehose_dagster_tests.streams.scenario import trades

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.slow]

_PATIENCE_SECONDS = 60


def test_a_stream_that_slept_through_a_loss_ends_and_the_next_start_names_the_offsets(
    make_pipeline: MakePipeline, spark: SparkSession, tmp_path: Path
) -> None:
    made = new_stream(make_pipeline("slept"), spark)
    made.pipeline.produce(encoded(trades(1, 4)))
    (partition,) = (partition for partition, end in made.position().items() if end == 4)
    log = tmp_path / "streams.log"
    with made.pipeline.start("streams", log=log) as stream:
        try:
            wait_until(lambda: _silver_rows(made) == 4, stream, log)
            with _asleep(stream.pid):
                made.pipeline.produce(encoded(trades(5, 9, minute=2)))
                retain_from(made.pipeline.settings, {partition: 7})
            waiting.wait_until(lambda: stream.poll() is not None or _silver_rows(made) > 4, _PATIENCE_SECONDS)
            assert _silver_rows(made) == 4, "the stream went on behind the loss"
            assert stream.wait(_PATIENCE_SECONDS) == 2
        finally:
            stream.terminate()
    assert "the stream stopped: " in log.read_text(errors="replace")
    assert made.bronze_and_silver() == (4, 4)
    with pytest.raises(TopicUnusableError, match=rf"removed 3 records .*partition {partition} offsets 4 to 6\."):
        made.run()
    made.pipeline.require_proven()


@contextmanager
def _asleep(pid: int) -> Iterator[None]:
    """The process and what it started, Spark's JVM, stand still within, as on a laptop that was closed."""
    parent = psutil.Process(pid)
    processes = [parent, *parent.children(recursive=True)]
    assert any("java" in each.name() for each in processes)
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            each.resume()


def _silver_rows(made: Stream) -> int:
    progress = read_progress(made.pipeline.settings)
    return 0 if progress is None else progress.silver
