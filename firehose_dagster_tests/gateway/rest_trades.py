"""Answers of REST of which only the ids matter."""

from collections.abc import Sequence

from firehose_dagster.binance.frames import RestTrade


def trades(agg_ids: Sequence[int]) -> list[RestTrade]:
    """A trade for each id."""
    return [
        RestTrade(
            agg_id=agg_id,
            price="1.5",
            qty="2",
            first_trade_id=agg_id,
            last_trade_id=agg_id,
            trade_time=1,
            is_buyer_maker=True,
        )
        for agg_id in agg_ids
    ]
