"""`firehose api` as a user starts it, on a port of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx

from firehose_dagster.local.environment import settings_environment
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings

_PATIENCE_SECONDS = 60


@contextlib.contextmanager
def running_api(settings: Settings) -> Iterator[str]:
    """Its address, once it answers; stopped as a supervisor stops it."""
    own = settings.model_copy(update={"api_port": free_ports(1)[0]})
    address = f"http://127.0.0.1:{own.api_port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "firehose_dagster.cli", "api"], env={**os.environ, **settings_environment(own)}
    )
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _answers(address):
            assert process.poll() is None, f"it ended with {process.returncode}"
            assert time.monotonic() < deadline, "it did not answer"
            time.sleep(0.1)  # between two looks at another process
        yield address
    finally:
        process.terminate()
        # uvicorn ends in order and then by the signal that it was sent.
        assert process.wait(timeout=30) == -signal.SIGTERM


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).is_success
    except httpx.HTTPError:
        return False
