"""The sweep of `make crash-sweep` in short: a real SIGKILL at some of the stream's points, on a real broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from firehose_dagster.crash_points import CrashPoint
from firehose_dagster.lake.jars import JarsMissingError, kafka_jars
from firehose_dagster.settings import Settings
from firehose_dagster_tests.chaos.sweep import broker, sweep_point

pytestmark = [pytest.mark.stack, pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory, usable_java: Path) -> Iterator[str]:
    """Address of a real broker."""
    home = tmp_path_factory.mktemp("sweep") / "broker"
    try:
        kafka_jars(Settings(home=home).jars_dir)
    except JarsMissingError as error:
        pytest.skip(str(error))
    with broker(home) as address:
        yield address


@pytest.mark.parametrize(
    ("point", "times"),
    [(CrashPoint.LEASE_TAKEN, 2), (CrashPoint.SILVER_COMMITTED, 1), (CrashPoint.SPIKES_COMMITTED, 2)],
)
def test_a_killed_stream_goes_on_and_the_lake_is_proven(
    tmp_path: Path, bootstrap: str, point: CrashPoint, times: int
) -> None:
    outcome = sweep_point(tmp_path / "home", bootstrap, point, times)
    assert outcome.is_green, outcome
