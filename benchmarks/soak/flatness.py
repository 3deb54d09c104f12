"""What may grow in the second half of a soak, a minute of real time, and where `--require-flat` says no.

The slopes are straight lines over a quarter of an hour by default. A single step of `s` in its middle reads as a slope
of `s / 10` a minute: a bound is a tenth of what may happen once, and far below what a leak makes.

Memory, 2 MB: the allocators of Python and Arrow grow in steps of some 10 to 20 MB. A leak of 100 kB a batch, at 20
batches a minute or more, is as much, and 3 GB a day. The JVMs, 10 MB: a heap grows to its `-Xmx` before anything is
collected in earnest, which takes longer than half an hour; beyond that only a leak outside of the heap can grow.

Open files, 0.5: a step of five is a pool of connections that filled. One leaked a tick of a sensor is 12 a minute.

Event log, 90 rows: 68 were measured, of which two runs a minute that this benchmark launches, and a word an asset and
minute. A word a batch for one asset would be 20 rows and more. Ticks, 40: 30 were measured, and one more sensor that
ticks every 5 s is 12. Runs, 4: the two that are launched, and what verifies or delivers meanwhile. These grow with
time by design, and end after days: ticks by Dagster's retention, runs and their events by the job `remove_old_runs`,
the stream's own once it is no longer the newest. Bounded is how fast.

Without a bound are the lake, its metadata, checkpoints and logs: they have ceilings by setting, which a soak of half an
hour does not reach, and are told.
"""

from collections.abc import Mapping

_BOUNDS = {
    "stream JVM: MB": 10.0,
    "broker: MB": 10.0,
    "event log: rows": 90.0,
    "ticks: rows": 40.0,
    "runs: rows": 4.0,
}
_BOUNDS_OF_A_PROCESS = {": open files": 0.5, ": MB": 2.0}
_NOT_PROCESSES = ("lake", "logs", "checkpoints", "Dagster storage")


def bound(name: str) -> float | None:
    """The largest growth a minute of a figure; None where it has no bound."""
    if name in _BOUNDS:
        return _BOUNDS[name]
    if name.startswith(_NOT_PROCESSES):
        return None
    return next((most for ending, most in _BOUNDS_OF_A_PROCESS.items() if name.endswith(ending)), None)


def growing(slopes: Mapping[str, float]) -> list[str]:
    """What grows by more than its bound, a line each."""
    return [
        f"{name} grows by {slope:.2f} a minute, more than {most:g}"
        for name, slope in sorted(slopes.items())
        if (most := bound(name)) is not None and slope > most
    ]
