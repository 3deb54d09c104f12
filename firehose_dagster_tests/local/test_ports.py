"""A port is free where a listener could be opened, on an address of either kind."""

import socket

import pytest

from firehose_dagster.local.ports import is_free


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_is_taken_while_somebody_listens_and_free_before_and_after(family: int, host: str) -> None:
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        port = listener.getsockname()[1]
        assert not is_free(host, port)
    assert is_free(host, port)
