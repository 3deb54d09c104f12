"""The project as it was at an earlier commit, beside this one and without touching the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from firehose_dagster.local.environment import settings_environment
from firehose_dagster.settings import Settings

ROOT = Path(__file__).parents[2]
GIT = shutil.which("git")
WITHOUT_DETAIL = '"detail", Scalar.STRING, "What a maintenance run did'
"""Part of the newest column that a table which is written to has gained."""


@dataclass(frozen=True, slots=True)
class EarlierCode:
    """The files of a commit in a folder."""

    commit: str
    folder: Path

    def start(self, settings: Settings, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """A `firehose` command of that commit; the interpreter and the libraries are those of today."""
        environment = {**os.environ, **settings_environment(settings), "PYTHONPATH": str(self.folder)}
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "firehose_dagster.cli", *arguments],
                env=environment,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def contract_source(self) -> str:
        """The text of its table contracts."""
        return "".join(path.read_text() for path in sorted((self.folder / "firehose_dagster/contracts").glob("*.py")))


def earlier_code(which: str, folder: Path) -> EarlierCode:
    """Unpack a commit; the test is skipped where the history does not reach so far.

    `previous`: the one before this; `contracts`: the one before the newest change of a contract; `foundation`: the last
    one whose `ops_audit` had no column `detail`.
    """
    if which == "previous":
        commit = _git("rev-parse", "--verify", "--quiet", "HEAD~1")
    elif which == "contracts":
        commit = _before(_git("log", "-1", "--format=%H", "--", "firehose_dagster/contracts"))
    else:
        changes = _git("log", "--format=%H", f"-S{WITHOUT_DETAIL}", "--", "firehose_dagster/contracts")
        commit = _before(changes.splitlines()[-1] if changes else "")
    if not commit:
        pytest.skip(
            "NOT TESTED: a lake of earlier code. The history that was cloned does not reach back to it: "
            "`git fetch --unshallow`, and in CI `fetch-depth: 0`"
        )
    packed = subprocess.run(
        [str(GIT), "archive", commit, "firehose_dagster"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return EarlierCode(commit, folder)


def _before(commit: str) -> str:
    return _git("rev-parse", "--verify", "--quiet", f"{commit}~1") if commit else ""


def _git(*arguments: str) -> str:
    """What git says; "" where it says no, or is not there."""
    if GIT is None:
        return ""
    said = subprocess.run([GIT, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else ""
