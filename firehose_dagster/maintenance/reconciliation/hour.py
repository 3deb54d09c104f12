"""One hour of bronze against silver and quarantine: what is in neither, as SQL over three relations.

`b`, `s` and `q` are bronze, silver and quarantine of the hour, in a connection of DuckDB; `told` the records that
`ops_audit` already tells as lost. A record is explained where silver or quarantine holds it by its coordinates, where
silver holds its trade, or where a record that says the same was rejected. Coordinates are compared first, for the rest
is small then.
"""

from collections.abc import Iterator

import duckdb

from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.lake.trade_messages import COLUMNS, trade_message

BRONZE_COLUMNS = (
    *("symbol", "agg_id", "price", "qty", "first_trade_id", "last_trade_id", "is_buyer_maker", "trade_time"),
    *("event_time", "event_ts", "raw", "kafka_partition", "kafka_offset", "kafka_timestamp"),
)
SILVER_COLUMNS = (
    *("symbol", "agg_id", "price", "qty", "first_trade_id", "last_trade_id", "is_buyer_maker", "event_ts"),
    *("kafka_partition", "kafka_offset"),
)
QUARANTINE_COLUMNS = ("kafka_partition", "kafka_offset", "kafka_timestamp", "raw")

_ROWS_AT_ONCE = 10_000
_CONTENT = "row(price, qty, first_trade_id, last_trade_id, is_buyer_maker, trade_time // 1000)"
_SILVER_CONTENT = "row(price, qty, first_trade_id, last_trade_id, is_buyer_maker, epoch_us(event_ts) // 1000)"
"""What makes two records of one id the same trade: the rule of the stream."""

_JUDGED = """
CREATE OR REPLACE TABLE judged AS
SELECT b.*, EXISTS (
    SELECT 1 FROM q WHERE q.kafka_partition = b.kafka_partition AND q.kafka_offset = b.kafka_offset
) AS is_rejected
FROM b SEMI JOIN rest ON rest.kafka_partition = b.kafka_partition AND rest.kafka_offset = b.kafka_offset
"""
_TRADES = f"""
CREATE OR REPLACE TABLE trades AS
WITH keys AS (
    SELECT DISTINCT symbol, agg_id FROM judged WHERE raw IS NULL
), held AS (
    SELECT s.symbol, s.agg_id, kafka_partition, kafka_offset, {_SILVER_CONTENT} AS content
    FROM s SEMI JOIN keys ON keys.symbol = s.symbol AND keys.agg_id = s.agg_id
), candidates AS (
    -- What silver took from a record that left bronze, by age or by loss, was there before what bronze holds of it.
    SELECT b.symbol, b.agg_id, b.kafka_partition, b.kafka_offset, {_CONTENT} AS content, b.kafka_timestamp,
        true AS is_in_bronze, EXISTS (
            SELECT 1 FROM held h WHERE h.kafka_partition = b.kafka_partition AND h.kafka_offset = b.kafka_offset
        ) AS is_of_silver
    FROM processed b SEMI JOIN keys ON keys.symbol = b.symbol AND keys.agg_id = b.agg_id WHERE raw IS NULL
    UNION ALL
    SELECT h.*, NULL, false, true
    FROM held h ANTI JOIN b ON b.kafka_partition = h.kafka_partition AND b.kafka_offset = h.kafka_offset
), firsts AS (
    -- Of one partition by offset; of several, where the topic got more of them, by their times.
    SELECT * FROM (
        SELECT * FROM candidates
        QUALIFY row_number() OVER (PARTITION BY symbol, agg_id, kafka_partition ORDER BY is_in_bronze, kafka_offset) = 1
    ) QUALIFY row_number() OVER (
        PARTITION BY symbol, agg_id ORDER BY is_in_bronze, kafka_timestamp, NOT is_of_silver, kafka_partition
    ) = 1
), told_apart AS (
    SELECT *, {_CONTENT} AS content FROM judged WHERE raw IS NULL
)
SELECT t.*,
    f.kafka_partition = t.kafka_partition AND f.kafka_offset = t.kafka_offset AS is_first,
    f.content = t.content AS says_what_the_first_says,
    EXISTS (
        SELECT 1 FROM held h WHERE h.symbol = t.symbol AND h.agg_id = t.agg_id AND h.content = t.content
    ) AS is_held,
    bool_or(is_rejected) OVER same AS was_rejected,
    row_number() OVER (same ORDER BY t.kafka_partition, t.kafka_offset) AS place
FROM told_apart t JOIN firsts f ON f.symbol = t.symbol AND f.agg_id = t.agg_id
WINDOW same AS (PARTITION BY t.symbol, t.agg_id, t.content)
"""  # noqa: S608 constants
_TEXTS = """
CREATE OR REPLACE TABLE texts AS
SELECT b.*, EXISTS (
    SELECT 1 FROM q WHERE q.raw = b.raw AND q.kafka_timestamp >= b.kafka_timestamp
) AS is_back
FROM judged b WHERE raw IS NOT NULL AND NOT is_rejected
"""
_FINDINGS = """
CREATE OR REPLACE TABLE missing AS
SELECT * FROM trades WHERE place = 1 AND NOT is_held AND NOT was_rejected;

CREATE OR REPLACE TABLE unrejected AS
SELECT raw, any_value(symbol) AS symbol, min(kafka_offset) AS kafka_offset FROM texts WHERE NOT is_back GROUP BY raw;

CREATE OR REPLACE TABLE displaced AS
SELECT * FROM (
    -- The first record of an id is the one that silver took; one that says something else was rejected.
    SELECT kafka_partition, kafka_offset, is_first AS is_of_silver FROM trades
    WHERE NOT is_rejected AND (is_first OR NOT says_what_the_first_says)
    UNION ALL
    SELECT kafka_partition, kafka_offset, false FROM texts
) d
WHERE NOT EXISTS (
    SELECT 1 FROM told t
    WHERE t.partition = d.kafka_partition AND d.kafka_offset >= t.first AND d.kafka_offset < t.end_offset
);
"""


