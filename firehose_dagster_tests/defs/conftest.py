"""Tests of the code location do not see each other's Dagster instances."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Dagster loads definitions from the instance entered last, which a run that crashed never leaves."""
    with set_defs_state_storage(None):
        yield
