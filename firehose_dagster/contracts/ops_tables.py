"""The tables in which the system writes down what it did and what it found. Append-only; several may write."""

from firehose_dagster.contracts.columns import Column, Scalar
from firehose_dagster.contracts.key_columns import MINUTE, SYMBOL
from firehose_dagster.contracts.table import Partition, Table

OPS_AUDIT = Table(
    name="ops_audit",
    doc="A micro-batch or a maintenance run, with what went in and what came out.",
    columns=(
        Column("run_id", Scalar.STRING, "Run that did it: `<query id>/<batch id>` for a micro-batch.", required=True),
        Column("kind", Scalar.STRING, "micro_batch, or maintenance and table: `expiry:ops_audit`.", required=True),
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
        Column("detail", Scalar.STRING, "What a maintenance run did, JSON; null for a micro-batch."),
    ),
    partition=Partition("started_at", "day"),
)

OPS_DELIVERIES = Table(
    name="ops_deliveries",
    doc="An attempt to deliver a spike webhook, and its outcome.",
    columns=(
        Column("spike_id", Scalar.STRING, "The spike, and the webhook's id.", required=True),
        SYMBOL,
        MINUTE,
        Column("kind", Scalar.STRING, "price or volume.", required=True),
        Column("attempt", Scalar.INT, "Counts the rows of the spike, from 1.", required=True),
        Column(
            "outcome",
            Scalar.STRING,
            "delivered, failed, unknown, expired, dead, replay or acknowledged.",
            required=True,
        ),
        Column("http_status", Scalar.INT, "Status of the answer; null where none came."),
        Column("detail", Scalar.STRING, "What went wrong; null where nothing did."),
        Column("attempted_at", Scalar.TIMESTAMP, "When it was tried.", required=True),
        Column("duration_ms", Scalar.LONG, "How long the attempt took.", required=True),
        Column("run_id", Scalar.STRING, "Dagster run that tried.", required=True),
    ),
    partition=Partition("attempted_at", "day"),
)

OPS_COMPLETENESS = Table(
    name="ops_completeness",
    doc="What is held of one symbol in one hour, at one look that found something new; the newest row counts.",
    columns=(
        SYMBOL,
        Column("hour", Scalar.TIMESTAMP, "Start of the hour, UTC.", required=True),
        Column("first_agg_id", Scalar.LONG, "Lowest id held with a trade time in the hour; null where none is."),
        Column("last_agg_id", Scalar.LONG, "Highest id held with a trade time in the hour; null where none is."),
        Column(
            "expected",
            Scalar.LONG,
            "Ids from the one after the last held before the hour to last_agg_id.",
            required=True,
        ),
        Column("present", Scalar.LONG, "Distinct ids held in the hour.", required=True),
        Column("exchange_holes", Scalar.LONG, "Ids that the exchange itself does not have.", required=True),
        Column("missing", Scalar.LONG, "expected - present - exchange_holes.", required=True),
        Column(
            "missing_ranges",
            Scalar.STRING,
            "The first ranges of missing ids, JSON `[[first, last], ...]`, both included.",
            required=True,
        ),
        Column(
            "is_sealed",
            Scalar.BOOLEAN,
            "The hour is over, and nothing is missing in it nor between it and the trades before and after.",
            required=True,
        ),
        Column(
            "unsealed_reason",
            Scalar.STRING,
            "Why it is not sealed: start_unknown, open, missing, missing_at_end or end_unknown; null where it is.",
        ),
        Column(
            "seal_version",
            Scalar.INT,
            "0 until sealed; counts up each time the hour is sealed with other content, or again.",
            required=True,
        ),
        Column("silver_snapshot_id", Scalar.LONG, "Snapshot of silver that was looked at.", required=True),
        Column("checked_at", Scalar.TIMESTAMP, "When it was looked at.", required=True),
    ),
    partition=Partition("hour", "day"),
)

OPS_EXCHANGE_HOLES = Table(
    name="ops_exchange_holes",
    doc="Ids of one symbol that the exchange was asked for and does not have. May be told more than once.",
    columns=(
        SYMBOL,
        Column("first_agg_id", Scalar.LONG, "First id of the hole.", required=True),
        Column("last_agg_id", Scalar.LONG, "Last id of the hole.", required=True),
        Column("next_agg_id", Scalar.LONG, "The id that the exchange answered with in their place.", required=True),
        Column("confirmed_at", Scalar.TIMESTAMP, "When it answered so.", required=True),
    ),
    partition=Partition("confirmed_at", "day"),
)
