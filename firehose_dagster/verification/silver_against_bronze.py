"""Does silver say what bronze says, and is every record that is in neither silver nor quarantine a proven duplicate?"""

from firehose_dagster.contracts.rules import EARLIEST_TRADE_TIME_US, LATEST_TRADE_TIME_US
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.records_in_neither import find_records_in_neither
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check
from firehose_dagster.verification.rows_lost import lost_from_bronze

_SHARED_COLUMNS = tuple(
    column.name for column in SILVER.columns if column.name not in ("kafka_partition", "kafka_offset")
)
_SAME_CONTENT = """
    s.price = b.price AND s.qty = b.qty AND s.first_trade_id = b.first_trade_id AND s.last_trade_id = b.last_trade_id
    AND s.is_buyer_maker = b.is_buyer_maker AND epoch_us(s.event_ts) // 1000 = b.trade_time // 1000
"""
"""Two records of one id tell the same trade: received_at, event_time and source may differ, as may microseconds."""
_OTHER_TIMES = f"""(
    epoch_us(event_ts) IS DISTINCT FROM
        CASE WHEN trade_time >= {EARLIEST_TRADE_TIME_US} AND trade_time < {LATEST_TRADE_TIME_US} THEN trade_time END
    OR epoch_us(dt_hour) IS DISTINCT FROM epoch_us(event_ts) // 3600000000 * 3600000000
)"""


def silver_equals_bronze(lake: PinnedLake) -> Check:
    """Every silver row equals, column for column, the bronze record that its Kafka coordinates name.

    Of every bronze record the trade time is told three times, and always the same.

    Where the audit tells that bronze lost that record, another one of bronze must tell the same trade.
    """
    lost_from_bronze(lake)
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE told_again AS
        SELECT s.kafka_partition, s.kafka_offset FROM silver s
        JOIN lost_from_bronze t
            ON s.kafka_partition = t.partition AND s.kafka_offset >= t."first" AND s.kafka_offset < t.end_offset
        SEMI JOIN bronze b ON b.symbol = s.symbol AND b.agg_id = s.agg_id AND {_SAME_CONTENT}
        """  # noqa: S608 a constant
    )
    differs = {column: f's."{column}" IS DISTINCT FROM b."{column}"' for column in _SHARED_COLUMNS}
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE silver_unlike_bronze AS
        SELECT s.symbol, s.agg_id, s.kafka_partition, s.kafka_offset, b.kafka_offset IS NULL AS absent,
            b.raw IS NOT NULL AS rejected,
            list_filter([{", ".join(f"CASE WHEN {condition} THEN '{column} ' || coalesce(s.{column}::VARCHAR, 'null') || ', bronze ' || coalesce(b.{column}::VARCHAR, 'null') END" for column, condition in differs.items())}],
                lambda difference: difference IS NOT NULL) AS differences
        FROM silver s LEFT JOIN bronze b USING (kafka_partition, kafka_offset)
        WHERE (b.kafka_offset IS NULL OR b.raw IS NOT NULL OR {" OR ".join(differs.values())}) AND NOT (
            b.kafka_offset IS NULL AND EXISTS (
                SELECT 1 FROM told_again a WHERE a.kafka_partition = s.kafka_partition AND a.kafka_offset = s.kafka_offset
            )
        )
        """  # noqa: S608, E501 columns of the contract
    )
    differing = lake.whole_number("SELECT count(*) FROM silver_unlike_bronze")
    contradicting = lake.whole_number(f"SELECT count(*) FROM bronze WHERE {_OTHER_TIMES}")  # noqa: S608 a constant
    found = lake.connection.execute(
        "SELECT symbol, agg_id, kafka_partition, kafka_offset, absent, rejected, differences FROM silver_unlike_bronze "
        "ORDER BY 1, 2 LIMIT ?",
        [EXAMPLES_SHOWN],
    ).fetchall()
    examples = []
    for symbol, agg_id, partition, offset, absent, rejected, differences in found:
        where = f"{symbol} agg_id {agg_id} (partition {partition} offset {offset})"
        if absent:
            examples.append(f"{where} has no record in bronze")
        elif differences:
            examples.append(f"{where} differs: {'; '.join(differences)}")
        elif rejected:
            examples.append(f"{where} is in silver, but bronze marks the record as one that broke a rule")
    if contradicting:
        examples += [
            f"partition {partition} offset {offset}: bronze's trade_time is {trade_time}, its event_ts {event_ts}, its "
            f"dt_hour {dt_hour}"
            for partition, offset, trade_time, event_ts, dt_hour in lake.rows(
                "SELECT kafka_partition, kafka_offset, trade_time, event_ts, dt_hour FROM bronze "  # noqa: S608 constants
                f"WHERE {_OTHER_TIMES} ORDER BY 1, 2 LIMIT {EXAMPLES_SHOWN}"
            )
        ]
    return Check(
        name="silver_equals_bronze",
        table=SILVER.name,
        figures={"rows": lake.whole_number("SELECT count(*) FROM silver"), "differing": differing},
        breaches=differing + contradicting,
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def rest_is_duplicates(lake: PinnedLake) -> Check:
    """Every bronze record in neither silver nor quarantine tells the same trade as the silver row of its id.

    Or the same as a record that was rejected later: what quarantine lost is published, and rejected, again.

    Together with `silver_equals_bronze` it proves without the audit that no record was lost.
    """
    find_records_in_neither(lake)
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE rejected AS
        SELECT s.* FROM bronze s
        SEMI JOIN quarantine q ON q.kafka_partition = s.kafka_partition AND q.kafka_offset = s.kafka_offset;

        CREATE OR REPLACE TEMP TABLE unexplained AS
        SELECT b.symbol, b.agg_id, b.kafka_partition, b.kafka_offset,
            EXISTS (SELECT 1 FROM silver h WHERE h.symbol = b.symbol AND h.agg_id = b.agg_id) AS id_is_held
        FROM rest b ANTI JOIN silver s ON s.symbol = b.symbol AND s.agg_id = b.agg_id AND {_SAME_CONTENT}
        WHERE NOT EXISTS (
            SELECT 1 FROM rejected s WHERE s.raw = b.raw AND s.kafka_timestamp >= b.kafka_timestamp
        ) AND NOT EXISTS (
            SELECT 1 FROM rejected s
            WHERE s.raw IS NULL AND b.raw IS NULL AND s.kafka_timestamp >= b.kafka_timestamp
                AND s.symbol = b.symbol AND s.agg_id = b.agg_id AND {_SAME_CONTENT}
        )
        """  # noqa: S608 a constant
    )
    breaches = lake.whole_number("SELECT count(*) FROM unexplained")
    found = lake.connection.execute(
        "SELECT symbol, agg_id, kafka_partition, kafka_offset, id_is_held FROM unexplained ORDER BY 3, 4 LIMIT ?",
        [EXAMPLES_SHOWN],
    ).fetchall()
    return Check(
        name="rest_is_duplicates",
        table="bronze, silver, quarantine",
        figures={"duplicates": lake.whole_number("SELECT count(*) FROM rest"), "unexplained": breaches},
        breaches=breaches,
        examples=tuple(
            f"partition {partition} offset {offset} ({symbol} agg_id {agg_id}) is in bronze, but neither in silver nor "
            "in quarantine, and "
            + ("silver holds the id with other content" if id_is_held else "silver does not hold its id")
            for symbol, agg_id, partition, offset, id_is_held in found
        ),
    )
