"""A receiver says that it processed a spike: one row in `ops_deliveries`, written once.

A webhook's 2xx says that it was received. Where that answer was lost, an acknowledgement says the same and more, so it
settles the spike as a delivery does.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from firehose_dagster.alerts.delivery import Delivery, SpikeKey
from firehose_dagster.alerts.ledger import Ledger

logger = logging.getLogger(__name__)

WRITTEN_BY = "acknowledgement"
"""Stands where a run id does in `ops_deliveries`: a receiver called, no Dagster run."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The row that says so, and whether this call wrote it."""

    row: Delivery
    is_new: bool


def acknowledge(ledger: Ledger, key: SpikeKey, detail: str | None, now: datetime) -> Acknowledgement:
    """Record that the spike was processed; where that is recorded already, say what is.

    Two callers at once may both write a row: it says the same, and readers take the first. Raises LedgerError.
    """
    history = ledger.deliveries_of([key.spike_id])
    written = [row for row in history if row.outcome == "acknowledged"]
    if written:
        return Acknowledgement(min(written, key=lambda row: row.attempted_at), is_new=False)
    number = max((row.attempt for row in history), default=0) + 1
    row = Delivery(key, number, "acknowledged", None, detail, now, 0, WRITTEN_BY)
    ledger.append([row])
    logger.info("alert acknowledged spike_id=%s detail=%r", key.spike_id, detail)
    return Acknowledgement(row, is_new=True)
