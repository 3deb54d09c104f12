"""The real query on a real topic, in this process: foreachBatch into every table, and starts that only silver decides.

One JVM, the session's; the other tests of the pipeline start processes of their own.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.topic_offsets import TopicUnusableError
from firehose_dagster_tests.pipeline.stream_on_topic import MakePipeline, Stream, new_stream
from firehose_dagster_tests.pipeline.topic import encoded
from firehose_dagster_tests.streams.scenario import trade, trades

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.usefixtures("left_sockets")]


@pytest.fixture(scope="module")
def stream(make_pipeline: MakePipeline, spark: SparkSession) -> Stream:
    """With 40 trades in two partitions, a duplicate, a conflict and a record that is none taken from its topic."""
    made = new_stream(make_pipeline("first"), spark)
    made.pipeline.produce(
        encoded([*trades(1, 20), *trades(1, 20, symbol="ETHUSDT"), trade(3, 1), trade(4, 1.5, qty="9")])
    )
    made.pipeline.produce([("BTCUSDT", b"no trade")])
    made.run()
    return made


def _older_copy(stream: Stream) -> None:
    """The checkpoint as it was before two more trades, put back after them."""
    folder = stream.pipeline.settings.checkpoint_dir
    kept = folder.with_name("older")
    shutil.copytree(folder, kept)
    _two_more(stream)
    stream.run()
    shutil.rmtree(folder)
    kept.rename(folder)


def _lost(stream: Stream) -> None:
    shutil.rmtree(stream.pipeline.settings.checkpoint_dir)


def _torn(stream: Stream) -> None:
    for path in _files(stream, "offsets/*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without_metadata(stream: Stream) -> None:
    # Its checksum too: Spark takes one that is left for another query at work, and would stop by that.
    for path in (*_files(stream, "metadata"), *_files(stream, ".metadata.crc")):
        path.unlink()


def _batches(stream: Stream) -> set[tuple[str, int]]:
    """Query and number of each batch that the audit tells of."""
    return {
        (row["query_id"], row["batch_id"]) for row in stream.pipeline.query("SELECT query_id, batch_id FROM ops_audit")
    }


def _files(stream: Stream, pattern: str) -> list[Path]:
    found = [path for path in stream.pipeline.settings.checkpoint_dir.glob(f"*/{pattern}") if path.is_file()]
    assert found, pattern
    return found


def _two_more(stream: Stream) -> None:
    (row,) = stream.pipeline.query("SELECT max(agg_id) AS last FROM crypto_silver_trades WHERE symbol = 'BTCUSDT'")
    stream.pipeline.produce(encoded(trades(row["last"] + 1, row["last"] + 2, minute=row["last"])))


def test_records_of_a_real_topic_go_through_foreach_batch_into_every_table(stream: Stream) -> None:
    # 20 and 20 trades, a duplicate, a conflict, and what is no trade.
    assert stream.pipeline.query(
        "SELECT count(*)::INT AS n FROM crypto_bronze_aggtrade "
        "WHERE raw IS NOT NULL OR event_ts < '2026-01-05 09:50:00+00'"
    ) == [{"n": 43}]
    assert stream.pipeline.query("SELECT reasons[1] AS reason FROM crypto_quarantine ORDER BY 1") == [
        {"reason": "message_is_a_flat_json_object"},
        {"reason": "same_id_has_same_content"},
    ]
    assert stream.pipeline.query("SELECT sum(duplicates)::INT AS n FROM ops_audit") == [{"n": 1}]
    # Ten minutes of two symbols, two trades each.
    gold = stream.pipeline.query(
        "SELECT symbol, count(*)::INT AS minutes, sum(trades)::INT AS trades FROM crypto_gold_minute "
        "WHERE minute < '2026-01-05 09:50:00+00' GROUP BY 1 ORDER BY 1"
    )
    assert gold == [{"symbol": symbol, "minutes": 10, "trades": 20} for symbol in ("BTCUSDT", "ETHUSDT")]
    stream.require_no_record_read_twice()


@pytest.mark.parametrize(
    "spoil",
    [_torn, *(pytest.param(each, marks=pytest.mark.slow) for each in (_lost, _older_copy, _without_metadata))],
)
def test_a_start_does_not_care_what_became_of_the_old_checkpoint(
    stream: Stream, spoil: Callable[[Stream], None]
) -> None:
    before = stream.count("crypto_silver_trades")
    spoil(stream)
    taken = stream.count("crypto_silver_trades")
    _two_more(stream)
    queries = _batches(stream)
    shown = stream.run()
    assert (shown.rows_in, shown.silver, shown.duplicates) == (2, 2, 0)
    assert stream.count("crypto_silver_trades") == taken + 2 <= before + 4
    # A query of its own, that knows of no batch before.
    ((query_id, batch_id),) = _batches(stream) - queries
    assert batch_id == 0
    assert query_id not in {earlier for earlier, _ in queries}
    stream.require_no_record_read_twice()


def test_a_stream_holds_the_lease_while_it_writes(stream: Stream) -> None:
    settings = stream.pipeline.settings
    held: list[bool] = []
    _two_more(stream)
    run_streams(
        settings,
        threading.Event(),
        until_caught_up=True,
        session=stream.session,
        on_batch=lambda *_: held.append(lease_is_held(settings)),
    )
    assert set(held) == {True}
    assert not lease_is_held(settings)


def test_a_lake_of_one_topic_is_not_filled_from_another(stream: Stream, make_pipeline: MakePipeline) -> None:
    other = make_pipeline("other")
    other.make_topic()
    with pytest.raises(TopicUnusableError, match=r"filled from topic trades\.first, FIREHOSE_TOPIC is trades\.other: "):
        stream.run(topic=other.settings.topic)
    stream.require_no_record_read_twice()
