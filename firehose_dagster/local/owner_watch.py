"""A small process that outlives the owner of an installation, to stop everything when the owner dies unasked."""

import argparse
import contextlib
import subprocess
import sys
from pathlib import Path

import psutil

from firehose_dagster.local.home_lock import HomeLock
from firehose_dagster.local.leftovers import stop_leftovers


def start_owner_watch(home: Path) -> subprocess.Popen[bytes]:
    """Watch this very process. The caller ends the watcher after a stop in good order."""
    # The marker is not set: a takeover must not mistake the watcher for what it watches.
    owner = psutil.Process()
    return subprocess.Popen(
        [sys.executable, "-m", __name__, f"--owner={owner.pid}", f"--home={home}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def watch(owner_pid: int, home: Path) -> None:
    """Wait for the owner to end; then stop what it left, unless a new owner has taken the home over."""
    with contextlib.suppress(psutil.NoSuchProcess):  # dead already
        psutil.Process(owner_pid).wait()
    lock = HomeLock(home)
    if not lock.try_acquire():
        return
    try:
        stop_leftovers(home)
    finally:
        lock.release()


def main() -> None:
    """Command line of the watcher, internal."""
    parser = argparse.ArgumentParser(description="Stop an installation when its owner is gone.")
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    watch(arguments.owner, arguments.home)


if __name__ == "__main__":
    main()
