"""The tables of trades and what is made of them: columns, what they mean, partitioning, order."""

from firehose_dagster.contracts.columns import (
    NOTIONAL,
    PRICE,
    QTY,
    RATIO,
    VOLUME,
    Column,
    Scalar,
)
from firehose_dagster.contracts.key_columns import AGG_ID, MINUTE, SYMBOL
from firehose_dagster.contracts.table import Partition, Table

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
        SYMBOL,
        AGG_ID,
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
        SYMBOL,
        MINUTE,
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
            "No id is missing from the end of the symbol's last earlier minute with trades to the end of this one, but "
            "for exchange holes; false for a symbol's first minute, of which no start is known.",
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
        SYMBOL,
        MINUTE,
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
