"""One day of the archive into the topic: what the lake does not hold of it yet, in the order of the ids."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import duckdb
from pyiceberg.catalog import Catalog

from firehose_dagster.archive.archive_files import ArchiveSource
from firehose_dagster.archive.day_outcome import DayOutcome, day_outcome
from firehose_dagster.archive.day_table import day_table
from firehose_dagster.archive.held_day import view_held_day
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.errors import ExplainedError
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.lake.exchange_holes import AbsentIds, ExchangeHole, append_holes, read_holes
from firehose_dagster.lake.trade_messages import COLUMNS, trade_message

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 10_000


class PublishIncompleteError(ExplainedError):
    """Kafka did not confirm all rows; it may have more than it confirmed."""


OnProgress = Callable[[int, int], None]
"""Called with the rows published so far and the rows to publish."""


def backfill_day(
    catalog: Catalog,
    source: ArchiveSource,
    day: ArchiveDay,
    publisher: ConfirmedPublisher,
    *,
    again: bool = False,
    stop: threading.Event | None = None,
    on_progress: OnProgress = lambda published, total: None,
) -> DayOutcome:
    """Publish the day's trades that silver does not hold, or with `again` all of them; confirmed by Kafka on return.

    The file is read to its end first: nothing is published of one that is damaged. To run it again is safe at any
    time: rows that were published and are not in silver yet come twice, and silver counts them as duplicates. Ids that
    the file marks as no trade are recorded as exchange holes. Raises what the source and the file raise, and
    PublishIncompleteError.
    """
    with source.file_of(day) as file, day_table(day, file) as connection:
        view_held_day(connection, catalog, day)
        connection.execute("CREATE TEMP TABLE held AS SELECT DISTINCT agg_id FROM silver")
        published = _publish(connection, day, publisher, again, stop or threading.Event(), on_progress)
        outcome = day_outcome(connection, day, file, *published)
        if outcome.sentinels and outcome.is_whole:
            append_holes(catalog, _new_holes(connection, catalog, day))
    logger.info(
        "event=day_backfilled symbol=%s day=%s rows=%d ids=%d held=%d published=%d sentinels=%d differing=%d whole=%s",
        *(day.symbol, day.day, outcome.rows, outcome.ids, outcome.held_ids, outcome.published),
        *(outcome.sentinels, len(outcome.differing_ids), outcome.is_whole),
    )
    return outcome


def _publish(
    connection: duckdb.DuckDBPyConnection,
    day: ArchiveDay,
    publisher: ConfirmedPublisher,
    again: bool,
    stop: threading.Event,
    on_progress: OnProgress,
) -> tuple[int, bool]:
    """How many rows were published, and whether that is all."""
    wanted = "trades" if again else "trades ANTI JOIN held USING (agg_id)"
    ((total,),) = connection.execute(f"SELECT count(*) FROM {wanted}").fetchall()  # noqa: S608 constants
    published = 0
    # Sorted first: while a result is being read, the connection can answer nothing else.
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM (SELECT *, ? AS symbol, NULL AS event_time FROM {wanted}) ORDER BY agg_id, line",  # noqa: S608 constants
        [day.symbol],
    )
    on_progress(0, total)
    while chunk := rows.fetchmany(_ROWS_AT_ONCE):
        if stop.is_set():
            return published, False
        received_at_us = time.time_ns() // 1_000
        confirmed = publisher.publish([trade_message(row, received_at_us, "archive") for row in chunk])
        published += len(confirmed)
        if len(confirmed) < len(chunk) and not stop.is_set():
            raise PublishIncompleteError(
                f"{day.symbol} {day.day}: Kafka confirmed {published} of {total} rows, then: {publisher.last_error}; "
                "run it again, what the lake holds by then is not published twice"
            )
        on_progress(published, total)
    return published, True


def _new_holes(connection: duckdb.DuckDBPyConnection, catalog: Catalog, day: ArchiveDay) -> list[ExchangeHole]:
    """The runs of sentinel ids that are no holes yet, and of which silver holds none."""
    runs = connection.execute(
        """
        SELECT min(agg_id), max(agg_id) FROM (
            SELECT agg_id, agg_id - row_number() OVER (ORDER BY agg_id) AS run
            FROM sentinels ANTI JOIN held USING (agg_id)
        ) GROUP BY run ORDER BY 1
        """
    ).fetchall()
    known = AbsentIds((hole.symbol, hole.ids) for hole in read_holes(catalog.load_table(OPS_EXCHANGE_HOLES.identifier)))
    now = datetime.now(UTC)
    return [
        ExchangeHole(day.symbol, first, last, last + 1, now)
        for first, last in runs
        if known.count(day.symbol, first, last) < last - first + 1
    ]
