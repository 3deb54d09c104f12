"""Silver or gold made anew from the layer below: the old rows leave in one commit, which earlier snapshots survive.

A crash at any moment leaves a lake that the next start of the stream completes: an empty silver says by its stamp that
it holds nothing, an empty gold that it was computed from nothing.
"""

import logging
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.layers import Layer
from firehose_dagster.contracts.position import AUDIT, OFFSETS, REBUILD, SILVER_SNAPSHOT, WATERMARK, Position
from firehose_dagster.contracts.retirement import RETIRED_HOURS, from_text, hours_of
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.retirement_lock import bronze_and_silver_held
from firehose_dagster.lake.single_writer import link_stamps, require_linked
from firehose_dagster.lake.snapshots import held_position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import NO_ROWS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


class BronzeRetiredError(ExplainedError):
    """Silver cannot be made anew from bronze, which no longer holds all of its rows."""


def refuse_if_written_by_others(catalog: Catalog) -> None:
    """Raises OtherWriterError where bronze or quarantine hold what another writer brought: rolled back first, they are
    what silver is made from."""
    for table in (BRONZE, QUARANTINE):
        require_linked(table, link_stamps(catalog.load_table(table.identifier)))


def refuse_if_retired(catalog: Catalog) -> None:
    """Raises BronzeRetiredError where rows have left bronze by age: silver is then the only table that holds them."""
    retired = hours_of(from_text(catalog.load_table(BRONZE.identifier).properties.get(RETIRED_HOURS)))
    if retired:
        raise BronzeRetiredError(
            f"{len(retired)} hours have left {BRONZE.name} by FIREHOSE_BRONZE_KEEP_DAYS, silver alone holds their "
            "rows: it is not emptied. Gold can be rebuilt; a faulty silver is rolled back to an earlier snapshot"
        )


def empty_for_rebuild(spark: "SparkSession", catalog: Catalog, settings: Settings, layer: Layer) -> None:
    """Empty gold, and silver where that is asked for. For the holder of the lease.

    Quarantine and spikes stay: a rule judges as it did, and an event is never retracted. Raises BronzeRetiredError,
    ``OtherWriterError`` where bronze or quarantine are another writer's too, and ``RetirementLockedError`` where
    retention of bronze is at work: then nothing was emptied.
    """
    if layer == "gold":
        _empty_gold(spark, settings)
        logger.info("gold emptied for a rebuild")
        return
    # Before there is a wait: it would be in vain.
    refuse_if_retired(catalog)
    refuse_if_written_by_others(catalog)
    with bronze_and_silver_held(settings):
        refuse_if_retired(catalog)
        _empty_gold(spark, settings)
        _empty_silver(spark, catalog, settings)


def _empty_gold(spark: "SparkSession", settings: Settings) -> None:
    gold = DriverTable(spark, GOLD, settings)
    if gold.snapshot_id() is not None:
        gold.empty({SILVER_SNAPSHOT: ""})


def _empty_silver(spark: "SparkSession", catalog: Catalog, settings: Settings) -> None:
    silver = DriverTable(spark, SILVER, settings)
    if silver.snapshot_id() is None:
        return
    held = held_position(catalog.load_table(SILVER.identifier)) or Position(settings.topic, {})
    now = datetime.now(UTC)
    marker = replace(NO_ROWS, run_id=f"rebuild/{uuid.uuid4()}", kind=REBUILD, started_at=now, finished_at=now)
    silver.empty({OFFSETS: Position(held.topic, {}).to_json(), WATERMARK: "", AUDIT: marker.to_json()})
    logger.info("silver and gold emptied for a rebuild run_id=%s", marker.run_id)
