"""Real supervisord, trivial programs."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from firehose_dagster.local.home_lock import AlreadyRunningError, stop_installation
from firehose_dagster.local.installation import Installation, ProgramNotReadyError
from firehose_dagster.local.leftovers import leftover_processes
from firehose_dagster.local.ports import PortTakenError
from firehose_dagster.local.programs import Program
from firehose_dagster.settings import Settings
from firehose_dagster_tests.local.conftest import sleeper

_OWNER = """
import sys, signal
from pathlib import Path
from firehose_dagster.local.installation import Installation
from firehose_dagster.settings import Settings
from firehose_dagster_tests.local.conftest import sleeper

def stop(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, stop)
settings = Settings(home=Path(sys.argv[1]))
try:
    with Installation(settings, [sleeper("one")]) as installation:
        installation.start(on_progress=lambda line: None)
        print(installation.states()["one"].pid, flush=True)
        signal.pause()
except KeyboardInterrupt:
    print("stopped in order", flush=True)
"""


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll `condition`; the bound is a safeguard, not an assertion about speed."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.05)


def _quiet(line: str) -> None:
    return


def _owner(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", _OWNER, str(home)], stdout=subprocess.PIPE, text=True)


def _first_line(owner: "subprocess.Popen[str]") -> str:
    assert owner.stdout is not None
    return owner.stdout.readline().strip()


@pytest.mark.slow
def test_programs_run_until_they_are_stopped_and_nothing_stays(settings: Settings) -> None:
    with Installation(settings, [sleeper("one"), sleeper("two")]) as installation:
        installation.start(on_progress=_quiet)
        states = installation.states()
        assert {name: state.state for name, state in states.items()} == {"one": "RUNNING", "two": "RUNNING"}
        installation.stop_program("two")
        assert installation.states()["two"].state == "STOPPED"
    assert not psutil.pid_exists(states["one"].pid)
    assert leftover_processes(settings.home) == []


@pytest.mark.slow
def test_a_killed_program_comes_back(settings: Settings) -> None:
    with Installation(settings, [sleeper("one")]) as installation:
        installation.start(on_progress=_quiet)
        killed = installation.states()["one"].pid
        os.kill(killed, signal.SIGKILL)
        wait_until(
            lambda: installation.states()["one"].state == "RUNNING" and installation.states()["one"].pid != killed
        )


def test_a_second_start_on_a_home_is_refused_with_the_pid_and_the_remedy(settings: Settings) -> None:
    with (
        Installation(settings, [sleeper("one")]),
        pytest.raises(AlreadyRunningError, match=rf"pid {os.getpid()}.*firehose stop --home {settings.home}"),
    ):
        Installation(settings, [sleeper("one")]).open()
    with Installation(settings, [sleeper("one")]):
        pass  # the refused start took nothing with it


def test_a_taken_port_is_named_with_the_setting_that_changes_it(settings: Settings) -> None:
    program = sleeper("one", ports=(("ui_port", "127.0.0.1", settings.ui_port),))
    with (
        socket.create_server(("127.0.0.1", settings.ui_port)),
        pytest.raises(PortTakenError, match=rf"port {settings.ui_port} .* in use.*FIREHOSE_UI_PORT"),
    ):
        Installation(settings, [program]).open()
    with Installation(settings, [program]):
        pass


def test_two_settings_with_one_port_are_told_apart(settings: Settings) -> None:
    ports = (("ui_port", "127.0.0.1", settings.ui_port), ("broker_port", "127.0.0.1", settings.ui_port))
    with pytest.raises(PortTakenError, match="FIREHOSE_BROKER_PORT and FIREHOSE_UI_PORT are both"):
        Installation(settings, [sleeper("one", ports=ports)]).open()


@pytest.mark.slow
def test_a_program_that_dies_at_its_start_is_reported_with_the_end_of_its_log(settings: Settings) -> None:
    broken = Program(name="broken", command=(sys.executable, "-c", "raise SystemExit('no such thing as a free lunch')"))
    with (
        Installation(settings, [broken]) as installation,
        pytest.raises(ProgramNotReadyError, match=r"broken keeps ending[\s\S]*no such thing as a free lunch"),
    ):
        installation.start(on_progress=_quiet)


def test_a_program_that_never_answers_is_reported(settings: Settings) -> None:
    mute = sleeper("mute", is_ready=lambda: False, ready_seconds=2.0)
    with (
        Installation(settings, [mute]) as installation,
        pytest.raises(ProgramNotReadyError, match=r"mute is (STARTING|RUNNING), but not ready after 2 s"),
    ):
        installation.start(on_progress=_quiet)


@pytest.mark.slow
def test_when_the_owner_is_killed_its_programs_end_and_the_home_is_free(settings: Settings) -> None:
    with _owner(settings.home) as owner:
        program = int(_first_line(owner))
        owner.kill()
    wait_until(lambda: not psutil.pid_exists(program) and leftover_processes(settings.home) == [])
    with Installation(settings, [sleeper("one")]):
        pass


def test_what_a_killed_supervisor_left_is_stopped_at_the_next_start(settings: Settings) -> None:
    installation = Installation(settings, [sleeper("one")])
    installation.open()
    installation.start(on_progress=_quiet)
    orphan = installation.states()["one"].pid
    supervisor = psutil.Process(orphan).ppid()
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not installation.is_alive())
    installation.stop()
    assert not psutil.pid_exists(orphan)


@pytest.mark.slow
def test_firehose_stop_ends_another_process_installation_in_order(settings: Settings) -> None:
    with _owner(settings.home) as owner:
        program = int(_first_line(owner))
        assert stop_installation(settings.home) is True
        assert _first_line(owner) == "stopped in order"
    assert owner.returncode == 0
    assert not psutil.pid_exists(program)
    assert stop_installation(settings.home) is False
