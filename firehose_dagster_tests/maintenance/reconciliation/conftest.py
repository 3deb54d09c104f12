from datetime import datetime
from pathlib import Path

import pytest

from firehose_dagster_tests.maintenance.reconciliation.spoiled_lake import BOTH_OVER, Installation, Make
from firehose_dagster_tests.verification.small_lake import SmallLake, small_lake


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(lake: SmallLake | None = None, watermark: datetime = BOTH_OVER) -> Installation:
        installation = Installation(tmp_path, lake or small_lake())
        installation.watch(watermark)
        return installation

    return made
