"""How each symbol stands over the last minutes: pure arithmetic on what gold and the spike events say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from firehose_dagster.api.shown_columns import Row, instant

FRESH_FOR = timedelta(minutes=3)
"""Gold whose newest minute ended longer ago is called stale."""

_EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
_PERCENT_PLACES = Decimal("0.0001")
_PRICE_PLACES = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolWindow:
    """What one symbol's minutes within the window add up to."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    minutes: int
    incomplete_minutes: int


def delta_percent(opened: Decimal, closed: Decimal) -> Decimal:
    """(closed / opened - 1) * 100, rounded half up to 4 places."""
    change = _EXACT.divide(_EXACT.multiply(_EXACT.subtract(closed, opened), Decimal(100)), opened)
    return change.quantize(_PERCENT_PLACES, context=_EXACT)


def vwap(quote_volume: Decimal, volume: Decimal) -> Decimal:
    """quote_volume / volume, rounded half up to 8 places."""
    return _EXACT.divide(quote_volume, volume).quantize(_PRICE_PLACES, context=_EXACT)


def age_seconds(moment: datetime | None, now: datetime) -> int | None:
    """Whole seconds since a time, 0 for one to come; None without a time."""
    return None if moment is None else max(0, int((now - moment).total_seconds()))


def symbol_pulse(latest: Row, window: SymbolWindow | None, spikes: Iterable[Row]) -> Row:
    """A symbol's entry, without its age. `latest` is its newest gold row, `spikes` its events, newest first."""
    events = list(spikes)
    by_kind = {kind: sum(event["kind"] == kind for event in events) for kind in ("price", "volume")}
    figures: dict[str, Any] = dict.fromkeys(
        ("price", "open", "high", "low", "delta_pct", "vwap", "volume", "quote_volume")
    )
    if window is not None:
        figures = {
            "price": window.close,
            "open": window.open,
            "high": window.high,
            "low": window.low,
            "delta_pct": delta_percent(window.open, window.close),
            "vwap": vwap(window.quote_volume, window.volume),
            "volume": window.volume,
            "quote_volume": window.quote_volume,
        }
    return {
        "symbol": latest["symbol"],
        "newest_minute": latest["minute"],
        "updated_at": latest["updated_at"],
        **{name: None if value is None else format(value, "f") for name, value in figures.items()},
        "trades": 0 if window is None else window.trades,
        "minutes": 0 if window is None else window.minutes,
        "is_complete": window is not None and window.incomplete_minutes == 0,
        "incomplete_minutes": 0 if window is None else window.incomplete_minutes,
        "spike_status": _status(by_kind),
        "price_spikes": by_kind["price"],
        "volume_spikes": by_kind["volume"],
        "last_spike": {name: events[0][name] for name in ("spike_id", "kind", "minute", "score")} if events else None,
    }


def whole_pulse(entries: Iterable[Row], newest_end: datetime | None, window_minutes: int, now: datetime) -> Row:
    """The answer without its snapshot ids: the ages, and whether the whole is fresh and complete.

    `newest_end` is the end of the newest minute that gold holds of any symbol; None where it holds nothing.
    """
    data = [entry | {"age_seconds": age_seconds(datetime.fromisoformat(entry["updated_at"]), now)} for entry in entries]
    age = age_seconds(newest_end, now)
    is_fresh = age is not None and age <= FRESH_FOR.total_seconds()
    incomplete = [entry["symbol"] for entry in data if not entry["is_complete"]]
    window = newest_end and {
        "start": instant(newest_end - timedelta(minutes=window_minutes)),
        "end": instant(newest_end),
        "minutes": window_minutes,
    }
    return {
        "window": window,
        "age_seconds": age,
        "is_fresh": is_fresh,
        "is_complete": is_fresh and bool(data) and not incomplete,
        "incomplete_symbols": incomplete,
        "data": data,
    }


def _status(by_kind: Mapping[str, int]) -> str:
    kinds = [kind for kind in ("price", "volume") if by_kind[kind]]
    return "_and_".join(kinds) if kinds else "none"
