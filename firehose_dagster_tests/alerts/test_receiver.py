import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from firehose_dagster.alerts.message import body
from firehose_dagster.alerts.receiver import run_receiver
from firehose_dagster.alerts.webhook import WebhookSender
from firehose_dagster.cli import main
from firehose_dagster_tests.alerts.examples import SECRET, SPIKE, free_port, receiving


def test_it_prints_a_line_an_alert_and_tells_what_it_saw() -> None:
    port = free_port()
    with receiving(port) as (_, lines):
        with WebhookSender(f"http://127.0.0.1:{port}/webhook", SECRET) as sender:
            sender.post(SPIKE.spike_id, body(SPIKE))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status") as answer:
            status = json.load(answer)
    assert [line.split("  ", 1)[1] for line in lines] == [
        "alert  BTCUSDT 2026-01-01 00:05 UTC: volume spike, score 7.2, price 87648.21, volume 120, "
        "return 0 % in the minute"
    ]
    assert status | {"last": None} == {"received": 1, "verified": 1, "duplicates": 0, "refused": 0, "last": None}
    assert status["last"]["price"] == "87648.21000000"


def test_a_signed_body_that_is_no_spike_is_answered_400() -> None:
    port = free_port()
    with receiving(port) as (_, lines), WebhookSender(f"http://127.0.0.1:{port}/webhook", SECRET) as sender:
        assert sender.post("id", "[]").http_status == 400
    assert lines == []


PROGRAM = """
import sys
from firehose_dagster.alerts.receiver import run_receiver
from firehose_dagster.cli import main
main(lambda: run_receiver(int(sys.argv[1]), sys.argv[2]))
"""


def test_sigterm_stops_it_with_exit_code_0() -> None:
    port = free_port()
    with subprocess.Popen([sys.executable, "-W", "error", "-c", PROGRAM, str(port), SECRET]) as process:
        try:
            while True:
                assert process.poll() is None
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/status").close()
                    break
                except urllib.error.URLError:
                    continue
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def test_a_taken_port_is_named_with_its_setting() -> None:
    port = free_port()
    with receiving(port):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(port), SECRET], capture_output=True, text=True, check=False
        )
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == (
        f"firehose: port {port} of the webhook receiver is taken; free it or set FIREHOSE_RECEIVER_PORT"
    )


def test_it_refuses_to_start_without_a_secret_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(lambda: run_receiver(free_port(), ""))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("firehose: the webhook secret has 0 bytes: FIREHOSE_WEBHOOK_SECRET must be")
