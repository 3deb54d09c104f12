"""Carries out planned attempts one after the other, so that a symbol's alerts arrive in order."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from firehose_dagster.alerts.delivery import Delivery, Outcome
from firehose_dagster.alerts.outbox import Attempt
from firehose_dagster.alerts.webhook import DeliveryOutcome

logger = logging.getLogger(__name__)


def dispatch(
    attempts: Iterable[tuple[Attempt, str]],
    post: Callable[[str, str], DeliveryOutcome],
    run_id: str,
    *,
    budget_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Delivery]:
    """Post each (attempt, body) in the order given and yield its record as soon as it is known.

    After one that may come again its symbol's later ones are left for a later plan. None is started once
    `budget_seconds` have passed: a receiver that hangs must not keep a run alive, and what is left is planned again.
    """
    deadline = clock() + budget_seconds
    held_back: set[str] = set()
    for attempt, body in attempts:
        if clock() >= deadline:
            logger.warning(
                "alerts left for a later run run_id=%s reason=budget budget_seconds=%s", run_id, budget_seconds
            )
            return
        if attempt.key.symbol in held_back:
            continue
        answer = post(attempt.key.spike_id, body)
        outcome: Outcome = answer.outcome
        if outcome in ("failed", "unknown"):
            if attempt.is_last:
                outcome = "dead"
            else:
                held_back.add(attempt.key.symbol)
        yield Delivery(
            attempt.key,
            attempt.number,
            outcome,
            answer.http_status,
            answer.detail,
            answer.attempted_at,
            answer.duration_ms,
            run_id,
        )
