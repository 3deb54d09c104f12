"""Processes that a dead installation left behind, found by the marker in their environment and stopped by pid."""

import logging
import os
from pathlib import Path

import psutil

from firehose_dagster.local.environment import MARKER

_LOGGER = logging.getLogger(__name__)

_STOP_SECONDS = 20.0
_SUPERVISOR_STOP_SECONDS = 90.0


def leftover_processes(home: Path) -> list[psutil.Process]:
    """Processes of this user that carry the marker of `home`, supervisord first; never this one or its ancestors."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = [process for process in psutil.process_iter() if process.pid not in own and _belongs_to(process, home)]
    return sorted(found, key=lambda process: (not _is_supervisor(process), process.pid))


def stop_leftovers(home: Path) -> int:
    """Ask each to end, supervisord before what it would restart; kill what stays. Returns how many there were."""
    found = leftover_processes(home)
    for process in found:
        _LOGGER.info("stopping leftover pid=%d name=%s home=%s", process.pid, _name(process), home)
    supervisors = [process for process in found if _is_supervisor(process)]
    _end(supervisors, _SUPERVISOR_STOP_SECONDS)
    _end(leftover_processes(home), _STOP_SECONDS)
    return len(found)


def _end(processes: list[psutil.Process], patience_seconds: float) -> None:
    for process in processes:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=patience_seconds)
    for process in alive:
        _LOGGER.warning("killing leftover pid=%d: not ended after %.0f s", process.pid, patience_seconds)
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=patience_seconds)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def _belongs_to(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get(MARKER) == str(home) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _is_supervisor(process: psutil.Process) -> bool:
    try:
        return "supervisor.supervisord" in process.cmdline()
    except psutil.Error:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "?"
