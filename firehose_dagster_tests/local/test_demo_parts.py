from datetime import UTC, datetime
from pathlib import Path

import pytest

from firehose_dagster.gateway.status import write_status
from firehose_dagster.local import trade_source
from firehose_dagster.local.demo_options import DemoOptions, DemoOptionsError
from firehose_dagster.local.progress import forget_progress, read_gateway
from firehose_dagster.local.summary import Moment, figures
from firehose_dagster.local.trade_source import OtherSourceError, choose_source, claim_home
from firehose_dagster.local.webhook_secret import webhook_secret
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import ProgressFile, StreamProgress, read_progress
from firehose_dagster_tests.gateway.examples import GATEWAY_STATUS


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "one.jsonl"
    path.write_text("{}\n")
    return path


@pytest.mark.parametrize("answers", [True, False])
def test_live_is_chosen_where_it_answers_else_the_simulator_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(trade_source, "answers_ok", lambda url, timeout_seconds: answers)
    source = choose_source(DemoOptions(symbols=("BTCUSDT",)), settings)
    assert source.symbols == ("BTCUSDT",)
    if answers:
        assert source.exchange_arguments is None
        assert source.announcement.startswith("LIVE TRADES")
    else:
        history = ("--history-sent", str(settings.state_dir / "history_sent.json"))
        assert source.exchange_arguments == ("--synthetic", "--seed", "1", *history, "--symbols", "BTCUSDT")
        assert "NOT REAL DATA" in source.announcement


def test_files_are_replayed_with_all_their_symbols(settings: Settings, recording: Path) -> None:
    source = choose_source(DemoOptions(recordings=(recording,), speed=0.0, until_caught_up=True), settings)
    assert source.exchange_arguments == ("--recording", str(recording), "--speed", "0")
    assert source.symbols == ("ALL",)


def test_a_home_takes_trades_of_one_source_only(settings: Settings) -> None:
    first = choose_source(DemoOptions(synthetic=True, seed=1), settings)
    claim_home(first, settings)
    claim_home(first, settings)
    with pytest.raises(OtherSourceError, match=r"holds trades of `synthetic seed 1`.*--home"):
        claim_home(choose_source(DemoOptions(synthetic=True, seed=2), settings), settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until_caught_up": True}, "needs a source that ends"),
        ({"for_seconds": 0}, "must be above 0"),
        ({"speed": 1.0}, "belong to --recording"),
        ({"recordings": (Path("/nowhere/file"),)}, "no such file: /nowhere/file"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DemoOptionsError, match=message):
        DemoOptions(**options)  # type: ignore[arg-type]  # wrong on purpose


def test_two_sources_are_refused(recording: Path) -> None:
    with pytest.raises(DemoOptionsError, match="recordings and synthetic"):
        DemoOptions(recordings=(recording,), synthetic=True)


def test_the_webhook_secret_is_made_once_and_kept_private(settings: Settings) -> None:
    first = webhook_secret(settings).get_secret_value()
    assert first.startswith("whsec_")
    assert webhook_secret(settings).get_secret_value() == first
    assert (settings.state_dir / "webhook_secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ['{"pid": 7, "fra', '{"pid": 7, "frames": 3}'], ids=["half", "another version"])
def test_a_status_file_that_cannot_be_read_says_nothing(settings: Settings, content: str) -> None:
    assert read_gateway(settings) is None
    settings.state_dir.mkdir(parents=True)
    (settings.state_dir / "gateway.json").write_text(content)
    assert read_gateway(settings) is None


def test_what_processes_of_an_earlier_start_said_is_forgotten(settings: Settings) -> None:
    ProgressFile(settings, {0: 5})
    write_status(settings, GATEWAY_STATUS)
    assert (read_progress(settings), read_gateway(settings)) != (None, None)
    forget_progress(settings)
    assert (read_progress(settings), read_gateway(settings)) == (None, None)


def test_the_summary_counts_what_is_behind_and_the_rate() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    streams = StreamProgress(
        pid=8, started_at=began, updated_at=began, offsets={0: 80, 1: 100}, silver=150, lag_ms=2500
    )
    before = Moment(read_at_seconds=10.0, ends={0: 50, 1: 50}, gateway=None, streams=None, receiver=None)
    now = Moment(read_at_seconds=12.0, ends={0: 100, 1: 100}, gateway=GATEWAY_STATUS, streams=streams, receiver=None)
    shown = figures(now, before)
    assert shown["trades/s"] == "50"
    assert shown["behind"] == "20"
    assert shown["lag"] == "2.5 s"
    assert shown["silver"] == "150"
    assert shown["gaps"] == "1,017 found, 1,019 ids missing"


def test_the_summary_does_not_know_what_nobody_has_said_yet() -> None:
    shown = figures(Moment(read_at_seconds=10.0, ends=None, gateway=None, streams=None, receiver=None), None)
    assert {shown[label] for label in ("lag", "silver", "gold minutes", "spikes", "gaps")} == {"-"}
