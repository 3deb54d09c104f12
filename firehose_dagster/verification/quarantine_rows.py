"""Is every rejected row told once, with the rules that it broke, and as it was received?"""

from firehose_dagster.contracts.rules import CONFLICT_RULE, RULE_NAMES
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check
from firehose_dagster.verification.rules_judged_again import broken_rules, message_of

_ROWS_AT_ONCE = 10_000
_SHARED_COLUMNS = tuple(
    column.name
    for column in QUARANTINE.columns
    if column.name in BRONZE.column_names and column.name not in ("raw", "kafka_partition", "kafka_offset")
)


def quarantine_is_explained(lake: PinnedLake) -> Check:
    """Each row names at least one rule, all of them known; its coordinates are there once, and are a bronze record's.

    It is not in silver too, says what that record says, and names a conflict exactly where bronze holds the record for
    valid. The rules are judged again on its text.
    """
    names = ", ".join(f"'{name}'" for name in RULE_NAMES)
    differs = {column: f'q."{column}" IS DISTINCT FROM b."{column}"' for column in _SHARED_COLUMNS}
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
                WHEN b.raw IS NULL AND q.reasons <> ['{CONFLICT_RULE}']
                    THEN 'names a rule, but bronze holds the record for valid'
                WHEN b.raw IS NOT NULL AND list_contains(q.reasons, '{CONFLICT_RULE}')
                    THEN 'names a conflict, but bronze marks the record as one that broke a rule'
                WHEN {" OR ".join(differs.values())} THEN 'has another ' || concat_ws(', ', {
            ", ".join(f"CASE WHEN {condition} THEN '{column}' END" for column, condition in differs.items())
        }) || ' than bronze'
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
    examples = [
        f"partition {partition} offset {offset} {what} (reasons: {', '.join(map(str, reasons or ()))})"
        for partition, offset, what, reasons in found
    ]
    judged, misjudged = _judged_again(lake)
    return Check(
        name="quarantine_is_explained",
        table=QUARANTINE.name,
        figures={
            "rows": lake.whole_number("SELECT count(*) FROM quarantine"),
            "wrong": breaches + len(misjudged),
            "judged_again": judged,
        },
        breaches=breaches + len(misjudged),
        examples=tuple([*examples, *misjudged][:EXAMPLES_SHOWN]),
    )


def _judged_again(lake: PinnedLake) -> tuple[int, list[str]]:
    """How many rows have a text that says all, and what is wrong with the others of them."""
    judged = 0
    wrong: list[str] = []
    rows = lake.connection.execute(
        "SELECT kafka_partition, kafka_offset, reasons, raw, symbol, agg_id FROM quarantine "
        "WHERE raw IS NOT NULL ORDER BY 1, 2"
    )
    while chunk := rows.fetchmany(_ROWS_AT_ONCE):
        for partition, offset, reasons, raw, symbol, agg_id in chunk:
            broken = broken_rules(raw)
            if broken is None:
                continue
            judged += 1
            told = tuple(reason for reason in reasons or () if reason != CONFLICT_RULE)
            where = f"partition {partition} offset {offset}"
            if broken != told:
                wrong.append(
                    f"{where} names {', '.join(told) or 'no rule'}, but its text breaks {', '.join(broken) or 'none'}"
                )
            message = message_of(raw)
            if message is not None and (message["symbol"], message["agg_id"]) != (symbol, agg_id):
                wrong.append(f"{where} is {symbol} agg_id {agg_id}, but its text is of another trade")
    return judged, wrong
