import json
from pathlib import Path

from firehose_dagster.simulator.history_sent import HistorySent
from firehose_dagster.simulator.synthetic import SyntheticSource
from firehose_dagster_tests.simulator.markets import trade_of

NOW_US = 1_795_538_730_123_456
MINUTE_US = 60_000_000


def first_time_us(path: Path | None, symbol: str, now_us: int, seed: int = 1) -> int:
    """When the first trade happened that a new exchange sends to the first subscriber at `now_us`."""
    source = SyntheticSource(seed, ("BTCUSDT", "ETHUSDT"), 50, 35, history_sent=HistorySent(path, seed))
    tape = source.open(f"{symbol.lower()}@aggTrade", now_us)
    assert tape is not None
    first = trade_of(next(iter(tape.take(now_us + MINUTE_US)))).time_us
    source.close()
    return first


def test_a_restarted_exchange_sends_no_history_to_who_had_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sent.json"
    assert first_time_us(path, "BTCUSDT", NOW_US) < NOW_US - 34 * MINUTE_US
    assert first_time_us(path, "BTCUSDT", NOW_US + 5 * MINUTE_US) >= NOW_US + 5 * MINUTE_US
    assert first_time_us(path, "ETHUSDT", NOW_US + 5 * MINUTE_US) < NOW_US, "it had none yet"
    assert json.loads(path.read_text()) == {"seed": 1, "symbols": ["BTCUSDT", "ETHUSDT"]}


def test_history_that_was_cut_off_is_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "sent.json"
    source = SyntheticSource(1, ("BTCUSDT",), 50, 35, history_sent=HistorySent(path, 1))
    tape = source.open("btcusdt@aggTrade", NOW_US)
    assert tape is not None
    assert tape.take(NOW_US - 1)
    source.close()
    assert "BTCUSDT" not in HistorySent(path, 1)
    assert first_time_us(path, "BTCUSDT", NOW_US) < NOW_US - 34 * MINUTE_US


def test_without_a_file_each_start_sends_it_and_another_market_does_not_count(tmp_path: Path) -> None:
    for _ in range(2):
        assert first_time_us(None, "BTCUSDT", NOW_US) < NOW_US - 34 * MINUTE_US
    path = tmp_path / "sent.json"
    first_time_us(path, "BTCUSDT", NOW_US, seed=1)
    assert first_time_us(path, "BTCUSDT", NOW_US, seed=2) < NOW_US - 34 * MINUTE_US


def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "sent.json"
    path.write_text("{")
    assert "BTCUSDT" not in HistorySent(path, 1)
