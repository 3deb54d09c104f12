"""Spike events, one spike with what surrounds it, and acknowledgements."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

from fastapi.testclient import TestClient

from firehose_dagster.alerts.delivery import Delivery, SpikeKey
from firehose_dagster.alerts.ledger import Ledger
from firehose_dagster.alerts.outbox import plan
from firehose_dagster.api.application import create_application
from firehose_dagster.contracts.spike import spike_id
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.api.conftest import data

_MINUTE = datetime(2026, 1, 1, 10, 15, tzinfo=UTC)
_ALPHA = spike_id("ALPHA", _MINUTE, "volume")
_ABSENT = spike_id("ALPHA", _MINUTE, "price")


def test_spikes_come_newest_first_with_the_line_of_their_webhook(small: TestClient) -> None:
    rows = data(small, "/v1/spikes")
    assert [(row["symbol"], row["minute"][11:16], row["kind"]) for row in rows] == [
        ("BETA", "10:18", "price"),
        ("BETA", "10:17", "price"),
        ("ALPHA", "10:15", "volume"),
    ]
    assert rows[2]["text"] == (
        "ALPHA 2026-01-01 10:15 UTC: volume spike, score 20, price 101, volume 120, return 1 % in the minute"
    )


def test_spikes_are_chosen_by_symbol_kind_and_time(small: TestClient) -> None:
    assert len(data(small, "/v1/spikes", symbols="BETA")) == 2
    assert [row["symbol"] for row in data(small, "/v1/spikes", kind="volume")] == ["ALPHA"]
    assert [row["minute"][11:16] for row in data(small, "/v1/spikes", start="2026-01-01T10:17:00Z")] == [
        "10:18",
        "10:17",
    ]
    assert [row["minute"][11:16] for row in data(small, "/v1/spikes", end="2026-01-01T10:17:00Z")] == ["10:15"]


def test_pages_of_spikes_hold_each_once(small: TestClient) -> None:
    first = small.get("/v1/spikes", params={"limit": 2}).json()
    second = small.get("/v1/spikes", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [row["minute"][11:16] for row in first["data"] + second["data"]] == ["10:18", "10:17", "10:15"]
    assert second["next_cursor"] is None


def test_one_spike_comes_with_its_minute_as_it_is_now_and_those_before(small: TestClient) -> None:
    spike = data(small, f"/v1/spikes/{_ALPHA}", context_minutes=3)
    assert spike["spike"]["spike_id"] == _ALPHA
    assert (spike["minute_now"]["minute"][11:16], spike["minute_now"]["volume"]) == ("10:15", "120.00000000")
    assert [row["minute"][11:16] for row in spike["minutes_before"]] == ["10:12", "10:13", "10:14"]
    assert (spike["deliveries"], spike["acknowledged_at"]) == ([], None)


def test_a_spike_that_the_lake_does_not_hold_is_not_found(small: TestClient) -> None:
    for answer in (small.get(f"/v1/spikes/{_ABSENT}"), small.post(f"/v1/spikes/{_ABSENT}/acknowledgements")):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_a_page_of_another_site_acknowledges_nothing(own_settings: Settings) -> None:
    path = f"/v1/spikes/{_ALPHA}/acknowledgements"
    with TestClient(create_application(own_settings)) as client:
        for site in ("cross-site", "same-site"):
            refused = client.post(path, headers={"Sec-Fetch-Site": site})
            assert (refused.status_code, refused.json()["type"]) == (403, "/problems/cross-site")
        assert data(client, f"/v1/spikes/{_ALPHA}")["deliveries"] == []
        assert client.post(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 201


def test_an_acknowledgement_is_written_once_and_told_ever_after(own_settings: Settings) -> None:
    with TestClient(create_application(own_settings)) as client:
        path = f"/v1/spikes/{_ALPHA}/acknowledgements"
        first = client.post(path, json={"acknowledged_by": "n8n", "detail": "posted to Slack"})
        again = client.post(path, json={"acknowledged_by": "somebody else"})
        assert (first.status_code, again.status_code) == (201, 200)
        told = first.json()["data"]
        assert (told["detail"], told["is_new"]) == ("n8n: posted to Slack", True)
        assert again.json()["data"] == told | {"is_new": False}
        spike = data(client, f"/v1/spikes/{_ALPHA}")
    assert [(row["outcome"], row["detail"]) for row in spike["deliveries"]] == [
        ("acknowledged", "n8n: posted to Slack")
    ]
    assert spike["acknowledged_at"] == told["acknowledged_at"]
    assert len(Ledger(open_catalog(own_settings)).deliveries_of([_ALPHA])) == 1


def test_two_acknowledgements_at_once_write_one_row(own_settings: Settings) -> None:
    statuses: list[int] = []
    with TestClient(create_application(own_settings)) as client:

        def acknowledge() -> None:
            statuses.append(client.post(f"/v1/spikes/{_ALPHA}/acknowledgements").status_code)

        threads = [Thread(target=acknowledge) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(statuses) == [200, 200, 200, 201]
    assert len(Ledger(open_catalog(own_settings)).deliveries_of([_ALPHA])) == 1


def test_an_acknowledged_spike_is_not_posted_again_though_its_answer_was_lost(own_settings: Settings) -> None:
    ledger = Ledger(open_catalog(own_settings))
    key = SpikeKey(_ALPHA, "ALPHA", _MINUTE, "volume")
    ledger.append([Delivery(key, 1, "unknown", None, "no answer", _MINUTE, 15_000, "run")])
    later = _MINUTE + timedelta(minutes=30)
    assert _due(ledger, key, later) == [2]
    with TestClient(create_application(own_settings)) as client:
        client.post(f"/v1/spikes/{_ALPHA}/acknowledgements")
    assert _due(ledger, key, later) == []


def _due(ledger: Ledger, key: SpikeKey, now: datetime) -> list[Any]:
    planned = plan([key], ledger.deliveries_of([key.spike_id]), now, timedelta(hours=1))
    return [attempt.number for attempt in planned.attempts]
