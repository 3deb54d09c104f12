"""Every table of the lake: its columns, what they mean, partitioning and order. Written here and nowhere else."""

from firehose_dagster.contracts.columns import (
    NOTIONAL,
    PRICE,
    QTY,
    RATIO,
    VOLUME,
    Column,
    Scalar,
)
from firehose_dagster.contracts.table import Partition, Table

_SYMBOL = Column("symbol", Scalar.STRING, "Trading pair as the exchange writes it, for example BTCUSDT.", required=True)
_AGG_ID = Column("agg_id", Scalar.LONG, "Aggregate trade id; counts up by one per symbol.", required=True)
_MINUTE = Column("minute", Scalar.TIMESTAMP, "Start of the minute, UTC.", required=True)

_KAFKA_COORDINATES = (
    Column("kafka_partition", Scalar.INT, "Partition of the Kafka record.", required=True),
    Column(
        "kafka_offset",
        Scalar.LONG,
        "Offset of the Kafka record; with the partition it names the record for ever.",
        required=True,
    ),
)

BRONZE = Table(
    name="crypto_bronze_aggtrade",
    doc="A Kafka record as received, parsed where it parses; the raw text where any rule of silver was broken.",
    columns=(
        Column("symbol", Scalar.STRING, "Trading pair as received."),
        Column("agg_id", Scalar.LONG, "Aggregate trade id."),
        Column("price", PRICE, "Price; null where the text does not fit the type."),
        Column("qty", QTY, "Quantity in base units; null where the text does not fit the type."),
        Column("first_trade_id", Scalar.LONG, "First single trade of the aggregate."),
        Column("last_trade_id", Scalar.LONG, "Last single trade of the aggregate."),
        Column("is_buyer_maker", Scalar.BOOLEAN, "Whether the buyer was the maker, that is, the taker sold."),
        Column("trade_time", Scalar.LONG, "Trade time as received, epoch microseconds."),
        Column(
            "event_time",
            Scalar.LONG,
            "When the exchange sent the frame, epoch microseconds; null for healed and archived rows.",
        ),
        Column("event_ts", Scalar.TIMESTAMP, "Trade time; null where it is no time between 2000 and 2100."),
        Column("dt_hour", Scalar.TIMESTAMP, "UTC hour of event_ts."),
        Column("received_at", Scalar.TIMESTAMP, "When the gateway received the trade."),
        Column("source", Scalar.STRING, "How the row came: ws, rest, archive or replay."),
        Column(
            "raw",
            Scalar.STRING,
            "The record's text, kept where a rule was broken; null for a valid row, whose columns say it all.",
        ),
        Column("kafka_topic", Scalar.STRING, "Topic of the Kafka record.", required=True),
        *_KAFKA_COORDINATES,
        Column("kafka_timestamp", Scalar.TIMESTAMP, "Broker's timestamp of the record.", required=True),
    ),
    partition=Partition("event_ts", "hour"),
    sort=("symbol", "event_ts", "agg_id"),
)

SILVER = Table(
    name="crypto_silver_trades",
    doc="A valid aggregate trade, each (symbol, agg_id) exactly once.",
    columns=(
        _SYMBOL,
        _AGG_ID,
        Column("price", PRICE, "Price in quote units.", required=True),
        Column("qty", QTY, "Quantity in base units.", required=True),
        Column("first_trade_id", Scalar.LONG, "First single trade of the aggregate.", required=True),
        Column("last_trade_id", Scalar.LONG, "Last single trade of the aggregate.", required=True),
        Column(
            "is_buyer_maker", Scalar.BOOLEAN, "Whether the buyer was the maker, that is, the taker sold.", required=True
        ),
        Column("event_ts", Scalar.TIMESTAMP, "When the trade happened, UTC microseconds.", required=True),
        Column("dt_hour", Scalar.TIMESTAMP, "UTC hour of event_ts.", required=True),
        Column("source", Scalar.STRING, "How the row came first: ws, rest, archive or replay.", required=True),
        Column("received_at", Scalar.TIMESTAMP, "When the gateway received the trade.", required=True),
        *_KAFKA_COORDINATES,
    ),
    partition=Partition("event_ts", "hour"),
    sort=("symbol", "event_ts", "agg_id"),
)

