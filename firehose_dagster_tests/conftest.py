"""What several test packages stand on: the recorded data beside the checkout, and one Spark session for all."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pyspark.sql import SparkSession

from firehose_dagster.lake.jars import JarsMissingError
from firehose_dagster.lake.spark_session import start_session
from firehose_dagster.local.java import JavaUnusableError, java_executable
from firehose_dagster.settings import Settings

# A test that waits for its turn on a loaded machine is no slow example. CI's other settings stay, where it is CI.
hypothesis.settings.register_profile("patient", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Recorded Binance data, which is not ours to commit."""
    if not RECORDINGS.is_dir():
        pytest.skip("no recorded data beside the checkout (../shared/recordings)")
    return RECORDINGS


@pytest.fixture(scope="session")
def usable_java() -> Path:
    """The Java that Spark and the broker run on."""
    try:
        return java_executable()
    except JavaUnusableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, usable_java: Path) -> Iterator[SparkSession]:
    """The JVM of the whole test session. Tests with a lake derive their own session from it."""
    settings = Settings(home=tmp_path_factory.mktemp("spark"), spark_driver_memory="1g")
    settings.lake_dir.mkdir(parents=True)
    try:
        session = start_session(settings)
    except JarsMissingError as error:
        pytest.skip(str(error))
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """py4j leaves the sockets of its client threads to the garbage collector."""
    for item in items:
        if item.get_closest_marker("spark"):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))
