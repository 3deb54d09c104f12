"""The smoke check says of each service by itself whether it works, and leaves nothing behind."""

from pathlib import Path

import pytest

from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings
from firehose_dagster.verification import smoke as module
from firehose_dagster.verification.smoke import SMOKE_NAMESPACE, SmokeCheck, smoke, to_text


def test_a_service_that_is_down_is_named_and_the_others_are_still_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.5)
    (closed,) = free_ports(1)
    settings = Settings(home=tmp_path, kafka_bootstrap=f"127.0.0.1:{closed}", _env_file=None)  # type: ignore[call-arg] # pydantic-settings takes it
    checks = {check.name: check for check in smoke(settings)}
    assert {name for name, check in checks.items() if not check.ok} == {"kafka", "trades topic"}
    assert "wrote and read 2 rows" in checks["catalog and store"].detail
    assert open_catalog(settings).list_tables(SMOKE_NAMESPACE) == []


def test_a_line_tells_the_check_its_outcome_and_its_reason() -> None:
    text = to_text((SmokeCheck("kafka", True, "read back", 12), SmokeCheck("catalog", False, "it is down", 3_400)))
    assert [line.split() for line in text.splitlines()] == [
        ["ok", "kafka", "12", "ms", "read", "back"],
        ["FAILED", "catalog", "3400", "ms", "it", "is", "down"],
    ]
