"""What the healer takes for healed: what Kafka confirmed, and nothing else."""

import threading
from collections.abc import Sequence
from typing import cast

from firehose_dagster.binance.frames import RestTrade
from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.rest import ExchangeRest


class _Exchange:
    """Has the ids 2 and 3."""

    def agg_trades(self, _symbol: str, from_id: int) -> list[RestTrade]:
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
            for agg_id in (2, 3)
            if agg_id >= from_id
        ]


class _Kafka:
    """Confirms one trade at the first time, and all from then on."""

    last_error = "it took too long"

    def __init__(self) -> None:
        self.published: list[list[int]] = []

    def publish(self, messages: Sequence[AggTradeMessage]) -> list[int]:
        ids = [message.agg_id for message in messages]
        self.published.append(ids)
        return ids[:1] if len(self.published) == 1 else ids


def test_what_kafka_did_not_confirm_is_fetched_again_and_only_that() -> None:
    kafka, halt, fetched = _Kafka(), threading.Event(), list[int]()

    def end(ids: int) -> None:
        fetched.append(ids)
        halt.set()

    healer = Healer(
        cast(ExchangeRest, _Exchange()), Continuity({}), cast(ConfirmedPublisher, kafka), lambda _: None, halt
    )
    healer.request("BTCUSDT", IdRange(2, 3), after_seconds=0, on_settled=end)
    healer.run()
    assert kafka.published == [[2, 3], [3]]
    assert (fetched, healer.healed_ids, healer.missing_ids()) == ([2], 2, 0)
