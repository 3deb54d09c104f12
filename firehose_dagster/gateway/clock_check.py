"""This machine's clock against the exchange's: a wrong one would make wrong receipt times, and future trades. Pure."""

BEHIND_SECONDS = 4.0
"""A trade more than 5 s after its receipt is quarantined as a future one; the exchange itself was seen 1.5 s ahead."""
AHEAD_SECONDS = 60.0
"""A clock that is ahead rejects no trade; it only makes every age wrong."""


def clock_problem(asked_at_us: int, server_time_us: int, answered_at_us: int) -> str | None:
    """What is wrong with our clock, None where it will do; the exchange read its own between the other two times."""
    half_way_us = (asked_at_us + answered_at_us) // 2
    uncertain_seconds = (answered_at_us - asked_at_us) / 2_000_000
    ahead_seconds = (half_way_us - server_time_us) / 1_000_000
    if -ahead_seconds - uncertain_seconds > BEHIND_SECONDS:
        return f"this machine's clock is {_spoken(-ahead_seconds)} behind the exchange's"
    if ahead_seconds - uncertain_seconds > AHEAD_SECONDS:
        return f"this machine's clock is {_spoken(ahead_seconds)} ahead of the exchange's"
    return None


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
