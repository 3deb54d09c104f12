"""Lineage is off unless a URL is set, and then costs nothing; on, a run's whole life reaches the receiver."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import HttpUrl, SecretStr

from firehose_dagster.lineage.switch import gateway_lineage, stream_lineage
from firehose_dagster.settings import Settings
from firehose_dagster_tests.lineage.examples import batch
from firehose_dagster_tests.lineage.receiver import receiving_lineage

RUN_ID = "0b1c2d3e-0000-4000-8000-000000000001"


def sending_to(url: str, home: Path, interval_seconds: int = 3_600) -> Settings:
    return Settings(home=home, openlineage_url=HttpUrl(url), openlineage_interval_seconds=interval_seconds)


def test_off_means_that_not_even_the_library_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "import firehose_dagster.definitions\n"
        "from firehose_dagster.lineage.switch import gateway_lineage, stream_lineage\n"
        "from firehose_dagster.settings import Settings\n"
        "with stream_lineage(Settings()) as tell, gateway_lineage(Settings()) as delivered:\n"
        "    tell(None)\n"
        "    delivered(1)\n"
        "print([name for name in sys.modules if name.startswith('openlineage')])\n"
    )
    environment = {name: value for name, value in os.environ.items() if "OPENLINEAGE" not in name}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "FIREHOSE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == "[]", run.stderr


def test_the_names_that_openlineage_gives_its_variables_are_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://marquez:5000")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "desk")
    settings = Settings()
    assert (str(settings.openlineage_url), settings.openlineage_namespace) == ("http://marquez:5000/", "desk")
    monkeypatch.setenv("FIREHOSE_OPENLINEAGE_URL", "http://other:5000")
    assert str(Settings().openlineage_url) == "http://other:5000/"


def test_a_stream_is_told_from_start_to_end_with_the_rows_since_the_last_event(tmp_path: Path) -> None:
    with receiving_lineage() as receiver:
        with stream_lineage(sending_to(receiver.url, tmp_path), RUN_ID) as tell:
            tell(batch(rows_in=10, rows_out=8, dq_pass=9, dq_fail=1, silver_snapshot_id=77))
            tell(batch(rows_in=5, rows_out=5, dq_pass=5))
            tell(batch(rows_in=1, rows_out=1, dq_pass=1))
        assert receiver.complaints == []
        assert receiver.states("streams") == ["START", "RUNNING", "COMPLETE"]
        silver = [event for event in receiver.events if event["job"]["name"] == "streams.crypto_silver_trades"]
        counts = [
            event["outputs"][0].get("outputFacets", {}).get("outputStatistics", {}).get("rowCount") for event in silver
        ]
        assert counts == [None, 8, 6]
        assert silver[1]["outputs"][0]["facets"]["version"]["datasetVersion"] == "77"
        assert silver[1]["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 9
        assert len({event["run"]["runId"] for event in silver}) == 1
        parent = silver[0]["run"]["facets"]["parent"]
        assert (parent["run"]["runId"], parent["job"]["name"]) == (RUN_ID, "streams")


def test_a_stream_that_fails_says_why_and_the_error_goes_on(tmp_path: Path) -> None:
    with receiving_lineage() as receiver:
        with pytest.raises(RuntimeError, match="lost"), stream_lineage(sending_to(receiver.url, tmp_path), RUN_ID):
            raise RuntimeError("rows were lost")
        assert receiver.states("streams") == ["START", "FAIL"]
        assert receiver.states("streams.crypto_gold_minute") == ["START", "FAIL"]
        assert receiver.events[-1]["run"]["facets"]["errorMessage"]["message"] == "RuntimeError: rows were lost"


def test_a_stream_that_is_interrupted_was_aborted_not_failed(tmp_path: Path) -> None:
    with receiving_lineage() as receiver:
        with pytest.raises(KeyboardInterrupt), stream_lineage(sending_to(receiver.url, tmp_path), RUN_ID):
            raise KeyboardInterrupt
        assert receiver.states("streams") == ["START", "ABORT"]


def test_the_gateway_joins_the_exchange_to_the_topic(tmp_path: Path) -> None:
    with receiving_lineage() as receiver:
        with gateway_lineage(sending_to(receiver.url, tmp_path), RUN_ID) as delivered:
            for count in (0, 40, 100):
                delivered(count)
        assert receiver.complaints == []
        assert receiver.states("gateway") == ["START", "RUNNING", "COMPLETE"]
        assert receiver.edges() == {
            ("wss://data-stream.binance.vision", "aggTrade"): {("kafka://127.0.0.1:9092", "binance.aggtrade")}
        }
        assert receiver.rows_written("binance.aggtrade") == 100


def test_the_token_is_sent(tmp_path: Path) -> None:
    with receiving_lineage() as receiver:
        settings = sending_to(receiver.url, tmp_path).model_copy(update={"openlineage_api_key": SecretStr("key")})
        with gateway_lineage(settings):
            pass
        assert [headers["authorization"] for headers in receiver.headers] == ["Bearer key"] * 2


def test_a_receiver_that_takes_the_call_and_never_answers_stops_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = sending_to(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, interval_seconds=1)
        told = 0
        with stream_lineage(settings, RUN_ID) as tell:
            for _ in range(5_000):
                tell(batch(rows_in=1))
                told += 1
        assert told == 5_000
