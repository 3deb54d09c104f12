"""A person's second chance for alerts: what was given up or expired is due again."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from firehose_dagster.alerts.ledger import open_ledger
from firehose_dagster.alerts.outbox import replays
from firehose_dagster.errors import ExplainedError
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

WRITTEN_BY = "replay"
"""Stands where a run id does in `ops_deliveries`: a command asked, no Dagster run."""


class ReplayError(ExplainedError):
    """Spikes that cannot be sent again; the message names each."""


def replay(settings: Settings, spike_ids: Sequence[str]) -> int:
    """Make these spikes due at once, whatever their age, under their old ids; the sensor then delivers them.

    Returns how many. Raises ReplayError naming every spike that is delivered already or was never recorded (then
    nothing is written), LedgerError where there is no lake or it does not answer.
    """
    ledger = open_ledger(settings)
    try:
        rows = replays(spike_ids, ledger.deliveries_of(spike_ids), datetime.now(UTC), WRITTEN_BY)
    except ValueError as error:
        raise ReplayError(str(error)) from error
    ledger.append(rows)
    logger.info("alerts asked for again count=%s", len(rows))
    return len(rows)
