"""A lake of its own for each test of the stream."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.settings import Settings
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario


@pytest.fixture
def scenario(spark: SparkSession, tmp_path: Path) -> Iterator[Scenario]:
    yield new_scenario(spark, Settings(home=tmp_path / "home"))
    gc.collect()  # here, where the sockets that py4j left are expected
