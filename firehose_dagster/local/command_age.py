"""How long ago this command was started, imports included."""

import time

import psutil


def seconds_since_start() -> float:
    """Age of this process, wall clock: for figures shown to a person, not for deadlines."""
    return max(0.0, time.time() - psutil.Process().create_time())
