"""The quick form of `make faults`, and that it can fail."""

from pathlib import Path

import pytest

from firehose_dagster.lake.jars import JarsMissingError, kafka_jars
from firehose_dagster.settings import Settings
from firehose_dagster_tests.faults.run import options_of, summary
from firehose_dagster_tests.faults.trials import run_trials

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _everything_needed_is_here(usable_java: Path) -> None:
    try:
        kafka_jars(Settings().jars_dir)
    except JarsMissingError as error:
        pytest.skip(str(error))


def test_twenty_scripts_leave_silver_as_the_exchange_says(tmp_path: Path) -> None:
    results = run_trials(options_of(range(1, 21)), tmp_path, print)
    assert results.is_green, summary(results)
    assert len(results.verdicts) == 20


def test_without_the_heal_every_verdict_turns_red(tmp_path: Path) -> None:
    results = run_trials(options_of(range(1, 4), without_heal=True), tmp_path, print)
    assert results.red_seeds == (1, 2, 3), summary(results)
    assert any(breach.startswith("silver_is_contiguous") for breach in results.breaches)
