"""Ports of this machine: whether they are free, and whether something answers on them."""

import itertools
import os
import socket
from collections.abc import Mapping

from firehose_dagster.errors import ExplainedError

_CONNECT_TIMEOUT_SECONDS = 1.0
_FIRST_PORT = 20_000
_PORTS = 12_000
"""Below 32768, from where Linux gives ports to whoever connects: such a one may be taken before it is listened on."""
_APART = 97
"""So many ports lie between where processes of neighbouring ids begin."""
_candidates = (_FIRST_PORT + number % _PORTS for number in itertools.count(os.getpid() * _APART))


class PortTakenError(ExplainedError):
    """Another process listens on a port this installation needs."""


def require_free(ports: Mapping[str, tuple[str, int]]) -> None:
    """Check that each port can be listened on; `ports` maps the setting's name to address and port.

    Raises `PortTakenError` with a line for each taken port, naming the variable that changes it, and for two settings
    with one port.
    """
    problems = []
    owners: dict[int, str] = {}
    for setting, (host, port) in ports.items():
        variable = f"FIREHOSE_{setting.upper()}"
        if port in owners:
            problems.append(f"{variable} and {owners[port]} are both {port}: set one of them to another port")
        elif not is_free(host, port):
            problems.append(f"port {port} on {host} is in use by another process: stop it, or set {variable}")
        owners.setdefault(port, variable)
    if problems:
        raise PortTakenError("\n".join(problems))


def is_free(host: str, port: int) -> bool:
    """Whether a listener could be opened on `host:port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT of a stopped listener is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def is_answered(host: str, port: int) -> bool:
    """Whether something accepts connections on `host:port`."""
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now, all different, none given twice by one process."""
    free = (port for port in _candidates if is_free("127.0.0.1", port))
    return list(itertools.islice(free, count))
