"""A failure is told once, and again only when it is news."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from firehose_dagster.alerts.failure_message import FailurePayload, failure_body
from firehose_dagster.alerts.failures import RunEnd, alert_of_layer, alerts_of

AT = datetime(2026, 3, 1, 7, 5, tzinfo=UTC)
FAILED = RunEnd("r2", "expire_snapshots", AT, True, error="CommitFailed: first line\n  trace")
WELL = RunEnd("r1", "expire_snapshots", AT, False)
CHECKED = RunEnd("r3", "verify_promises", AT, False, frozenset({"silver:b", "gold:a"}))


def test_a_maintenance_that_failed_is_told_with_its_reason() -> None:
    (alert,) = alerts_of(FAILED, WELL, ["expire_snapshots"])
    assert alert.webhook_id == "maintenance_failed_r2"
    assert json.loads(alert.body) == {
        "type": "maintenance_failed",
        "timestamp": "2026-03-01T07:05:00Z",
        "data": {
            "run_id": "r2",
            "job": "expire_snapshots",
            "error": "CommitFailed: first line\n  trace",
            "checks": [],
            "failed_at": "2026-03-01T07:05:00Z",
            "text": "expire_snapshots 2026-03-01 07:05 UTC: failed: CommitFailed: first line",
        },
    }


def test_any_other_job_is_told_as_a_run() -> None:
    assert [each.webhook_id for each in alerts_of(FAILED, None, [])] == ["run_failed_r2"]


def test_a_job_that_goes_on_failing_is_old_news() -> None:
    assert alerts_of(FAILED, FAILED, []) == []
    assert alerts_of(WELL, FAILED, []) == []


def test_failed_checks_are_told_when_others_fail_than_before() -> None:
    (alert,) = alerts_of(CHECKED, None, [])
    data = msgspec.json.decode(alert.body, type=FailurePayload).data
    assert (alert.webhook_id, data.checks) == ("check_failed_r3", ["gold:a", "silver:b"])
    assert data.text.endswith("2 checks failed: gold:a, silver:b")
    assert alerts_of(CHECKED, CHECKED, []) == []
    fewer = RunEnd("r4", "verify_promises", AT, False, frozenset({"gold:a"}))
    assert len(alerts_of(fewer, CHECKED, [])) == 1


def test_a_layer_that_fails_is_told_as_a_check_with_its_reason() -> None:
    alert = alert_of_layer("crypto_gold_minute", "takes_every_batch", AT, "its disk is full", "r5", "streams")
    assert alert.webhook_id == "check_failed_crypto_gold_minute_20260301T070500"
    data = msgspec.json.decode(alert.body, type=FailurePayload).data
    assert (data.run_id, data.error, data.checks) == (
        *("r5", "its disk is full"),
        ["crypto_gold_minute:takes_every_batch"],
    )


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        failure_body("run_failed", "r", "j", datetime(2026, 1, 1))  # noqa: DTZ001 - the fault
