"""Waits for a stream that runs elsewhere to pass the topic's end as it is now."""

import logging
import threading

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import held_position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.topic_offsets import wait_for_topic

logger = logging.getLogger(__name__)

_ASK_EVERY_SECONDS = 1.0


class StreamGoneError(RuntimeError):
    """The stream that was waited for ended before it had passed."""


def wait_until_passed(settings: Settings, stop: threading.Event) -> Position:
    """Wait until silver holds everything that is in the topic now; returns how far it then is.

    Raises ``StreamGoneError`` where the stream ends before.
    """
    ends = wait_for_topic(settings, stop).ends
    catalog = open_catalog(settings)
    while True:
        position = held_position(catalog.load_table(SILVER.identifier)) or Position(settings.topic, {})
        if position.covers(ends):
            return position
        if not lease_is_held(settings):
            raise StreamGoneError(
                f"the stream ended at {position.to_json()} before it had passed {ends}; materialize again to catch up"
            )
        if stop.wait(_ASK_EVERY_SECONDS):
            return position
