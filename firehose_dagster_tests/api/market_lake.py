"""A lake as the API sees it after hours of a made-up market: gold, spikes, audit, completeness; no silver, no JVM."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS
from firehose_dagster.contracts.spike import SPIKE_KINDS, spike_id
from firehose_dagster.contracts.trade_tables import GOLD, SPIKES
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import append

Row = dict[str, Any]

_E8 = Decimal("0.00000001")
_START_PRICES = {"BTCUSDT": 97_000, "ETHUSDT": 3_400, "BNBUSDT": 650, "SOLUSDT": 188, "XRPUSDT": 2}


@dataclass(frozen=True)
class Market:
    """`minutes` of gold up to and with the minute of `newest`, the same rows for the same seed and times."""

    newest: datetime
    minutes: int = 360
    symbols: tuple[str, ...] = tuple(_START_PRICES)
    seed: int = 7

    def gold(self) -> list[Row]:
        """Rows of all symbols. XRPUSDT has no trade in every seventh minute; ETHUSDT lost trades 40 minutes ago."""
        return [row for symbol in self.symbols for row in self._gold_of(symbol)]

    def _gold_of(self, symbol: str) -> list[Row]:
        chance = random.Random(f"{self.seed} {symbol}")
        close = Decimal(_START_PRICES.get(symbol, 10))
        agg_id = 1_000_000
        closes: list[Decimal] = []
        volumes: list[Decimal] = []
        rows: list[Row] = []
        for ago in range(self.minutes - 1, -1, -1):
            minute = self.newest - timedelta(minutes=ago)
            if symbol == "XRPUSDT" and ago % 7 == 3:
                continue
            is_price_spike, is_volume_spike = (symbol, ago) == ("SOLUSDT", 25), ago == 18 and symbol == "BTCUSDT"
            opened = close
            step = Decimal(chance.randint(-80, 84)) / 100_000 + (Decimal("0.012") if is_price_spike else 0)
            close = (opened * (1 + step)).quantize(Decimal("0.0001"))
            high = max(opened, close) * (1 + Decimal(chance.randint(0, 30)) / 100_000)
            low = min(opened, close) * (1 - Decimal(chance.randint(0, 30)) / 100_000)
            volume = (Decimal(chance.randint(2_000, 20_000)) / close * (12 if is_volume_spike else 1)).quantize(_E8)
            vwap = ((opened + close + high + low) / 4).quantize(_E8)
            trades = chance.randint(20, 400)
            closes, volumes = [*closes[-29:], close], [*volumes[-4:], volume]
            rows.append(
                {
                    "symbol": symbol,
                    "minute": minute,
                    "open": opened.quantize(_E8),
                    "high": high.quantize(_E8),
                    "low": low.quantize(_E8),
                    "close": close.quantize(_E8),
                    "vwap": vwap,
                    "volume": volume,
                    "quote_volume": vwap * volume,
                    "trades": trades,
                    "volume_5m": sum(volumes, Decimal(0)),
                    "price_ma_30m": (sum(closes, Decimal(0)) / len(closes)).quantize(_E8),
                    "return_1m": step.quantize(_E8),
                    "is_price_spike": is_price_spike,
                    "is_volume_spike": is_volume_spike,
                    "price_spike_score": Decimal("6.40000000") if is_price_spike else Decimal("0.50000000"),
                    "volume_spike_score": Decimal("11.70000000") if is_volume_spike else Decimal("1.00000000"),
                    "first_agg_id": agg_id,
                    "last_agg_id": agg_id + trades - 1,
                    "is_complete": not (symbol == "ETHUSDT" and ago == 40),
                    "is_final": ago > 10,
                    "revision": 0,
                    "silver_snapshot_id": 7_712_345_678_901_234_567,
                    "updated_at": minute + timedelta(seconds=58),
                }
            )
            agg_id += trades
        return rows


def spikes_of(gold: Sequence[Row]) -> list[Row]:
    """The events that the flags of the rows stand for."""
    return [
        {
            "spike_id": spike_id(row["symbol"], row["minute"], kind),
            "kind": kind,
            "score": row[f"{kind}_spike_score"],
            "price": row["close"],
            "received_at": row["minute"] + timedelta(seconds=20),
            "detected_at": row["minute"] + timedelta(seconds=21),
            **{
                name: row[name]
                for name in ("symbol", "minute", "vwap", "volume", "return_1m", "is_complete", "silver_snapshot_id")
            },
        }
        for row in gold
        for kind in SPIKE_KINDS
        if row[f"is_{kind}_spike"]
    ]


def audit_of(newest: datetime, count: int) -> list[Row]:
    """One batch every ten seconds up to `newest`."""
    rows = []
    for number in range(count):
        started_at = newest - timedelta(seconds=10 * (count - number))
        rows.append(
            {
                "run_id": f"trades/{number}",
                "kind": "micro_batch",
                "query_id": "trades",
                "batch_id": number,
                "started_at": started_at,
                "finished_at": started_at + timedelta(milliseconds=1_300),
                "rows_in": 500,
                "rows_out": 498,
                "dq_pass": 499,
                "dq_fail": 1,
                "duplicates": 1,
                "conflicts": 0,
                "dq_fail_by_rule": {"price_is_positive": 1},
                "late_rows": 0,
                "gold_minutes": 5,
                "spikes": 0,
                "max_lag_ms": 1_450,
                "silver_snapshot_id": 7_712_345_678_901_234_567,
            }
        )
    return rows


def completeness_of(market: Market, hours: int) -> list[Row]:
    """Sealed hours but the newest; ETHUSDT misses 25 trades two hours ago, an hour of SOLUSDT was sealed twice."""
    newest_hour = market.newest.replace(minute=0, second=0, microsecond=0)
    rows = []
    for symbol in market.symbols:
        for ago in range(hours):
            is_lossy = symbol == "ETHUSDT" and ago == 2
            row = {
                "symbol": symbol,
                "hour": newest_hour - timedelta(hours=ago),
                "first_agg_id": 1_000,
                "last_agg_id": 1_999,
                "expected": 1_000,
                "present": 975 if is_lossy else 1_000,
                "exchange_holes": 0,
                "missing": 25 if is_lossy else 0,
                "missing_ranges": "[[1100,1119],[1300,1304]]" if is_lossy else "[]",
                "is_sealed": ago > 0 and not is_lossy,
                "seal_version": 0 if ago == 0 or is_lossy else 1,
                "silver_snapshot_id": 7_712_345_678_901_234_567,
                "checked_at": market.newest,
            }
            rows.append(row)
            if symbol == "SOLUSDT" and ago == 5:
                rows.append(row | {"seal_version": 2, "checked_at": market.newest + timedelta(minutes=1)})
    return rows


def write_market(settings: Settings, market: Market, hours: int = 24) -> list[Row]:
    """Make the tables and write all of it; the gold rows."""
    create_tables(open_catalog(settings))
    gold = market.gold()
    append(settings, GOLD, gold, {})
    append(settings, SPIKES, spikes_of(gold), {})
    append(settings, OPS_AUDIT, audit_of(market.newest, 400), {})
    append(settings, OPS_COMPLETENESS, completeness_of(market, hours), {})
    return gold


def this_minute() -> datetime:
    """The minute that is open now."""
    return datetime.now(UTC).replace(second=0, microsecond=0)
