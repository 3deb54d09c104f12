"""Some hours of a made-up market as archive files: what the simulator then plays faster than time passes."""

import random
from datetime import UTC, datetime
from pathlib import Path

START = datetime(2026, 1, 5, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_TICK = 100
"""A cent, in the whole numbers in which the price walks; they have four places."""


def write_market(folder: Path, hours: float, trades_per_second: float, seed: int = 1) -> list[Path]:
    """One daily file a symbol, with `trades_per_second` over all of them; a pure function of its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    gap_us = int(1_000_000 * len(SYMBOLS) / trades_per_second)
    count = int(hours * 3_600 * 1_000_000 / gap_us)
    return [_write(folder, symbol, count, gap_us, random.Random(f"{seed}/{symbol}")) for symbol in SYMBOLS]  # noqa: S311 - a market, not a secret


def _write(folder: Path, symbol: str, count: int, gap_us: int, draw: random.Random) -> Path:
    path = folder / f"{symbol}-aggTrades-{START:%Y-%m-%d}.csv"
    start_us = int(START.timestamp()) * 1_000_000
    price = 1_000_000
    with path.open("w") as file:
        for number in range(count):
            price = max(_TICK, price + draw.choice((-_TICK, 0, _TICK)))
            # Most trades lie somewhere in their gap; time never goes back.
            at_us = start_us + number * gap_us + draw.randrange(gap_us)
            agg_id = number + 1
            line = f"{agg_id},{price // 10_000}.{price % 10_000:04d}0000,0.{draw.randint(1, 9)},"
            file.write(f"{line}{agg_id * 2},{agg_id * 2 + 1},{at_us},{bool(number % 2)},True\n")
    return path
