"""A market made of arithmetic: a pure function of seed, symbols, rate and time.

So a restarted exchange goes on with the same trades, and any of them can be looked up.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from firehose_dagster.simulator.history_sent import HistorySent
from firehose_dagster.simulator.listing import synthetic_listing
from firehose_dagster.simulator.minute_cache import MinuteCache
from firehose_dagster.simulator.source import Event
from firehose_dagster.simulator.spikes import Spike, SpikePlan
from firehose_dagster.simulator.synthetic_minute import SyntheticMinute, synthetic_minute
from firehose_dagster.simulator.trade import Trade, stream_of
from firehose_dagster.simulator.trade_counts import MINUTE_US, ORIGIN_US, TradeCounts, minute_at, start_us


class SyntheticTape:
    """The trades of one symbol from `from_us` on, each due at its trade time, up to and including `end_us`.

    Once those until `opened_at_us` were taken, the symbol's history was sent.
    """

    def __init__(
        self, source: "SyntheticSource", symbol: str, from_us: int, opened_at_us: int, end_us: int | None
    ) -> None:
        self._source = source
        self._symbol = symbol
        self._opened_at_us: int | None = opened_at_us
        self._end_us = end_us
        self._minute = minute_at(from_us)
        self._place = bisect_left(source.minute(symbol, self._minute).times_us, from_us)

    def next_due_us(self) -> int | None:
        """When the next trade happens; None once the market has closed."""
        current = self._source.minute(self._symbol, self._minute)
        while self._place >= len(current):
            if self._end_us is not None and start_us(self._minute + 1) > self._end_us:
                return None
            self._minute += 1
            self._place = 0
            current = self._source.minute(self._symbol, self._minute)
        due_us = current.times_us[self._place]
        return None if self._end_us is not None and due_us > self._end_us else due_us

    def take(self, until_us: int) -> list[Event]:
        """The trades up to and including `until_us`, in order, each once."""
        events: list[Event] = []
        if self._opened_at_us is not None and until_us >= self._opened_at_us:
            self._opened_at_us = None
            self._source.history_sent.add(self._symbol)
        until_us = self._closed(until_us)
        while (due_us := self.next_due_us()) is not None and due_us <= until_us:
            current = self._source.minute(self._symbol, self._minute)
            end = bisect_right(current.times_us, until_us)
            events.extend(Event(trade.time_us, trade, None) for trade in current.trades(self._place, end))
            self._place = end
        self._source.make_ahead(self._symbol, self._minute + 1)
        return events

    def skip(self, until_us: int) -> None:
        """Pass over the trades up to and including `until_us`."""
        until_us = self._closed(until_us)
        due_us = self.next_due_us()
        if due_us is None or due_us > until_us:
            return
        self._minute = minute_at(until_us)
        self._place = bisect_right(self._source.minute(self._symbol, self._minute).times_us, until_us)

    def _closed(self, until_us: int) -> int:
        return until_us if self._end_us is None else min(until_us, self._end_us)


class SyntheticSource:
    """Symbols that have traded since 2020 and go on; any trade that happened can be looked up by id or time."""

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str],
        rate: float,
        history_minutes: int,
        *,
        history_sent: HistorySent | None = None,
        closes_at_us: int | None = None,
    ) -> None:
        """`rate`: mean trades a second over all symbols, at least one trade in 1,000 minutes for each."""
        self.history_sent = history_sent or HistorySent(None, seed)
        self._seed = seed
        self._symbols = tuple(symbols)
        self._history_minutes = history_minutes
        self._closes_at_us = closes_at_us
        self._listings = {symbol: synthetic_listing(seed, symbol) for symbol in self._symbols}
        all_weights = sum(listing.weight for listing in self._listings.values())
        self._counts = {
            symbol: TradeCounts(seed, symbol, max(1, round(rate * 60_000 * listing.weight / all_weights)))
            for symbol, listing in self._listings.items()
        }
        self._spikes = SpikePlan(seed, self._symbols)
        self._minutes = MinuteCache(self._make)
        self._opened_at_us: dict[str, int] = {}
        self._symbol_by_stream = {stream_of(symbol): symbol for symbol in self._symbols}

    @property
    def paced(self) -> bool:
        """Always: a trade is sent when it happens."""
        return True

    @property
    def description(self) -> str:
        """For people: one phrase."""
        return f"synthetic market, seed {self._seed}"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that trade here."""
        return self._symbols

    def open(self, stream: str, now_us: int) -> SyntheticTape | None:
        """The symbol's trades, with the history before them unless it was sent; None for any other stream."""
        symbol = self._symbol_by_stream.get(stream)
        if symbol is None:
            return None
        history_minutes = 0 if symbol in self.history_sent else self._history_minutes
        from_us = max(ORIGIN_US, now_us - history_minutes * MINUTE_US)
        self._opened_at_us[symbol] = from_us
        return SyntheticTape(self, symbol, from_us, now_us, self._closes_at_us)

    def due_ids(self, symbol: str, now_us: int) -> tuple[int, int] | None:
        """First id due at the first subscription and the highest that happened; None before it."""
        opened_at_us = self._opened_at_us.get(symbol)
        if opened_at_us is None:
            return None
        first_id, last_id = self._ids_before(symbol, opened_at_us) + 1, self._last_id(symbol, now_us)
        return (first_id, last_id) if first_id <= last_id else None

    def trades_from(self, symbol: str, from_id: int, limit: int, now_us: int) -> list[Trade]:
        """Trades that happened with ids from `from_id` on, by id, at most `limit`."""
        counts = self._counts[symbol]
        next_id = max(1, from_id)
        end_id = min(next_id + limit, self._last_id(symbol, now_us) + 1)
        trades: list[Trade] = []
        while next_id < end_id:
            minute = self.minute(symbol, counts.minute_of(next_id))
            end = min(end_id - minute.first_id, len(minute))
            trades += minute.trades(next_id - minute.first_id, end)
            next_id = minute.first_id + end
        return trades

    def trades_between(self, symbol: str, start_us: int, end_us: int, limit: int, now_us: int) -> list[Trade]:
        """Trades that happened with `start_us <= time < end_us`, by id, the first `limit`."""
        first_id = self._ids_before(symbol, start_us) + 1
        last_id = min(self._ids_before(symbol, end_us), self._last_id(symbol, now_us))
        return self.trades_from(symbol, first_id, min(limit, max(0, last_id - first_id + 1)), now_us)

    def latest_trades(self, symbol: str, before_us: int, limit: int, now_us: int) -> list[Trade]:
        """Trades that happened with `time < before_us`, by id, the last `limit`."""
        last_id = min(self._ids_before(symbol, before_us), self._last_id(symbol, now_us))
        first_id = max(1, last_id - limit + 1)
        return self.trades_from(symbol, first_id, last_id - first_id + 1, now_us)

    def spike(self, symbol: str, minute: int) -> Spike | None:
        """What was induced in the minute, if anything."""
        return self._spikes.spike(symbol, minute)

    def minute(self, symbol: str, minute: int) -> SyntheticMinute:
        """All trades of a minute, also of one to come."""
        return self._minutes.get(symbol, minute)

    def make_ahead(self, symbol: str, minute: int) -> None:
        """Have a minute made in the background, if the market is still open then."""
        if self._closes_at_us is None or start_us(minute) <= self._closes_at_us:
            self._minutes.make_ahead(symbol, minute)

    def close(self) -> None:
        """Release the background thread."""
        self._minutes.close()

    def _make(self, symbol: str, minute: int) -> SyntheticMinute:
        counts = self._counts[symbol]
        spike = self.spike(symbol, minute)
        return synthetic_minute(
            self._seed, self._listings[symbol], minute, counts.first_id(minute), counts.count(minute), spike
        )

    def _ids_before(self, symbol: str, time_us: int) -> int:
        """Highest id with a time before the given one; 0 where there is none."""
        minute = minute_at(time_us)
        if minute < 0:
            return 0
        held = self.minute(symbol, minute)
        return held.first_id - 1 + bisect_left(held.times_us, time_us)

    def _last_id(self, symbol: str, now_us: int) -> int:
        until_us = now_us if self._closes_at_us is None else min(now_us, self._closes_at_us)
        return self._ids_before(symbol, until_us + 1)
