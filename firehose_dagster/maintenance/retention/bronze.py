"""Retention of bronze by age: an hour leaves once silver is proved, row by row, to hold it. Off unless asked for.

Of an hour that leaves, bronze keeps what silver does not hold as it came: rejected records and duplicates. So bronze
and silver together still tell of every record of the topic, and `firehose verify` goes on proving it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.retirement import (
    KEPT_ROWS,
    RETIRED_HOURS,
    from_text,
    hours_of,
    kept_from_text,
    kept_to_text,
    to_text,
)
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import make_view
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
    hold: Callable[[], AbstractContextManager[None]],
    *,
    now: datetime | None = None,
    quiet_after_seconds: float = QUIET_AFTER_SECONDS,
    on_step: Callable[[RetentionStep], None] = lambda _: None,
) -> Iterator[RetiredHour]:
    """Retire the hours that are older than `keep_days`, oldest first, one commit each; nothing for 0 days.

    An hour that was retired and got rows since, healed or backfilled, is retired again. A run that is killed has
    retired some hours and not the others: bronze's own property tells which, while no row of `ops_audit` does.

    `hold` is entered for each hour, from the proof to the commit: what silver was proved to hold must not leave it
    meanwhile. Raises what that raises, and ``CommitFailedException`` where writers were first at every attempt.
    """
    if keep_days == 0:
        return
    before = int(((now or datetime.now(UTC)) - timedelta(days=keep_days)).timestamp()) // _SECONDS_PER_HOUR
    bronze = catalog.load_table(BRONZE.identifier)
    retired = hours_of(from_text(bronze.properties.get(RETIRED_HOURS)))
    kept = kept_from_text(bronze.properties.get(KEPT_ROWS))
    rows_by_hour = sorted(_rows_by_hour(bronze).items())
    due = [hour for hour, rows in rows_by_hour if hour < before and (hour not in retired or rows != kept.get(hour, 0))]
    for hour in due[:HOURS_PER_RUN]:
        with hold():
            outcome = _retire(catalog, hour, quiet_after_seconds, on_step)
        yield outcome


def _retire(
    catalog: Catalog, hour: int, quiet_after_seconds: float, on_step: Callable[[RetentionStep], None]
) -> RetiredHour:
    for _ in range(_ATTEMPTS):
        bronze = load_behind_the_writer(lambda: catalog.load_table(BRONZE.identifier), quiet_after_seconds)
        proved = _prove(catalog, bronze, hour)
        rest = proved.rest
        outcome = RetiredHour(_instant(hour), proved.rows - rest.num_rows, rest.num_rows, proved.unexplained)
        if outcome.unexplained:
            logger.warning(
                "bronze hour stays hour=%s records_nowhere_else=%d", outcome.hour.isoformat(), outcome.unexplained
            )
            return RetiredHour(outcome.hour, 0, proved.rows, outcome.unexplained)
        retired = hours_of(from_text(bronze.properties.get(RETIRED_HOURS))) | {hour}
        kept = kept_from_text(bronze.properties.get(KEPT_ROWS)) | {hour: rest.num_rows}
        on_step(RetentionStep.PROVED)
        try:
            # pyiceberg refuses the commit where a file came into the hour meanwhile.
            with bronze.transaction() as transaction:
                transaction.overwrite(rest, overwrite_filter=_within(hour))
                transaction.set_properties({RETIRED_HOURS: to_text(retired), KEPT_ROWS: kept_to_text(kept)})
                on_step(RetentionStep.WRITTEN)
        except (CommitFailedException, ValidationException) as error:
            logger.info("bronze retention lost a race hour=%s error=%s", outcome.hour.isoformat(), error)
            continue
        on_step(RetentionStep.RETIRED)
        logger.info(
            "bronze hour retired hour=%s rows=%d kept=%d", outcome.hour.isoformat(), outcome.rows_retired, rest.num_rows
        )
        return outcome
    raise CommitFailedException(f"{BRONZE.identifier}: a writer was first {_ATTEMPTS} times; the next run goes on")


@dataclass(frozen=True, slots=True)
class _Proof:
    """Of one hour of bronze: its rows, what bronze must keep of them, and how many no table explains."""

    rows: int
    rest: pa.Table
    unexplained: int


def _prove(catalog: Catalog, bronze: IcebergTable, hour: int) -> _Proof:
    """Compare the hour with silver and quarantine as they are now. Only the rest is held in memory."""
    with bounded_duckdb("retention") as connection:
        _view(connection, "b_rows", bronze, _within(hour))
        _view(connection, "s_rows", catalog.load_table(SILVER.identifier), _within(hour))
        connection.execute(
            f"""
            CREATE TABLE rest AS
            SELECT b.* FROM b_rows b
            LEFT JOIN s_rows s ON s.kafka_partition = b.kafka_partition AND s.kafka_offset = b.kafka_offset
            WHERE b.raw IS NOT NULL OR s.kafka_offset IS NULL OR NOT ({_SAME_ROW})
            """  # noqa: S608 columns of the contract
        )
        ((rows, first_offset),) = connection.execute(
            "SELECT (SELECT count(*) FROM b_rows), (SELECT min(kafka_offset) FROM rest)"
        ).fetchall()
        # A record is rejected under its own offset. Without a rest nothing is asked of quarantine.
        later = at_least("kafka_offset", first_offset or 0)
        _view(connection, "q_rows", catalog.load_table(QUARANTINE.identifier), later)
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
        rest = connection.table("rest").to_arrow_table().cast(bronze.schema().as_arrow())
    return _Proof(int(rows), rest, int(unexplained))


def _view(connection: duckdb.DuckDBPyConnection, name: str, table: IcebergTable, files: BooleanExpression) -> None:
    snapshot = table.current_snapshot()
    make_view(connection, name, table, None if snapshot is None else snapshot.snapshot_id, files)


def _within(hour: int) -> BooleanExpression:
    return all_of(at_least("event_ts", _instant(hour).isoformat()), below("event_ts", _instant(hour + 1).isoformat()))


def _rows_by_hour(bronze: IcebergTable) -> dict[int, int]:
    """Rows of bronze by hour, from metadata; records without a time have no hour and always stay."""
    rows: Counter[int] = Counter()
    snapshot = bronze.current_snapshot()
    for manifest in () if snapshot is None else snapshot.manifests(bronze.io):
        for entry in manifest.fetch_manifest_entry(bronze.io, discard_deleted=True):
            hour = entry.data_file.partition[0]
            if hour is not None:
                rows[hour] += entry.data_file.record_count
    return dict(rows)


def _instant(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * _SECONDS_PER_HOUR, UTC)
