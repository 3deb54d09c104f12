"""A real run of everything, as its lineage receiver sees it: one connected graph; and a receiver that is dead."""

import signal
import socket
from collections import deque
from pathlib import Path

import pytest
from pydantic import HttpUrl

from firehose_dagster_tests.lineage.receiver import Dataset, receiving_lineage
from firehose_dagster_tests.pipeline.stream_on_topic import MakePipeline
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until
from firehose_dagster_tests.streams.scenario import trade

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def reached(edges: dict[Dataset, set[Dataset]], start: Dataset) -> set[str]:
    """Last part of the name of every dataset that is made from `start`, through whatever steps."""
    found, waiting = {start}, deque([start])
    while waiting:
        for each in edges.get(waiting.popleft(), set()) - found:
            found.add(each)
            waiting.append(each)
    return {name.rpartition("/")[2] for _, name in found - {start}}


def test_the_receiver_sees_exchange_topic_and_tables_as_one_graph(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    with receiving_lineage() as receiver:
        made = make_pipeline("lineage").settings
        exchange_url = f"127.0.0.1:{made.exchange_port}"
        pipeline = Pipeline(
            made.model_copy(
                update={
                    "openlineage_url": HttpUrl(receiver.url),
                    "openlineage_interval_seconds": 1,
                    "symbols": ("BTCUSDT", "ETHUSDT"),
                    "exchange_ws_url": f"ws://{exchange_url}",
                    "exchange_rest_url": f"http://{exchange_url}",
                }
            )
        )
        topic = pipeline.settings.topic
        log, exchange_log = tmp_path / "gateway.log", tmp_path / "exchange.log"
        market = ("--synthetic", "--rate", "50", "--history-minutes", "2", "--symbols", "BTCUSDT,ETHUSDT")
        with pipeline.start("exchange", *market, "--port", str(made.exchange_port), log=exchange_log) as exchange:
            try:
                with pipeline.start("gateway", log=log) as gateway:
                    wait_until(lambda: receiver.rows_written(topic) > 200, gateway, log)
                    gateway.send_signal(signal.SIGTERM)
                    assert gateway.wait(60) == 0
            finally:
                exchange.terminate()
        pipeline.run("streams", "--until-caught-up", log=tmp_path / "streams.log")

        assert receiver.complaints == []
        edges = receiver.edges()
        kafka = (f"kafka://{pipeline.settings.bootstrap_servers}", topic)
        assert edges[(f"ws://{exchange_url}", "aggTrade")] == {kafka}
        root = pipeline.settings.lake_dir / "warehouse"
        assert {name for _, name in edges[kafka]} == {str(root / "crypto" / "crypto_bronze_aggtrade")}
        tables = ["bronze_aggtrade", "silver_trades", "quarantine", "gold_minute", "spikes"]
        assert reached(edges, (f"ws://{exchange_url}", "aggTrade")) == {
            topic,
            "ops_audit",
            *(f"crypto_{table}" for table in tables),
        }
        assert reached(edges, ("file", str(root / "crypto" / "crypto_gold_minute"))) == {"crypto_spikes", "ops_audit"}

        (held,) = pipeline.query(
            "SELECT (SELECT count(*) FROM crypto_bronze_aggtrade)::BIGINT AS bronze, "
            "(SELECT count(*) FROM crypto_silver_trades)::BIGINT AS silver"
        )
        assert receiver.rows_written("crypto_bronze_aggtrade") == held["bronze"] == receiver.rows_written(topic)
        assert receiver.rows_written("crypto_silver_trades") == held["silver"]
        assert receiver.states("gateway")[-1] == receiver.states("streams")[-1] == "COMPLETE"


def test_a_receiver_that_never_answers_costs_the_stream_no_row(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = HttpUrl(f"http://127.0.0.1:{silent.getsockname()[1]}")
        made = make_pipeline("silent").settings
        pipeline = Pipeline(made.model_copy(update={"openlineage_url": url, "openlineage_interval_seconds": 1}))
        pipeline.make_topic()
        pipeline.produce(encoded(trade(agg_id, agg_id / 10) for agg_id in range(1, 501)))
        pipeline.run("streams", "--until-caught-up", log=tmp_path / "streams.log")
    assert pipeline.query("SELECT count(*)::BIGINT AS n FROM crypto_silver_trades") == [{"n": 500}]
    assert (tmp_path / "streams.log").read_text().count("lineage events are lost") <= 1
    pipeline.require_proven()
