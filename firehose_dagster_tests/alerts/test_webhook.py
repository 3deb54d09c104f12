import socket
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from firehose_dagster.alerts.message import body
from firehose_dagster.alerts.webhook import WebhookSender
from firehose_dagster_tests.alerts.examples import OTHER_SECRET, SECRET, SPIKE, free_port, receiving, serving


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def sender(port: int) -> Iterator[WebhookSender]:
    with WebhookSender(f"http://127.0.0.1:{port}/webhook", SECRET) as made:
        yield made


def _answering(status: int) -> web.Application:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/webhook", answer)
    return app


def test_a_receiver_that_verifies_gets_it_once_however_often_it_is_sent(sender: WebhookSender, port: int) -> None:
    with receiving(port) as (receiver, lines):
        outcomes = [sender.post(SPIKE.spike_id, body(SPIKE)) for _ in range(3)]
    assert [(outcome.outcome, outcome.http_status) for outcome in outcomes] == [("delivered", 204)] * 3
    assert len(lines) == 1
    assert (receiver.status.verified, receiver.status.duplicates) == (3, 2)


def test_another_secret_is_answered_401_and_failed(sender: WebhookSender, port: int) -> None:
    with receiving(port, OTHER_SECRET) as (receiver, _):
        outcome = sender.post(SPIKE.spike_id, body(SPIKE))
    assert (outcome.outcome, outcome.http_status) == ("failed", 401)
    assert (receiver.status.refused, receiver.status.verified) == (1, 0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "delivered"),
        (299, "delivered"),
        (302, "failed"),
        (404, "failed"),
        (410, "dead"),
        (429, "failed"),
        (500, "failed"),
    ],
)
def test_the_status_decides_the_outcome(sender: WebhookSender, port: int, status: int, outcome: str) -> None:
    with serving(_answering(status), port):
        answer = sender.post(SPIKE.spike_id, body(SPIKE))
    assert (answer.outcome, answer.http_status) == (outcome, status)
    assert (answer.detail is None) == (outcome == "delivered")


def test_nobody_listening_is_failed_because_nothing_was_sent(sender: WebhookSender) -> None:
    answer = sender.post(SPIKE.spike_id, body(SPIKE))
    assert (answer.outcome, answer.http_status) == ("failed", None)


@pytest.mark.parametrize("reply", [b"", b"no http\r\n\r\n"], ids=["closed", "garbage"])
def test_a_connection_without_an_answer_is_unknown(sender: WebhookSender, port: int, reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:

        def take_and_close() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(reply)

        thread = threading.Thread(target=take_and_close)
        thread.start()
        answer = sender.post(SPIKE.spike_id, body(SPIKE))
        thread.join()
    assert (answer.outcome, answer.http_status) == ("unknown", None)


def test_a_receiver_that_never_answers_is_unknown(port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port)),
        WebhookSender(f"http://127.0.0.1:{port}/", SECRET, timeout_seconds=0.1) as impatient,
    ):
        assert impatient.post(SPIKE.spike_id, body(SPIKE)).outcome == "unknown"


def test_a_url_that_is_none_is_failed_and_names_the_setting() -> None:
    with WebhookSender("ftp://127.0.0.1/", SECRET) as misled:
        answer = misled.post(SPIKE.spike_id, body(SPIKE))
    assert answer.outcome == "failed"
    assert "FIREHOSE_WEBHOOK_URL" in str(answer.detail)
