"""PostgreSQL for the stack's tests: the one of this machine, on a folder and port of its own."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from firehose_dagster.local.ports import is_answered
from firehose_dagster_tests.compose.project import ROOT
from firehose_dagster_tests.stack.service import Service

_INSTALLED = Path("/usr/lib/postgresql")
USER = "firehose"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where PostgreSQL is not installed."""
    newest = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb") or (str(newest[-1]) if newest else None)
    return None if found is None else Path(found).resolve().parent


def postgres(folder: Path, port: int, password: str, bin_dir: Path) -> Service:
    """A new server, to be started; `make_databases` comes after."""
    owner = _owner()
    folder.mkdir()
    password_file = folder / "password"
    password_file.write_text(password)
    if owner is not None:
        for path in (folder, password_file):
            shutil.chown(path, user=owner)
    subprocess.run(
        [
            *(str(bin_dir / "initdb"), "--pgdata", str(folder / "data"), "--username", USER, "--no-sync"),
            *("--auth", "scram-sha-256", "--pwfile", str(password_file), "--encoding", "UTF8", "--locale", "C"),
        ],
        check=True,
        capture_output=True,
        user=owner,
        cwd=folder,
    )
    return Service(
        name="postgres",
        command=(
            *(str(bin_dir / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"),
        ),
        log=folder / "postgres.log",
        is_ready=lambda: is_answered("127.0.0.1", port),
        user=owner,
    )


def make_databases(port: int, password: str, bin_dir: Path) -> None:
    """What the image and our script make at the first start."""
    script = (ROOT / "docker" / "postgres" / "databases.sql").read_text()
    subprocess.run(
        [
            *(str(bin_dir / "psql"), "--host", "127.0.0.1", "--port", str(port), "--username", USER),
            *("--dbname", "postgres", "--set", "ON_ERROR_STOP=1"),
        ],
        input=f"CREATE DATABASE dagster;\n{script}",
        text=True,
        env={**os.environ, "PGPASSWORD": password},
        check=True,
        capture_output=True,
    )


def _owner() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
