"""Is every value in silver one that a trade can have?"""

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

STATEMENTS: dict[str, str] = {
    **{f"{column.name} is null": f'"{column.name}" IS NULL' for column in SILVER.columns if column.required},
    "price is not above 0": "price <= 0",
    "qty is not above 0": "qty <= 0",
    "agg_id is negative": "agg_id < 0",
    "last_trade_id is below first_trade_id": "last_trade_id < first_trade_id",
    "dt_hour is not the hour of event_ts": "epoch_us(dt_hour) <> epoch_us(event_ts) // 3600000000 * 3600000000",
}
"""What must not be, and the SQL that finds it. Written for the check; the pipeline's rules are not asked."""


def silver_values_are_valid(lake: PinnedLake) -> Check:
    """Required columns are filled, price and quantity positive, ids ordered, the hour is the hour."""
    wrong = " ".join(f"WHEN {condition} THEN '{what}'" for what, condition in STATEMENTS.items())
    any_wrong = " OR ".join(f"({condition})" for condition in STATEMENTS.values())
    breaches = lake.whole_number(f"SELECT count(*) FROM silver WHERE {any_wrong}")  # noqa: S608 constants
    examples = lake.rows(
        f"SELECT symbol, agg_id, CASE {wrong} END, price, qty, event_ts, kafka_partition, kafka_offset "  # noqa: S608 constants
        f"FROM silver WHERE {any_wrong} ORDER BY 1, 2 LIMIT {EXAMPLES_SHOWN}"
    )
    return Check(
        name="silver_values_are_valid",
        table=SILVER.name,
        figures={"statements": len(STATEMENTS), "wrong": breaches},
        breaches=breaches,
        examples=tuple(
            f"{symbol} agg_id {agg_id}: {what} (price {price}, qty {qty}, event_ts {event_ts}, "
            f"partition {partition} offset {offset})"
            for symbol, agg_id, what, price, qty, event_ts, partition, offset in examples
        ),
    )
