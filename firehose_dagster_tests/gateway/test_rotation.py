"""Make before break, decided on simulated time."""

from dataclasses import replace

import pytest

from firehose_dagster.gateway.rotation import Active, Replacement, Step, next_step

AGE = 1_000.0
HEALTHY = Active(opened_at=0, must_end=False, is_mute=False, caught_up_at=1_011.5, has_delivered=True)
READY = Replacement(opened_at=1_000, confirmed_at=1_010, has_delivered=True, overlaps=True)
"""Confirmed at 1,010; from 1,011 on the overlap is long enough, and the old one has read what had arrived then."""


@pytest.mark.parametrize(
    ("now", "active", "step"),
    [
        (999, HEALTHY, Step.KEEP),
        (1_000, HEALTHY, Step.OPEN),
        (5, replace(HEALTHY, must_end=True), Step.OPEN),
        (5, replace(HEALTHY, is_mute=True), Step.OPEN),
    ],
    ids=["young", "old", "told to end", "mute"],
)
def test_a_replacement_is_opened_when_the_connection_must_go(now: float, active: Active, step: Step) -> None:
    assert next_step(now, AGE, active, None) is step


@pytest.mark.parametrize(
    ("now", "active", "replacement", "step"),
    [
        (1_012, HEALTHY, READY, Step.HAND_OVER),
        (1_010.9, HEALTHY, READY, Step.KEEP),
        (1_012, replace(HEALTHY, caught_up_at=1_010.5), READY, Step.KEEP),
        (1_012, HEALTHY, replace(READY, overlaps=False), Step.KEEP),
        (1_069, HEALTHY, replace(READY, overlaps=False), Step.KEEP),
        (1_070, HEALTHY, replace(READY, overlaps=False), Step.HAND_OVER),
        (1_012, replace(HEALTHY, is_mute=True), replace(READY, overlaps=False), Step.HAND_OVER),
        (1_019, HEALTHY, replace(READY, confirmed_at=None), Step.KEEP),
        (1_020, HEALTHY, replace(READY, confirmed_at=None), Step.GIVE_UP),
        (1_039, HEALTHY, replace(READY, has_delivered=False), Step.KEEP),
        (1_040, HEALTHY, replace(READY, has_delivered=False), Step.GIVE_UP),
        (1_019, replace(HEALTHY, has_delivered=False), replace(READY, has_delivered=False), Step.KEEP),
        (1_020, replace(HEALTHY, has_delivered=False), replace(READY, has_delivered=False), Step.HAND_OVER),
    ],
    ids=[
        "it overlaps",
        "not for long enough",
        "the old one has unread trades",
        "a symbol does not overlap yet",
        "nor after long",
        "at last it takes over all the same",
        "a mute one is not waited for",
        "subscriptions unanswered",
        "for too long",
        "the new one is mute",
        "for too long",
        "nothing trades",
        "on neither for a while",
    ],
)
def test_the_replacement_takes_over_once_it_overlaps(
    now: float, active: Active, replacement: Replacement, step: Step
) -> None:
    assert next_step(now, AGE, active, replacement) is step


def test_a_rotation_step_by_step() -> None:
    """A connection of 1,000 s: opened, confirmed after 1 s, both deliver, handed over a second later."""
    steps: list[tuple[float, Step]] = []
    replacement: Replacement | None = None
    for tick in range(9_990, 10_100):
        now = tick / 10
        active = replace(HEALTHY, caught_up_at=now - 0.05)
        if replacement is not None and now >= 1_001.0:
            replacement = replace(replacement, confirmed_at=1_001.0, has_delivered=now >= 1_001.3, overlaps=True)
        step = next_step(now, AGE, active, replacement)
        if step is not Step.KEEP:
            steps.append((now, step))
        if step is Step.OPEN:
            replacement = Replacement(opened_at=now, confirmed_at=None, has_delivered=False, overlaps=True)
        if step is Step.HAND_OVER:
            break
    assert steps == [(1_000.0, Step.OPEN), (1_002.1, Step.HAND_OVER)]
