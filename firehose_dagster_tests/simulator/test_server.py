import signal
import socket
import subprocess
import sys

import pytest

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.server import ExchangePortError, run_exchange

PROGRAM = """
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.server import run_exchange
run_exchange(ExchangeOptions(synthetic=True, port=0))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_its_free_port_and_stops_cleanly_when_signalled(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ws://127.0.0.1:" in line
        assert "http://127.0.0.1:" in line
        process.send_signal(number)
        assert process.wait(20) == 0


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ExchangePortError, match=f"127.0.0.1:{port}"):
            run_exchange(ExchangeOptions(synthetic=True, port=port))
