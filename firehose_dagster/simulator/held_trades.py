"""The trades of one finite stream that were due so far, by id, for REST."""

from bisect import bisect_left, insort
from collections.abc import Callable
from operator import attrgetter
from threading import Lock

from firehose_dagster.simulator.trade import Trade

_agg_id: Callable[[Trade], int] = attrgetter("agg_id")


class HeldTrades:
    """Grows as trades become due. Of several trades with one id the first is held. Safe to ask from several threads."""

    def __init__(self, due_trades: Callable[[int, int], tuple[int, list[Trade]]]) -> None:
        """`due_trades(start, now_us)`: how many events were due by now, and the trades among those from `start` on."""
        self._due_trades = due_trades
        self._seen_events = 0
        self._trades: list[Trade] = []
        self._lock = Lock()

    def ids(self, now_us: int) -> tuple[int, int] | None:
        """Lowest and highest id; None without a trade."""
        trades = self._grown(now_us)
        return (trades[0].agg_id, trades[-1].agg_id) if trades else None

    def from_id(self, from_id: int, limit: int, now_us: int) -> list[Trade]:
        """At most `limit` trades with ids from `from_id` on."""
        trades = self._grown(now_us)
        start = bisect_left(trades, from_id, key=_agg_id)
        return trades[start : start + limit]

    def before(self, end_us: int, now_us: int) -> list[Trade]:
        """Trades with `time < end_us`, by id. A whole pass: times need not follow ids in a recording."""
        return [trade for trade in self._grown(now_us) if trade.time_us < end_us]

    def _grown(self, now_us: int) -> list[Trade]:
        with self._lock:
            self._seen_events, fresh = self._due_trades(self._seen_events, now_us)
            for trade in fresh:
                if not self._trades or trade.agg_id > self._trades[-1].agg_id:
                    self._trades.append(trade)
                    continue
                place = bisect_left(self._trades, trade.agg_id, key=_agg_id)
                if self._trades[place].agg_id != trade.agg_id:
                    insort(self._trades, trade, key=_agg_id)
            return self._trades
