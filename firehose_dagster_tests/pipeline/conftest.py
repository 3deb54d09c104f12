"""The broker that the tests of the pipeline share, and homes on it."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.lake.jars import JarsMissingError, kafka_jars
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import broker_program
from firehose_dagster.settings import Settings
from firehose_dagster_tests.pipeline.stream_on_topic import MakePipeline, MakeStream, Stream, new_stream
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded
from firehose_dagster_tests.streams.scenario import trades


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory, usable_java: Path) -> Iterator[str]:
    """Address of a real broker."""
    broker_port, controller_port = free_ports(2)
    settings = Settings(
        home=tmp_path_factory.mktemp("broker"), broker_port=broker_port, broker_controller_port=controller_port
    )
    try:
        kafka_jars(settings.jars_dir)
    except JarsMissingError as error:
        pytest.skip(str(error))
    prepare_broker(settings, usable_java)
    with Installation(settings, [broker_program(settings, usable_java)], usable_java) as installation:
        installation.start(on_progress=lambda line: None)
        yield settings.bootstrap_servers


@pytest.fixture(scope="session")
def make_pipeline(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> MakePipeline:
    """A new home with a topic of its name."""

    def make(name: str) -> Pipeline:
        exchange_port, receiver_port = free_ports(2)
        return Pipeline(
            Settings(
                home=tmp_path_factory.mktemp(name),
                kafka_bootstrap=bootstrap,
                topic=f"trades.{name}",
                topic_partitions=2,
                exchange_port=exchange_port,
                receiver_port=receiver_port,
                spark_driver_memory="1g",
            )
        )

    return make


@pytest.fixture
def make_stream(make_pipeline: MakePipeline, spark: SparkSession) -> MakeStream:
    """A new home, and four trades in its topic that no table holds yet."""

    def make(name: str) -> Stream:
        made = new_stream(make_pipeline(name), spark)
        made.pipeline.produce(encoded(trades(1, 4)))
        return made

    return make


@pytest.fixture
def left_sockets() -> Iterator[None]:
    """Py4J leaves sockets behind; where they are expected they are closed, and no later test is warned of them."""
    yield
    gc.collect()
