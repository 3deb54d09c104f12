"""Tests of the code location do not see each other's Dagster instances."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from firehose_dagster_tests.defs.alert_installation import Installation


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Dagster loads definitions from the instance entered last, which a run that crashed never leaves."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """Of the alert path, with nothing to deliver yet."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Installation(tmp_path, monkeypatch, instance)
