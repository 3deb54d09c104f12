"""Waits for a stream that runs elsewhere to pass the topic's end as it is now, with silver and gold."""

import logging
import threading

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import held_position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.progress import read_progress
from firehose_dagster.streams.topic_offsets import wait_for_topic

logger = logging.getLogger(__name__)

_ASK_EVERY_SECONDS = 1.0


class StreamGoneError(ExplainedError):
    """The stream that was waited for ended before it had passed."""


class StreamStuckError(ExplainedError):
    """The stream that was waited for takes batches into bronze alone."""


def wait_until_passed(settings: Settings, stop: threading.Event) -> Position:
    """Wait until all layers took everything that is in the topic now; returns how far silver then is.

    Raises ``StreamGoneError`` where the stream ends before, ``StreamStuckError`` where a layer behind bronze fails.
    """
    topic = wait_for_topic(settings, stop)
    catalog = open_catalog(settings)
    ends = {} if topic is None else topic.ends
    logger.info("waiting for the stream to take the topic into all layers ends=%s", dict(ends))
    while True:
        position = held_position(catalog.load_table(SILVER.identifier)) or Position(settings.topic, {})
        # Silver is done before gold; the stream shows a batch once all layers have it.
        shown = read_progress(settings)
        if position.covers(ends) and (shown is None or Position(settings.topic, shown.offsets).covers(ends)):
            return position
        if not lease_is_held(settings):
            raise StreamGoneError(
                f"the stream ended at {position.to_json()} before it had passed {ends}; materialize again to catch up"
            )
        if shown is not None and shown.failing is not None:
            raise StreamStuckError(
                f"the stream cannot take the topic into all layers: {shown.failing}; bronze goes on, the others are "
                "tried again by themselves: repair what this names, then materialize again"
            )
        if stop.wait(_ASK_EVERY_SECONDS):
            return position
