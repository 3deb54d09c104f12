"""A micro-batch is summed up whatever it holds: only valid rows have figures."""

from decimal import Decimal

import msgspec
import pytest
from pyspark.sql import SparkSession

from firehose_dagster.streams.batch_summary import read_summary
from firehose_dagster.transforms.parse import parse
from firehose_dagster.transforms.summary import summarise
from firehose_dagster_tests.streams.scenario import records, trade
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES

pytestmark = pytest.mark.spark

LARGEST_NOTIONAL = next(bad.value for bad in BAD_MESSAGES if bad.name == "notional beyond reason")


def test_rejected_rows_of_which_the_figures_add_up_to_more_than_a_decimal_holds_do_not_stop_a_batch(
    spark: SparkSession,
) -> None:
    valid = msgspec.json.encode(trade(5, price="2.5", qty="3"))
    values = [LARGEST_NOTIONAL] * 20 + [valid]
    rows = parse(records(spark, [(0, offset, value) for offset, value in enumerate(values)], "trades"))
    batch = read_summary(summarise(rows, None).toArrow())
    assert (batch.rows, batch.valid_rows, batch.starts, batch.ends) == (21, 1, {0: 0}, {0: 21})
    (minute,) = batch.minutes
    assert (minute.symbol, list(minute.agg_ids)) == ("BTCUSDT", [5])
    assert (minute.base.volume, minute.base.quote_volume, minute.base.trades) == (Decimal(3), Decimal("7.5"), 1)
