"""The whole demo without Dagster: broker, simulator, gateway, stream, verification, as real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firehose_dagster.lake.jars import JarsMissingError, kafka_jars, spark_jars
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.local.leftovers import leftover_processes
from firehose_dagster.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.spark]


@pytest.fixture
def demo(settings: Settings, java: Path) -> "subprocess.Popen[str]":
    try:
        kafka_jars(settings.jars_dir)
        spark_jars(settings.jars_dir)
    except JarsMissingError as error:
        pytest.skip(str(error))
    arguments = ["--synthetic", "--no-ui", "--for", "5", "--symbols", "BTCUSDT,ETHUSDT", "--home", str(settings.home)]
    return subprocess.Popen(
        [sys.executable, "-m", "firehose_dagster.cli", "demo", *arguments],
        env={**os.environ, **settings_environment(settings)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_demo_for_some_seconds_ends_verified_with_nothing_running(
    settings: Settings, demo: "subprocess.Popen[str]"
) -> None:
    output, _ = demo.communicate(timeout=280)
    assert demo.returncode == 0, output
    assert "SIMULATED TRADES" in output
    assert "what landed" in output
    assert leftover_processes(settings.home) == []


def test_a_demo_that_is_asked_to_stop_stops_everything(settings: Settings, demo: "subprocess.Popen[str]") -> None:
    with demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("logs:"):
                break
        stop = [sys.executable, "-m", "firehose_dagster.cli", "stop", "--home", str(settings.home)]
        assert subprocess.run(stop, check=False, capture_output=True, timeout=200).returncode == 0
        demo.stdout.read()
    assert demo.returncode == 130
    assert leftover_processes(settings.home) == []
