"""What the tests of completeness share: a lake that they may let grow."""

from pathlib import Path

import pytest

from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.completeness.growing_lake import GrowingLake, new_lake


@pytest.fixture
def lake(tmp_path: Path) -> GrowingLake:
    return new_lake(Settings(home=tmp_path / "home"))
