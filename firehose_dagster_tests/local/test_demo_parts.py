from pathlib import Path

import msgspec
import pytest

from firehose_dagster.local import trade_source
from firehose_dagster.local.demo_options import DemoOptions, DemoOptionsError
from firehose_dagster.local.progress import GatewayProgress, StreamsProgress, read_gateway, read_streams
from firehose_dagster.local.summary import Moment, figures
from firehose_dagster.local.trade_source import OtherSourceError, choose_source, claim_home
from firehose_dagster.local.webhook_secret import webhook_secret
from firehose_dagster.settings import Settings


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


def test_status_files_are_read_and_their_absence_tolerated(settings: Settings) -> None:
    assert read_gateway(settings) is None
    assert read_streams(settings) is None
    settings.state_dir.mkdir(parents=True)
    (settings.state_dir / "gateway.json").write_text('{"pid": 7, "frames": 3, "by_kind": {"depth": 1}}')
    (settings.state_dir / "streams.json").write_text(
        '{"pid": 8, "offsets": {"0": 5, "1": 2}, "silver": 6, "lag_ms": 1200}'
    )
    gateway, streams = read_gateway(settings), read_streams(settings)
    assert gateway == GatewayProgress(pid=7, frames=3)
    assert streams == StreamsProgress(pid=8, offsets={0: 5, 1: 2}, silver=6, lag_ms=1200)
    assert streams.passed({0: 5, 1: 2})
    assert not streams.passed({0: 5, 1: 2, 2: 1})


def test_a_status_file_that_is_half_written_says_nothing(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True)
    (settings.state_dir / "gateway.json").write_text('{"pid": 7, "fra')
    assert read_gateway(settings) is None


def test_the_summary_counts_what_is_behind_and_the_rate() -> None:
    streams = StreamsProgress(offsets={0: 80, 1: 100}, silver=150, lag_ms=2500)
    before = Moment(read_at_seconds=10.0, ends={0: 50, 1: 50}, gateway=None, streams=None, receiver=None)
    now = Moment(read_at_seconds=12.0, ends={0: 100, 1: 100}, gateway=None, streams=streams, receiver=None)
    shown = figures(now, before)
    assert shown["trades/s"] == "50"
    assert shown["behind"] == "20"
    assert shown["lag"] == "2.5 s"
    assert shown["silver"] == "150"
    assert msgspec.json.encode(shown)
