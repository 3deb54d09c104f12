"""A lake with many silver rows and the gold minutes over them: made by DuckDB, written by pyiceberg; no JVM."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 26
"""More than a day, so that a day is a range within the lake."""

# Trades lie evenly over the hours; prices and quantities are arithmetic on the id, so every run is the same.
_TRADES = """
SELECT
    'S' || lpad((id % $symbols)::VARCHAR, 4, '0') || 'USDT' AS symbol,
    id // $symbols AS agg_id,
    (100 + (id * 7919 % 1000)::DECIMAL(18, 8) / 1000)::DECIMAL(18, 8) AS price,
    (1 + (id * 104729 % 500)::DECIMAL(19, 8) / 100)::DECIMAL(19, 8) AS qty,
    id AS first_trade_id, id AS last_trade_id, id % 2 = 0 AS is_buyer_maker,
    $hour_start::TIMESTAMPTZ + to_microseconds((id - $first) * 3600000000 // ($last - $first)) AS event_ts,
    $hour_start::TIMESTAMPTZ AS dt_hour, 'ws' AS source, event_ts AS received_at,
    0::INTEGER AS kafka_partition, id AS kafka_offset
FROM range($first, $last) AS ids(id)
ORDER BY symbol, event_ts, agg_id"""

_MINUTES = """
SELECT
    symbol, time_bucket(INTERVAL 1 MINUTE, event_ts) AS minute,
    arg_min(price, agg_id) AS open, max(price) AS high, min(price) AS low, arg_max(price, agg_id) AS close,
    (sum(price * qty) / sum(qty))::DECIMAL(18, 8) AS vwap, sum(qty)::DECIMAL(38, 8) AS volume,
    sum(price * qty)::DECIMAL(38, 16) AS quote_volume, count(*) AS trades, sum(qty)::DECIMAL(38, 8) AS volume_5m,
    avg(price)::DECIMAL(18, 8) AS price_ma_30m, NULL::DECIMAL(38, 8) AS return_1m,
    false AS is_price_spike, false AS is_volume_spike, NULL::DECIMAL(38, 8) AS price_spike_score,
    NULL::DECIMAL(38, 8) AS volume_spike_score, min(agg_id) AS first_agg_id, max(agg_id) AS last_agg_id,
    true AS is_complete, true AS is_final, 0::INTEGER AS revision, 1::BIGINT AS silver_snapshot_id,
    max(event_ts) AS updated_at
FROM trades GROUP BY symbol, minute ORDER BY symbol, minute"""


def write_large_lake(settings: Settings, rows: int, symbols: int) -> list[str]:
    """Silver of `rows` trades over `HOURS` hours, and its gold: a file an hour each, as compaction leaves them.

    Returns the paths of gold's files.
    """
    catalog = open_catalog(settings)
    create_tables(catalog)
    silver, gold = (catalog.load_table(contract.identifier) for contract in (SILVER, GOLD))
    with duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": "false"}) as connection:
        for hour in range(HOURS):
            parameters = {
                "first": rows * hour // HOURS,
                "last": rows * (hour + 1) // HOURS,
                "hour_start": START + timedelta(hours=hour),
                "symbols": symbols,
            }
            trades: pa.Table = connection.execute(_TRADES, parameters).to_arrow_table()
            connection.register("trades", trades)
            minutes: pa.Table = connection.execute(_MINUTES).to_arrow_table()
            connection.unregister("trades")
            for table, made in ((silver, trades), (gold, minutes)):
                schema = table.schema().as_arrow()
                table.append(made.select(schema.names).cast(schema))
    return [urlsplit(task.file.file_path).path for task in gold.scan().plan_files()]
