"""Every operation, asked with what its schema allows and with what it does not, answers as its schema says."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from firehose_dagster.api.application import create_application
from firehose_dagster.api.lake_access import LakeAccess
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import small_lake, write

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "8"))
"""Of each kind for each operation; the same ones in each run."""

schema = schemathesis.openapi.from_asgi("/openapi.json", create_application(Settings()))


@pytest.fixture(scope="module", autouse=True)
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The application's lake is a small one of this module alone: acknowledgements are written to it."""
    own = Settings(home=tmp_path_factory.mktemp("schema"))
    write(own, small_lake())
    state = schema.app.state
    state.lake.close()
    state.lake = LakeAccess(own)
    yield
    state.lake.close()


@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_what_the_schema_says(case: "schemathesis.Case[Any]") -> None:
    # Which texts are cursors no schema can say: a made-up one is refused, as it should be.
    is_paged = "cursor" in (case.query or {})
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if is_paged else [])
