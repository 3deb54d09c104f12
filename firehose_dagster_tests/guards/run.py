"""`make guards`: take out one guard after the other, in a copy of the tree, and see its tests fail.

python -m firehose_dagster_tests.guards.run                                   every list
python -m firehose_dagster_tests.guards.run --lists expiry lease              some of them
python -m firehose_dagster_tests.guards.run --only "an orphan"                those whose name begins so

Exit code 0 only if each was seen. A test that cannot be collected or that errs in its set-up is no proof.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firehose_dagster_tests.guards.guard import ROOT, Guard, guards_of, lists

_TESTS_FAILED = 1
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one break."""

    guard: Guard
    failed: tuple[str, ...]
    """The tests that failed, as pytest names them."""
    exit_code: int
    seconds: float
    output: str

    @property
    def is_red(self) -> bool:
        return self.exit_code == _TESTS_FAILED and bool(self.failed)


def main() -> int:
    """Break, watch, restore; the exit code."""
    parser = argparse.ArgumentParser(description="Take out guards and see their tests fail.")
    parser.add_argument("--lists", nargs="*", help="names of lists; default: all")
    parser.add_argument("--only", default="", help="the beginning of a name")
    options = parser.parse_args()
    console = Console()
    guards = [
        (path.stem, guard)
        for path in lists()
        if not options.lists or path.stem in options.lists
        for guard in guards_of(path)
        if guard.name.startswith(options.only)
    ]
    table = Table("list", "guard taken out", "tests that failed", "seconds")
    unseen = []
    with tempfile.TemporaryDirectory(prefix="firehose-guards-") as folder:
        copy = _copy(Path(folder) / "tree")
        for list_name, guard in guards:
            seen = watch(copy, guard)
            said = ", ".join(each.rpartition("::")[2] for each in seen.failed) if seen.is_red else "NOT SEEN"
            console.print(f"{list_name}: {guard.name}: {said}", markup=False, highlight=False, soft_wrap=True)
            table.add_row(list_name, guard.name, said, f"{seen.seconds:.0f}")
            if not seen.is_red:
                unseen.append(guard)
                console.print(seen.output[-3_000:], markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"{len(guards) - len(unseen)} of {len(guards)} guards were seen")
    return 1 if unseen or not guards else 0


def watch(copy: Path, guard: Guard) -> Seen:
    """Run the guard's tests in `copy`, a tree without it; the tree is whole again afterwards."""
    path = copy / guard.file
    whole = path.read_text()
    path.write_text(guard.broken_text(copy))
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *guard.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.write_text(whole)
    output = done.stdout + done.stderr
    return Seen(guard, tuple(_FAILED.findall(output)), done.returncode, time.monotonic() - started, output)


def _copy(target: Path) -> Path:
    """What git would commit of the tree, as it lies there now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is found by PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


if __name__ == "__main__":
    sys.exit(main())
