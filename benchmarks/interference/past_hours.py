"""Closed hours full of small files: trades of past hours, sent through the topic as every trade is.

Each hour has a symbol of its own. The hours take turns in the topic, so each micro-batch leaves a file in every one.
"""

from datetime import UTC, datetime, timedelta

import msgspec
from confluent_kafka import Producer

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.settings import Settings


def send(settings: Settings, *, hours: int, trades_an_hour: int) -> int:
    """Send the trades of the hours before the last two; returns how many. Raises RuntimeError for one not accepted."""
    newest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all", "enable.idempotence": True})
    for number in range(trades_an_hour):
        for hour in range(hours):
            at_us = to_microseconds(newest - timedelta(hours=hour)) + number * 3_600_000_000 // trades_an_hour
            trade = AggTradeMessage(
                symbol=f"H{hour:02d}USDT",
                agg_id=number + 1,
                price=f"{100 + number % 50}.25000000",
                qty="0.50000000",
                first_trade_id=number + 1,
                last_trade_id=number + 1,
                trade_time=at_us,
                event_time=at_us,
                received_at=at_us + 50_000,
                is_buyer_maker=number % 2 == 0,
                source="archive",
            )
            producer.produce(settings.topic, msgspec.json.encode(trade), key=trade.symbol)
        producer.poll(0)
        if number % 1_000 == 0:
            producer.flush()
    if producer.flush(60):
        raise RuntimeError("the broker did not take every trade within a minute")
    return hours * trades_an_hour
