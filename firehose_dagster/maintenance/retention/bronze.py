"""Retention of bronze by age: an hour leaves once silver is proved, row by row, to hold it. Off unless asked for.

Of an hour that leaves, bronze keeps what silver does not hold as it came: rejected records and duplicates. So bronze
and silver together still tell of every record of the topic, and `firehose verify` goes on proving it.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.retirement import RETIRED_HOURS, from_text, hours_of, to_text
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.lake.row_filters import all_of, at_least, below
from firehose_dagster.maintenance.pause import QUIET_AFTER_SECONDS, load_behind_the_writer

logger = logging.getLogger(__name__)

HOURS_PER_RUN = 7 * 24
"""A first run over years of bronze is spread over days, and over the pool."""
_ATTEMPTS = 5
_SECONDS_PER_HOUR = 3_600
_SAME_ROW = " AND ".join(
    f's."{column.name}" IS NOT DISTINCT FROM b."{column.name}"'
    for column in SILVER.columns
    if column.name not in ("kafka_partition", "kafka_offset")
)
_SAME_TRADE = """
    s.price = b.price AND s.qty = b.qty AND s.first_trade_id = b.first_trade_id AND s.last_trade_id = b.last_trade_id
    AND s.is_buyer_maker = b.is_buyer_maker AND epoch_ms(s.event_ts) = b.trade_time // 1000
"""
"""What makes a record an exact duplicate of the silver row of its id."""


class RetentionStep(StrEnum):
    """The moments at which a run may be killed, in their order and once an hour; a test kills at each."""

    PROVED = "proved"
    """What must stay of the hour is known; nothing was written."""
    WRITTEN = "written"
    """The hour's new files lie there, and no snapshot names them."""
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class RetiredHour:
    """What became of one hour. `unexplained` records are in no other table: then the hour stays, whole."""

    hour: datetime
    rows_retired: int
    rows_kept: int
    unexplained: int


def retire_bronze(
    catalog: Catalog,
    keep_days: int,
    *,
    now: datetime | None = None,
    quiet_after_seconds: float = QUIET_AFTER_SECONDS,
    on_step: Callable[[RetentionStep], None] = lambda _: None,
) -> Iterator[RetiredHour]:
    """Retire the hours that are older than `keep_days`, oldest first, one commit each; nothing for 0 days.

    A run that is killed has retired some hours and not the others. Raises ``CommitFailedException`` where writers were
    first at every attempt.
    """
    if keep_days == 0:
        return
    before = int(((now or datetime.now(UTC)) - timedelta(days=keep_days)).timestamp()) // _SECONDS_PER_HOUR
    bronze = catalog.load_table(BRONZE.identifier)
    retired = hours_of(from_text(bronze.properties.get(RETIRED_HOURS)))
    due = [hour for hour in _hours(bronze) if hour < before and hour not in retired]
    for hour in due[:HOURS_PER_RUN]:
        yield _retire(catalog, hour, quiet_after_seconds, on_step)


def _retire(
    catalog: Catalog, hour: int, quiet_after_seconds: float, on_step: Callable[[RetentionStep], None]
) -> RetiredHour:
    for _ in range(_ATTEMPTS):
        bronze = load_behind_the_writer(lambda: catalog.load_table(BRONZE.identifier), quiet_after_seconds)
        rows = _read(bronze, hour)
        rest, unexplained = _rest(catalog, rows, hour)
        outcome = RetiredHour(_instant(hour), rows.num_rows - rest.num_rows, rest.num_rows, unexplained)
        if unexplained:
            logger.warning("bronze hour stays hour=%s records_nowhere_else=%d", outcome.hour.isoformat(), unexplained)
            return RetiredHour(outcome.hour, 0, rows.num_rows, unexplained)
        retired = hours_of(from_text(bronze.properties.get(RETIRED_HOURS))) | {hour}
        on_step(RetentionStep.PROVED)
        try:
            # pyiceberg refuses the commit where a row came into the hour meanwhile.
            with bronze.transaction() as transaction:
                transaction.overwrite(rest, overwrite_filter=_within(hour))
                transaction.set_properties({RETIRED_HOURS: to_text(retired)})
                on_step(RetentionStep.WRITTEN)
        except CommitFailedException as error:
            logger.info("bronze retention lost a race hour=%s error=%s", outcome.hour.isoformat(), error)
            continue
        on_step(RetentionStep.RETIRED)
        logger.info(
            "bronze hour retired hour=%s rows=%d kept=%d", outcome.hour.isoformat(), outcome.rows_retired, rest.num_rows
        )
        return outcome
    raise CommitFailedException(f"{BRONZE.identifier}: a writer was first {_ATTEMPTS} times; the next run goes on")


def _rest(catalog: Catalog, rows: pa.Table, hour: int) -> tuple[pa.Table, int]:
    """What bronze must keep of the hour, and how many records of it are explained by no table."""
    silver = _read(catalog.load_table(SILVER.identifier), hour)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("b_rows", rows)
        connection.register("s_rows", silver)
        rest: pa.Table = connection.sql(
            f"""
            SELECT b.* FROM b_rows b
            LEFT JOIN s_rows s ON s.kafka_partition = b.kafka_partition AND s.kafka_offset = b.kafka_offset
            WHERE b.raw IS NOT NULL OR s.kafka_offset IS NULL OR NOT ({_SAME_ROW})
            """  # noqa: S608 columns of the contract
        ).to_arrow_table()
        connection.register("rest", rest)
        connection.register("q_rows", _quarantined(catalog, rest))
        # A duplicate has its first record's trade time, to the millisecond: they are of one hour.
        ((unexplained,),) = connection.execute(
            f"""
            SELECT count(*) FROM rest b
            WHERE NOT EXISTS (
                SELECT 1 FROM q_rows q WHERE q.kafka_partition = b.kafka_partition AND q.kafka_offset = b.kafka_offset
            ) AND NOT EXISTS (
                SELECT 1 FROM s_rows s WHERE s.symbol = b.symbol AND s.agg_id = b.agg_id AND {_SAME_TRADE}
            )
            """  # noqa: S608 columns of the contract
        ).fetchall()
    return rest.cast(rows.schema), int(unexplained)


def _quarantined(catalog: Catalog, rest: pa.Table) -> pa.Table:
    """Coordinates of the rejected records from the first of these offsets on."""
    table = catalog.load_table(QUARANTINE.identifier)
    fields = ("kafka_partition", "kafka_offset")
    if rest.num_rows == 0:
        return table.scan(selected_fields=fields, limit=0).to_arrow()
    first = min(rest.column("kafka_offset").to_pylist())
    return table.scan(row_filter=at_least("kafka_offset", first), selected_fields=fields).to_arrow()


def _read(table: IcebergTable, hour: int) -> pa.Table:
    return table.scan(row_filter=_within(hour)).to_arrow()


def _within(hour: int) -> BooleanExpression:
    return all_of(at_least("event_ts", _instant(hour).isoformat()), below("event_ts", _instant(hour + 1).isoformat()))


def _hours(bronze: IcebergTable) -> list[int]:
    """Hours of which bronze has files, oldest first; records without a time have none and always stay."""
    snapshot = bronze.current_snapshot()
    if snapshot is None:
        return []
    found = {
        entry.data_file.partition[0]
        for manifest in snapshot.manifests(bronze.io)
        for entry in manifest.fetch_manifest_entry(bronze.io, discard_deleted=True)
    }
    return sorted(hour for hour in found if hour is not None)


def _instant(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * _SECONDS_PER_HOUR, UTC)
