"""In which minutes silver holds a trade from another record than the first of it: what it was made from was lost.

The trade came again, healed over REST or published again, at an offset that says nothing of when silver first held it.
"""

from firehose_dagster.verification.gold_definition import MINUTE_US
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.records_in_neither import find_records_in_neither


def find_minutes_taken_again(lake: PinnedLake, minutes_back: int) -> None:
    """Make the table `minutes_taken_again`: symbol, `minute_number`; of events and the `minutes_back` before each.

    The first record is of the lower offset, in two partitions of the earlier time at the broker; where that of silver's
    record is not known any more, the other one may have been.
    """
    find_records_in_neither(lake)
    # Bronze and silver are joined with the few records near events, never with each other.
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE taken_from_another AS
        WITH near_events AS (
            SELECT DISTINCT symbol, epoch_us(minute) // {MINUTE_US} - unnest(range({minutes_back + 1})) AS minute_number
            FROM spikes
        ), others AS (
            SELECT symbol, agg_id, kafka_partition, kafka_offset, kafka_timestamp FROM rest
            SEMI JOIN near_events n
                ON n.symbol = rest.symbol AND n.minute_number = epoch_us(rest.event_ts) // {MINUTE_US}
            WHERE raw IS NULL
        )
        SELECT s.symbol, epoch_us(s.event_ts) // {MINUTE_US} AS minute_number, s.kafka_partition, s.kafka_offset,
            o.kafka_partition = s.kafka_partition AS is_of_one_partition, o.kafka_offset AS other_offset,
            o.kafka_timestamp AS other_timestamp
        FROM silver s JOIN others o ON o.symbol = s.symbol AND o.agg_id = s.agg_id;

        CREATE OR REPLACE TEMP TABLE minutes_taken_again AS
        WITH own AS (
            SELECT kafka_partition, kafka_offset, kafka_timestamp FROM bronze
            SEMI JOIN (SELECT * FROM taken_from_another WHERE NOT is_of_one_partition) t
                ON t.kafka_partition = bronze.kafka_partition AND t.kafka_offset = bronze.kafka_offset
        )
        SELECT DISTINCT symbol, minute_number
        FROM taken_from_another LEFT JOIN own USING (kafka_partition, kafka_offset)
        WHERE CASE WHEN is_of_one_partition THEN other_offset < kafka_offset
            ELSE coalesce(other_timestamp <= kafka_timestamp, true) END
        """  # noqa: S608 numbers only
    )
