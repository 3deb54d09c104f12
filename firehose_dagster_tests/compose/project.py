"""The compose file as Docker Compose itself reads it, with secrets that the stack's own script made up."""

import functools
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"

fill_secrets = runpy.run_path(str(ROOT / "docker" / "fill_secrets.py"))


@functools.cache
def project(*, with_profiles: bool = True) -> Mapping[str, Any]:
    """Every service as it would be started; without `with_profiles` those that start by default."""
    with tempfile.TemporaryDirectory() as folder:
        env_file = Path(folder) / "stack.env"
        env_file.write_text((ROOT / ".env.example").read_text())
        fill_secrets["fill"](env_file)
        profiles = ["--profile", "*"] if with_profiles else []
        run = compose("--env-file", str(env_file), *profiles, "config", "--format", "json")
    assert run.returncode == 0, run.stderr
    parsed: Mapping[str, Any] = json.loads(run.stdout)
    return parsed


def compose(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Docker Compose on our file; `config` needs no engine."""
    program = str(Path(sys.executable).parent / "docker-compose")
    return subprocess.run(
        [program, "--file", str(COMPOSE_FILE), "--project-directory", str(ROOT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **(environment or {})},
    )
