from pathlib import Path
from typing import Any

import pytest

from firehose_dagster.simulator.options import ExchangeOptions, ExchangeOptionsError

FILE = (Path("file"),)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "got none"),
        ({"synthetic": True, "recordings": FILE}, "got recording and synthetic"),
        ({"synthetic": True, "shift_to_now": True}, "shift_to_now"),
        ({"recordings": FILE, "speed": -1.0}, "speed is -1"),
        ({"recordings": FILE, "speed": float("nan")}, "speed is nan"),
        ({"synthetic": True, "rate": 0.0}, "rate is 0"),
        ({"synthetic": True, "symbols": ()}, "at least one symbol"),
        ({"synthetic": True, "symbols": ("A", "A")}, "each once"),
        ({"synthetic": True, "symbols": ("btcusdt",)}, "btcusdt"),
        ({"synthetic": True, "history_minutes": -1}, "history_minutes"),
    ],
)
def test_contradicting_options_are_refused_by_name(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ExchangeOptionsError, match=told):
        ExchangeOptions(**wrong)


def test_the_kind_is_told_by_what_is_given() -> None:
    assert ExchangeOptions(recordings=FILE).kind == "recording"
    assert ExchangeOptions(archives=FILE).kind == "archive"
    assert ExchangeOptions(synthetic=True).kind == "synthetic"
