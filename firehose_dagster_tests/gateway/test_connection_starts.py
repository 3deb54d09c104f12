"""All connections together stay within the exchange's attempts, with some left to others."""

from firehose_dagster.gateway.connection import Starts


def test_no_five_minutes_see_more_than_240_of_the_300_attempts() -> None:
    starts, made = Starts(), list[int]()
    for second in range(1_500):
        while starts.try_one(second):
            made.append(second)
    assert made == [second for second in range(0, 1_500, 300) for _ in range(240)]
