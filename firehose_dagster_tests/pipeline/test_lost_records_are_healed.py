"""Real trades that retention took unread: told as missing ids, exactly those, asked for, healed over REST."""

import gc
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from pyspark.sql import SparkSession

from firehose_dagster.contracts.position import OFFSETS_LOST
from firehose_dagster.defs.completeness import heal_missing_trades
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.gateway.heal_requests import pending
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.streams.topic_offsets import TopicUnusableError
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.faults.exchange_control import ExchangeControl
from firehose_dagster_tests.faults.verdict import judge
from firehose_dagster_tests.gateway.running_simulator import running_simulator
from firehose_dagster_tests.pipeline.recorded_trades import Trade
from firehose_dagster_tests.pipeline.stream_on_topic import MakePipeline, Stream, new_stream, retain_from
from firehose_dagster_tests.pipeline.topic import Pipeline, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.slow]

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_LOST_A_PARTITION = 15
_HELD = """
    SELECT symbol, agg_id, price, qty, first_trade_id, last_trade_id, epoch_us(event_ts) AS time_us, is_buyer_maker
    FROM crypto_silver_trades
"""

Ids = set[tuple[str, int]]


@dataclass
class _Market:
    """A lake on what a gateway takes from an exchange."""

    stream: Stream
    exchange: ExchangeControl
    gateway: "subprocess.Popen[bytes]"
    log: Path
    heal_memory: str | None = None

    def wait_for_records(self, beyond: Mapping[int, int], records: int) -> None:
        """Until each partition that has trades has so many behind these offsets."""

        def is_there() -> bool:
            filled = {partition: end for partition, end in self.stream.position().items() if end > 0}
            return bool(filled) and all(end - beyond.get(at, 0) >= records for at, end in filled.items())

        wait_until(is_there, self.gateway, self.log)

    def look_and_ask(self) -> None:
        """As Dagster does every five minutes."""
        settings = self.stream.pipeline.settings
        look(open_catalog(settings), settings)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=self.heal_memory)
            result = heal_missing_trades(context, firehose=FirehoseResource(home=str(settings.home)))
        assert isinstance(result, dg.SensorResult)
        self.heal_memory = result.cursor

    def different(self) -> list[str]:
        """In what silver is not what the exchange has sent, from its first trade to the last one held."""
        held = [Trade(**row) for row in self.stream.pipeline.query(_HELD)]
        reasons = []
        for symbol, known in self.exchange.known(SYMBOLS).items():
            rows = [row for row in held if row.symbol == symbol]
            assert known.first_sent_id is not None
            existing = self.exchange.trades(symbol, known.first_sent_id, max(row.agg_id for row in rows))
            reasons.append(judge(symbol, existing, rows).reason)
        return [reason for reason in reasons if reason]


@pytest.fixture
def market(make_pipeline: MakePipeline, spark: SparkSession, tmp_path: Path) -> Iterator[_Market]:
    options = ExchangeOptions(synthetic=True, seed=11, symbols=SYMBOLS, rate=90, history_minutes=0, port=0)
    with running_simulator(options) as exchange:
        urls = {"exchange_ws_url": exchange.ws_url, "exchange_rest_url": exchange.rest_url}
        settings = make_pipeline("healed").settings.model_copy(update={**urls, "symbols": SYMBOLS})
        stream = new_stream(Pipeline(settings), spark)
        control = ExchangeControl(exchange.rest_url)
        log = tmp_path / "gateway.log"
        with stream.pipeline.start("gateway", log=log) as gateway:
            try:
                yield _Market(stream, control, gateway, log)
            finally:
                gateway.terminate()
                control.close()
    gc.collect()  # here, where the sockets that py4j left are expected


def test_trades_that_retention_took_unread_are_told_as_missing_and_healed(market: _Market) -> None:
    stream, settings = market.stream, market.stream.pipeline.settings
    market.wait_for_records({}, 30)
    held = {partition: end for partition, end in stream.run().offsets.items() if end > 0}
    market.wait_for_records(held, 3 * _LOST_A_PARTITION)
    cut = {partition: end + _LOST_A_PARTITION for partition, end in held.items()}
    lost = _ids(stream.pipeline, held, cut)
    assert len(lost) == _LOST_A_PARTITION * len(held)
    retain_from(settings, cut)

    with pytest.raises(TopicUnusableError, match=rf"retention removed {len(lost)} records"):
        stream.run()
    stream.run(lost_offsets="skip")
    report = verify(settings)
    assert [check.name for check in report.checks if not check.ok] == ["silver_is_contiguous"]
    assert _missing(stream.pipeline) == lost
    assert sum(check.breaches for check in report.checks) == len(lost)

    market.look_and_ask()
    assert pending(settings) == {}, "a first look waits for the gateway's own heal"
    stream.run()
    market.look_and_ask()
    asked = [each for requests in pending(settings).values() for each in requests]
    assert {(each.symbol, agg_id) for each in asked for agg_id in range(each.first, each.last + 1)} == lost
    wait_until(lambda: not pending(settings), market.gateway, market.log)
    market.gateway.terminate()
    assert market.gateway.wait(60) == 0
    stream.run()

    assert _missing(stream.pipeline) == set()
    assert market.different() == []
    assert len(stream.pipeline.query(f"SELECT run_id FROM ops_audit WHERE kind = '{OFFSETS_LOST}'")) == 1  # noqa: S608 a constant
    stream.pipeline.require_proven()


def _missing(pipeline: Pipeline) -> Ids:
    """Ids between a symbol's first and last that silver does not hold."""
    rows = pipeline.query(
        "SELECT symbol, unnest(range(min(agg_id), max(agg_id) + 1)) AS agg_id FROM crypto_silver_trades GROUP BY 1 "
        "EXCEPT SELECT symbol, agg_id FROM crypto_silver_trades"
    )
    return {(row["symbol"], row["agg_id"]) for row in rows}


def _ids(pipeline: Pipeline, starts: Mapping[int, int], ends: Mapping[int, int]) -> Ids:
    """Of the trades that the topic holds there."""
    found: Ids = set()
    consumer = Consumer({"bootstrap.servers": pipeline.settings.bootstrap_servers, "group.id": "lost"})
    try:
        consumer.assign([TopicPartition(pipeline.settings.topic, at, offset) for at, offset in starts.items()])
        wanted = sum(ends[partition] - start for partition, start in starts.items())
        read = 0
        while read < wanted:
            (record,) = consumer.consume(1, timeout=30)
            partition, offset, value = record.partition(), record.offset(), record.value()
            assert partition is not None
            assert offset is not None
            assert value is not None
            if offset < ends[partition]:
                message = msgspec.json.decode(value)
                found.add((message["symbol"], message["agg_id"]))
                read += 1
    finally:
        consumer.close()
    return found
