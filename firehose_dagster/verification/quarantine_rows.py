"""Is every rejected row told once, with a reason, and as it was received?"""

from firehose_dagster.contracts.rules import RULE_NAMES
from firehose_dagster.contracts.trade_tables import QUARANTINE
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check


def quarantine_is_explained(lake: PinnedLake) -> Check:
    """Each row names at least one rule, all of them known; its coordinates are there once, and are a bronze record's.

    It is not in silver too, and where bronze kept the record's text the row has the same.
    """
    names = ", ".join(f"'{name}'" for name in RULE_NAMES)
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE quarantine_wrong AS
        WITH judged AS (
            SELECT q.kafka_partition, q.kafka_offset, q.reasons, CASE
                WHEN q.reasons IS NULL OR len(q.reasons) = 0 THEN 'has no reason'
                WHEN len(list_filter(q.reasons, lambda reason: reason IS NULL OR reason NOT IN ({names}))) > 0
                    THEN 'names a rule that does not exist'
                WHEN count(*) OVER (PARTITION BY q.kafka_partition, q.kafka_offset) > 1 THEN 'is there more than once'
                WHEN b.kafka_offset IS NULL THEN 'has no record in bronze'
                WHEN s.kafka_offset IS NOT NULL THEN 'is in silver too'
                WHEN b.raw IS NOT NULL AND b.raw IS DISTINCT FROM q.raw THEN 'has another text than bronze'
            END AS what
            FROM quarantine q LEFT JOIN bronze b USING (kafka_partition, kafka_offset)
            LEFT JOIN silver s USING (kafka_partition, kafka_offset)
        )
        SELECT * FROM judged WHERE what IS NOT NULL
        """  # noqa: S608 names of the contract
    )
    breaches = lake.whole_number("SELECT count(*) FROM quarantine_wrong")
    found = lake.connection.execute(
        "SELECT DISTINCT kafka_partition, kafka_offset, what, reasons FROM quarantine_wrong ORDER BY 1, 2 LIMIT ?",
        [EXAMPLES_SHOWN],
    ).fetchall()
    return Check(
        name="quarantine_is_explained",
        table=QUARANTINE.name,
        figures={"rows": lake.whole_number("SELECT count(*) FROM quarantine"), "wrong": breaches},
        breaches=breaches,
        examples=tuple(
            f"partition {partition} offset {offset} {what} (reasons: {', '.join(map(str, reasons or ()))})"
            for partition, offset, what, reasons in found
        ),
    )
