"""Builds a real n8n into a cache folder: ``python -m firehose_dagster_tests.n8n.install``; at once where it is there.

Needs npm, a C++ compiler, make and Python; no Docker. About 2.8 GB. The folder is `FIREHOSE_N8N_DIR`, or
`~/.cache/firehose/n8n-<version>`.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

N8N_VERSION = "2.40.7"
NODE_VERSION = "24.9.0"
DIRECTORY_VARIABLE = "FIREHOSE_N8N_DIR"
_STEP_TIMEOUT_SECONDS = 900
_SHOWN_ERROR_CHARACTERS = 2_000
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class N8nNotInstalledError(RuntimeError):
    """n8n could not be built, or was not; the text says which step and what it printed."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A built n8n: its folder, made whole by a marker written last."""

    directory: Path

    @property
    def node(self) -> Path:
        """The Node that n8n was built with and runs on."""
        return self.directory / "node" / "node_modules" / _node_package() / "bin" / "node"

    @property
    def n8n(self) -> Path:
        """n8n's entry, a script for `node`."""
        return self.directory / "node_modules" / "n8n" / "bin" / "n8n"

    @property
    def is_complete(self) -> bool:
        """Whether every step of these versions has ended."""
        marker = self.directory / "installed"
        return marker.is_file() and marker.read_text() == _versions()


def installation() -> Installation:
    """Where n8n is, or would be."""
    default = Path("~/.cache/firehose").expanduser() / f"n8n-{N8N_VERSION}"
    return Installation(Path(os.environ.get(DIRECTORY_VARIABLE) or default).expanduser().resolve())


def install(target: Installation) -> None:
    """Build n8n into `target`; processes that ask at once wait for each other. Raises N8nNotInstalledError."""
    if target.is_complete:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise N8nNotInstalledError("npm was not found on PATH; any version will do, it fetches the Node that n8n needs")
    target.directory.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target.directory}.lock"):
        if target.is_complete:
            return
        _write_manifest(target.directory / "node", {"dependencies": {_node_package(): NODE_VERSION}})
        _step("fetch node", [npm, "install", "--no-audit", "--no-fund"], target.directory / "node", os.environ)
        environment = {**os.environ, "PATH": f"{target.node.parent}{os.pathsep}{os.environ['PATH']}", "JOBS": "2"}
        # n8n asks for a build of xlsx that is not on the registry; no flow of ours reads spreadsheets.
        manifest = {"dependencies": {"n8n": N8N_VERSION}, "overrides": {"xlsx": "0.18.5"}}
        _write_manifest(target.directory, manifest)
        fetch = [npm, "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
        _step("fetch n8n", fetch, target.directory, environment)
        # Its ready-made binaries are downloaded from a place that not every network reaches.
        build = [npm, "rebuild", "sqlite3", "--build-from-source", f"--nodedir={target.node.parent.parent}"]
        _step("build sqlite3", build, target.directory, environment)
        (target.directory / "installed").write_text(_versions())


def _versions() -> str:
    return f"n8n {N8N_VERSION} node {NODE_VERSION}\n"


def _node_package() -> str:
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    return f"node-{sys.platform}-{machine}"


def _write_manifest(directory: Path, content: Mapping[str, object]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "package.json").write_text(json.dumps({"name": "firehose-n8n", "private": True, **content}, indent=2))


def _step(name: str, command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
    print(f"n8n: {name} ...", flush=True)
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_STEP_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise N8nNotInstalledError(f"{name} took longer than {_STEP_TIMEOUT_SECONDS} s") from error
    if done.returncode != 0:
        raise N8nNotInstalledError(f"{name} failed:\n{done.stdout[-_SHOWN_ERROR_CHARACTERS:]}")
    print(f"n8n: {name} done in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        install(installation())
    except N8nNotInstalledError as failure:
        sys.exit(str(failure))
