from decimal import Decimal

import pytest

from firehose_dagster_tests.faults.verdict import judge
from firehose_dagster_tests.pipeline.recorded_trades import Trade


def trade(agg_id: int, **changes: object) -> Trade:
    return Trade("A", agg_id, Decimal("1.5"), Decimal(2), agg_id, agg_id, 1_000 + agg_id, False)._replace(**changes)  # type: ignore[arg-type]  # named fields


EXISTING = [trade(agg_id) for agg_id in (5, 6, 7, 10, 11)]
"""8 and 9 are a true hole."""


def test_silver_that_is_what_exists_is_green_in_any_order() -> None:
    held = [*reversed(EXISTING[1:]), trade(5, price=Decimal("1.50000000"))]
    verdict = judge("A", EXISTING, held)
    assert (verdict.is_green, verdict.trades, verdict.reason) == (True, 5, "")


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (EXISTING[1:], "A: 1 missing (5)"),
        ([], "A: 5 missing (5 to 7, 10 to 11)"),
        ([*EXISTING, trade(6)], "A: 1 double"),
        ([*EXISTING, trade(8)], "A: 1 that do not exist (8)"),
        ([*EXISTING, trade(12)], "A: 1 that do not exist (12)"),
        ([*EXISTING[:4], trade(11, qty=Decimal("2.00000001"))], "A: 1 of other content (11)"),
        ([*EXISTING[:4], trade(11, time_us=1_012)], "A: 1 of other content (11)"),
        ([*EXISTING[:4], trade(11, is_buyer_maker=True)], "A: 1 of other content (11)"),
        (
            [*EXISTING[:3], trade(11), trade(11, last_trade_id=9)],
            "A: 1 missing (10), 1 double, 1 of other content (11)",
        ),
    ],
)
def test_each_way_of_being_wrong_is_red_and_told(held: list[Trade], reason: str) -> None:
    verdict = judge("A", EXISTING, held)
    assert not verdict.is_green
    assert verdict.reason == reason


def test_many_ranges_are_cut_short() -> None:
    existing = [trade(agg_id) for agg_id in range(1, 11)]
    assert judge("A", existing, existing[::2]).reason == "A: 5 missing (2, 4, 6, ...)"