QUARANTINE = Table(
    name="crypto_quarantine",
    doc="A rejected row: its text, the rules it broke and its Kafka coordinates.",
    columns=(
        Column("symbol", Scalar.STRING, "Trading pair, where one could be read."),
        Column("agg_id", Scalar.LONG, "Aggregate trade id, where one could be read."),
        Column(
            "reasons", Scalar.STRING_LIST, "Names of the rules broken, in the order of the rule list.", required=True
        ),
        Column("raw", Scalar.STRING, "The record's text, as received."),
        Column("event_ts", Scalar.TIMESTAMP, "Trade time, where one could be read."),
        Column("received_at", Scalar.TIMESTAMP, "When the gateway received it, where that could be read."),
        Column("rejected_at", Scalar.TIMESTAMP, "When the micro-batch rejected it.", required=True),
        Column("kafka_topic", Scalar.STRING, "Topic of the Kafka record.", required=True),
        *_KAFKA_COORDINATES,
        Column("kafka_timestamp", Scalar.TIMESTAMP, "Broker's timestamp of the record.", required=True),
    ),
    partition=Partition("rejected_at", "day"),
)

GOLD = Table(
    name="crypto_gold_minute",
    doc="Features of one symbol in one minute with trades: a function of silver, but for how and when it was written.",
    columns=(
        _SYMBOL,
        _MINUTE,
        Column("open", PRICE, "Price of the minute's trade with the lowest agg_id.", required=True),
        Column("high", PRICE, "Highest price.", required=True),
        Column("low", PRICE, "Lowest price.", required=True),
        Column("close", PRICE, "Price of the minute's trade with the highest agg_id.", required=True),
        Column("vwap", PRICE, "quote_volume / volume, rounded half up to 8 places.", required=True),
        Column("volume", VOLUME, "Sum of qty.", required=True),
        Column("quote_volume", NOTIONAL, "Sum of price * qty, exact.", required=True),
        Column("trades", Scalar.LONG, "Number of aggregate trades.", required=True),
        Column("volume_5m", VOLUME, "Sum of volume over the 5 minutes ending with this one.", required=True),
        Column(
            "price_ma_30m",
            PRICE,
            "Mean of the closes of the minutes with trades among the 30 ending with this one, rounded half up.",
            required=True,
        ),
        Column(
            "return_1m",
            RATIO,
            "close / close of the last earlier minute with trades, at most 30 minutes back, - 1; null without one.",
        ),
        Column("is_price_spike", Scalar.BOOLEAN, "The price-spike rule holds.", required=True),
        Column("is_volume_spike", Scalar.BOOLEAN, "The volume-spike rule holds.", required=True),
        Column(
            "price_spike_score",
            RATIO,
            "Distance of high or low from the last close before / mean range of the reference minutes; null without.",
        ),
        Column("volume_spike_score", RATIO, "volume / mean volume of the reference minutes; null without history."),
        Column("first_agg_id", Scalar.LONG, "Lowest agg_id.", required=True),
        Column("last_agg_id", Scalar.LONG, "Highest agg_id.", required=True),
        Column(
            "is_complete",
            Scalar.BOOLEAN,
            "No id is missing from the end of the symbol's last earlier minute with trades to the end of this one; "
            "false for a symbol's first minute, of which no start is known.",
            required=True,
        ),
        Column(
            "is_final",
            Scalar.BOOLEAN,
            "The minute ended at or before the watermark; a later change bumps revision.",
            required=True,
        ),
        Column("revision", Scalar.INT, "How often the row changed after it was final.", required=True),
        Column(
            "silver_snapshot_id", Scalar.LONG, "Snapshot of silver from which the row was last computed.", required=True
        ),
        Column("updated_at", Scalar.TIMESTAMP, "When the row was last written with other content.", required=True),
    ),
    partition=Partition("minute", "hour"),
    sort=("symbol", "minute"),
)

GOLD_BASE_COLUMNS: tuple[str, ...] = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "first_agg_id",
    "last_agg_id",
)
"""What one minute's trades alone determine; the other features look at neighbouring minutes."""

GOLD_PROVENANCE_COLUMNS: tuple[str, ...] = ("revision", "silver_snapshot_id", "updated_at")
"""When and from what a row was written: not content."""

