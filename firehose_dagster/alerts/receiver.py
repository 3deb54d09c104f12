"""The demo's webhook receiver: verifies what it is sent, prints one line an alert, and tells what it saw."""

import errno
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from firehose_dagster.alerts.failure_message import FailurePayload
from firehose_dagster.alerts.message import EVENT_TYPE, SpikeData, SpikePayload
from firehose_dagster.alerts.signature import refusal, signer
from firehose_dagster.errors import ExplainedError

logger = logging.getLogger(__name__)

REMEMBERED_IDS = 100_000
"""Ids known as received; older ones are forgotten, and a repeat of them would be printed again."""


class ReceiverPortError(ExplainedError):
    """The port cannot be listened on; the message names the setting."""


class ReceiverStatus(msgspec.Struct, kw_only=True):
    """Answer of `GET /status`. Counts since start: `received` posts are `verified` or `refused`; `duplicates` are
    verified posts whose id came before. `last` is the newest alert printed."""

    received: int = 0
    verified: int = 0
    duplicates: int = 0
    refused: int = 0
    last: SpikeData | None = None


class _Envelope(msgspec.Struct, frozen=True):
    type: str


class Receiver:
    """Routes and state of one receiver. Raises SecretUnusableError."""

    def __init__(self, secret: str, write: Callable[[str], object] = print) -> None:
        self.status = ReceiverStatus()
        self._webhook = signer(secret)
        self._write = write
        self._ids: OrderedDict[str, None] = OrderedDict()

    def app(self) -> web.Application:
        """`POST /webhook` and `GET /status`."""
        app = web.Application()
        app.add_routes([web.post("/webhook", self._take), web.get("/status", self._tell)])
        return app

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.status.received += 1
        reason = refusal(self._webhook, body, request.headers)
        if reason is not None:
            self.status.refused += 1
            logger.warning("webhook refused reason=%r", reason)
            self._write(f"webhook refused: {reason}")
            return web.json_response({"error": reason}, status=401)
        self.status.verified += 1
        webhook_id = request.headers["webhook-id"]
        if webhook_id in self._ids:
            self.status.duplicates += 1
            return web.Response(status=204)
        try:
            kind = msgspec.json.decode(body, type=_Envelope).type
            alert: SpikePayload | FailurePayload
            if kind == EVENT_TYPE:
                alert = msgspec.json.decode(body, type=SpikePayload)
            else:
                alert = msgspec.json.decode(body, type=FailurePayload)
        except msgspec.DecodeError as error:
            return web.json_response({"error": f"no event of a known type: {error}"}, status=400)
        self._remember(webhook_id)
        if isinstance(alert, SpikePayload):
            self.status.last = alert.data
        self._write(line(alert, datetime.now(UTC)))
        return web.Response(status=204)

    async def _tell(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.status), content_type="application/json")

    def _remember(self, webhook_id: str) -> None:
        self._ids[webhook_id] = None
        if len(self._ids) > REMEMBERED_IDS:
            self._ids.popitem(last=False)


def line(alert: SpikePayload | FailurePayload, received_at: datetime) -> str:
    """What is printed of an alert: when it came and what it says."""
    return f"{received_at:%H:%M:%S}Z  alert  {alert.data.text}"


def run_receiver(port: int, secret: str, host: str = "127.0.0.1", write: Callable[[str], object] = print) -> None:
    """Serve until SIGTERM or SIGINT; call it from the main thread.

    Raises SecretUnusableError, and ReceiverPortError where the port is taken.
    """
    app = Receiver(secret, write).app()

    async def say_ready(_app: web.Application) -> None:
        logger.info("webhook receiver started host=%s port=%s", host, port)

    app.on_startup.append(say_ready)
    try:
        web.run_app(app, host=host, port=port, print=_no_banner, access_log=None)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ReceiverPortError(
            f"port {port} of the webhook receiver is taken; free it or set FIREHOSE_RECEIVER_PORT"
        ) from error
    logger.info("webhook receiver stopped port=%s", port)


def _no_banner(*_words: Any) -> None:
    """aiohttp's banner tells to press CTRL+C, which is wrong under a supervisor."""