def find_rest(connection: duckdb.DuckDBPyConnection, span: str) -> int | None:
    """Make `processed`, the records of `b` within `span`, and `rest`: those that silver does not hold by coordinates.

    Returns the broker's time of the oldest of the rest, epoch microseconds; None where there is none. Only coordinates
    and that time are read.
    """
    connection.execute(f"CREATE OR REPLACE VIEW processed AS SELECT * FROM b WHERE {span}")  # noqa: S608 ours
    connection.execute(
        """
        CREATE OR REPLACE TABLE rest AS
        SELECT kafka_partition, kafka_offset, kafka_timestamp FROM processed b
        ANTI JOIN s ON s.kafka_partition = b.kafka_partition AND s.kafka_offset = b.kafka_offset
        """
    )
    ((oldest,),) = connection.execute("SELECT min(epoch_us(kafka_timestamp)) FROM rest").fetchall()
    return None if oldest is None else int(oldest)


def judge_rest(connection: duckdb.DuckDBPyConnection) -> None:
    """Make, from `rest`, the tables `missing` (trades to publish), `unrejected` (texts to publish) and `displaced`.

    `displaced` are records that the audit counts as taken into silver or quarantine and that are not there, whether
    what they say is back or not. Those that are `told` are left out.
    """
    for statement in (_JUDGED, _TRADES, _TEXTS, _FINDINGS):
        connection.execute(statement)


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of one of the tables made here."""
    return _number(connection, f"SELECT count(*) FROM {table}")  # noqa: S608 constants


def displaced_ranges(connection: duckdb.DuckDBPyConnection) -> list[OffsetRange]:
    """The displaced records, as the fewest ranges of offsets."""
    found = connection.execute(
        """
        SELECT kafka_partition, min(kafka_offset), max(kafka_offset) + 1 FROM (
            SELECT *, kafka_offset - row_number() OVER (PARTITION BY kafka_partition ORDER BY kafka_offset) AS run
            FROM displaced
        ) GROUP BY kafka_partition, run ORDER BY 1, 2
        """
    ).fetchall()
    return [OffsetRange(*each) for each in found]


def displaced_of(connection: duckdb.DuckDBPyConnection, *, silver: bool) -> int:
    """How many of the displaced records silver lost, or quarantine."""
    return _number(connection, f"SELECT count(*) FROM displaced WHERE is_of_silver = {silver}")  # noqa: S608 a boolean


def missing_trades(connection: duckdb.DuckDBPyConnection, received_at_us: int) -> Iterator[list[AggTradeMessage]]:
    """The trades of `missing` as messages to publish, in the order of their ids, some thousand at a time.

    While it is being read, the connection can answer nothing else.
    """
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM missing ORDER BY symbol, agg_id, kafka_offset"  # noqa: S608 constants
    )
    while chunk := rows.fetchmany(_ROWS_AT_ONCE):
        yield [trade_message(row, received_at_us, "replay") for row in chunk]


def unrejected_texts(connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[str | None, str]]]:
    """Symbol, where one could be read, and text of the records of `unrejected`, some thousand at a time."""
    rows = connection.execute("SELECT symbol, raw FROM unrejected ORDER BY kafka_offset")
    while chunk := rows.fetchmany(_ROWS_AT_ONCE):
        yield chunk


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    ((value,),) = connection.execute(sql).fetchall()
    return int(value)