SPIKES = Table(
    name="crypto_spikes",
    doc="A spike: one event per (symbol, minute, kind), never retracted.",
    columns=(
        Column(
            "spike_id",
            Scalar.STRING,
            "Deterministic id of (symbol, minute, kind): the webhook's idempotency key.",
            required=True,
        ),
        _SYMBOL,
        _MINUTE,
        Column("kind", Scalar.STRING, "price or volume.", required=True),
        Column("score", RATIO, "The score when the rule was first seen to hold.", required=True),
        Column("price", PRICE, "Close of the minute so far.", required=True),
        Column("vwap", PRICE, "VWAP of the minute so far.", required=True),
        Column("volume", VOLUME, "Volume of the minute so far.", required=True),
        Column("return_1m", RATIO, "Return of the minute so far; null without an earlier minute."),
        Column("is_complete", Scalar.BOOLEAN, "Whether the minute so far was known to be complete.", required=True),
        Column("received_at", Scalar.TIMESTAMP, "When the newest trade behind it was received.", required=True),
        Column("detected_at", Scalar.TIMESTAMP, "When the rule was first seen to hold.", required=True),
        Column("silver_snapshot_id", Scalar.LONG, "Snapshot of silver in which it held.", required=True),
    ),
    partition=Partition("minute", "day"),
)

OPS_AUDIT = Table(
    name="ops_audit",
    doc="A micro-batch or a maintenance run, with what went in and what came out.",
    columns=(
        Column("run_id", Scalar.STRING, "Run that did it: `<query id>/<batch id>` for a micro-batch.", required=True),
        Column("kind", Scalar.STRING, "micro_batch, or the name of the maintenance.", required=True),
        Column("query_id", Scalar.STRING, "Streaming query."),
        Column("batch_id", Scalar.LONG, "Batch of the query."),
        Column("started_at", Scalar.TIMESTAMP, "Start.", required=True),
        Column("finished_at", Scalar.TIMESTAMP, "End.", required=True),
        Column("rows_in", Scalar.LONG, "Kafka records read.", required=True),
        Column("rows_out", Scalar.LONG, "Rows inserted into silver.", required=True),
        Column("dq_pass", Scalar.LONG, "Rows that broke no rule.", required=True),
        Column("dq_fail", Scalar.LONG, "Rows quarantined.", required=True),
        Column(
            "dq_fail_by_rule",
            Scalar.LONG_BY_STRING,
            "Rows that broke each rule; a row may break several.",
            required=True,
        ),
        Column("duplicates", Scalar.LONG, "Exact duplicates of a row already held.", required=True),
        Column(
            "conflicts", Scalar.LONG, "Rows quarantined because their id is held with other content.", required=True
        ),
        Column("late_rows", Scalar.LONG, "Rows inserted though older than the watermark.", required=True),
        Column("gold_minutes", Scalar.LONG, "Gold rows whose content changed.", required=True),
        Column("spikes", Scalar.LONG, "Spike events appended.", required=True),
        Column(
            "max_lag_ms",
            Scalar.LONG,
            "Largest time from a row's receipt to its commit in silver; null where nothing was inserted.",
        ),
        Column("watermark", Scalar.TIMESTAMP, "Highest event_ts held minus the lateness allowed."),
        Column("offsets_start", Scalar.STRING, "First offset read of each partition, JSON."),
        Column("offsets_end", Scalar.STRING, "Offset after the last one read of each partition, JSON."),
        Column("bronze_snapshot_id", Scalar.LONG, "Bronze after the batch."),
        Column("silver_snapshot_id", Scalar.LONG, "Silver after the batch."),
        Column("gold_snapshot_id", Scalar.LONG, "Gold after the batch."),
    ),
    partition=Partition("started_at", "day"),
)

OPS_DELIVERIES = Table(
    name="ops_deliveries",
    doc="An attempt to deliver a spike webhook, and its outcome.",
    columns=(
        Column("spike_id", Scalar.STRING, "The spike, and the webhook's id.", required=True),
        _SYMBOL,
        _MINUTE,
        Column("kind", Scalar.STRING, "price or volume.", required=True),
        Column("attempt", Scalar.INT, "Counts the rows of the spike, from 1.", required=True),
        Column("outcome", Scalar.STRING, "delivered, failed, unknown, expired, dead or replay.", required=True),
        Column("http_status", Scalar.INT, "Status of the answer; null where none came."),
        Column("detail", Scalar.STRING, "What went wrong; null where nothing did."),
        Column("attempted_at", Scalar.TIMESTAMP, "When it was tried.", required=True),
        Column("duration_ms", Scalar.LONG, "How long the attempt took.", required=True),
        Column("run_id", Scalar.STRING, "Dagster run that tried.", required=True),
    ),
    partition=Partition("attempted_at", "day"),
)

TABLES: tuple[Table, ...] = (BRONZE, SILVER, QUARANTINE, GOLD, SPIKES, OPS_AUDIT, OPS_DELIVERIES)
