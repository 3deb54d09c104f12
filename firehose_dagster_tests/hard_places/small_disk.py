"""A real file system of a few megabytes that a test can fill to the last byte."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_BALLAST = "ballast"
_PAGE_BYTES = 4_096
_REMEDY = (
    "It needs a small file system, which only root may mount: run the tests of firehose_dagster_tests/hard_places as "
    "root, in a container with --cap-add=SYS_ADMIN, or within `unshare --user --map-root-user --mount`"
)
_CI_PAGE = "GITHUB_STEP_SUMMARY"
"""Where GitHub names the file that it shows on the run's own page."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted file system."""

    place: Path

    def fill(self, room_bytes: int = 0) -> None:
        """Take all that is free but this many bytes."""
        free = self._free_bytes()
        with (self.place / _BALLAST).open("ab") as ballast:
            os.posix_fallocate(ballast.fileno(), ballast.tell(), max(_PAGE_BYTES, free - room_bytes))

    def make_room(self) -> None:
        """Give it back."""
        (self.place / _BALLAST).unlink(missing_ok=True)

    def _free_bytes(self) -> int:
        state = os.statvfs(self.place)
        return state.f_bavail * state.f_frsize


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one at `place`; where this user may not, the test is skipped, and CI says so on its own page."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "firehose-test", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        reason = f"NOT TESTED: a full disk. {_REMEDY} (mount said: {mounted.stderr.strip()})"
        if _CI_PAGE in os.environ:
            with Path(os.environ[_CI_PAGE]).open("a") as page:
                page.write(f"{reason}\n\n")
        pytest.skip(reason)
    try:
        yield SmallDisk(place)
    finally:
        # Lazily: a process that is still ending may have a file open.
        subprocess.run(["/bin/umount", "--lazy", str(place)], check=True)
