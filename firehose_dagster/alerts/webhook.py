"""Posts one signed webhook and says what came of it; a network that fails is an outcome, not an exception."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

import httpx

from firehose_dagster.alerts.signature import signer

TIMEOUT_SECONDS = 15.0
"""Standard Webhooks asks for 15 to 30; it bounds connecting, sending, and the wait for the answer's head, each."""
_DETAIL_CHARACTERS = 200

# httpx logs every URL at INFO, and the path of a webhook URL is often a secret of its own.
logging.getLogger("httpx").setLevel(logging.WARNING)

PostOutcome = Literal["delivered", "failed", "unknown", "dead"]


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What one post came to. `attempted_at` is UTC; `detail` says what went wrong, null where nothing did."""

    outcome: PostOutcome
    http_status: int | None
    detail: str | None
    attempted_at: datetime
    duration_ms: int


class WebhookSender:
    """Posts to one URL over one kept connection; use it as a context manager.

    Raises SecretUnusableError when it is made.
    """

    def __init__(self, url: str, secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._webhook = signer(secret)
        self._client = httpx.Client(
            timeout=timeout_seconds,
            follow_redirects=False,
            # A proxy of the environment cannot reach a receiver on this machine.
            trust_env=not _is_on_this_machine(url),
            headers={"content-type": "application/json", "user-agent": "firehose-dagster"},
        )

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)

    def post(self, spike_id: str, body: str) -> DeliveryOutcome:
        """Post `body` under `spike_id`, which the receiver takes for its idempotency key. Never raises for the network.

        Any 2xx is delivered, 410 is dead, any other answer (a redirect too) failed. Where the connection was never
        made nothing can have arrived: failed. Where it was made and no answer came, the receiver may hold it: unknown.
        """
        attempted_at = datetime.now(UTC)
        started = time.monotonic()
        outcome, status, detail = self._send(spike_id, body, attempted_at)
        return DeliveryOutcome(outcome, status, detail, attempted_at, round((time.monotonic() - started) * 1_000))

    def _send(self, spike_id: str, body: str, now: datetime) -> tuple[PostOutcome, int | None, str | None]:
        headers = {
            "webhook-id": spike_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(msg_id=spike_id, timestamp=now, data=body),
        }
        try:
            # The answer's body is left unread: the status is all that counts, and a body may never end.
            with self._client.stream("POST", self._url, content=body.encode(), headers=headers) as response:
                return _judge(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            return "failed", None, f"no connection: {_describe(error)}"
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            return "failed", None, f"FIREHOSE_WEBHOOK_URL cannot be posted to: {_describe(error)}"
        except httpx.HTTPError as error:
            return "unknown", None, f"sent, but no answer: {_describe(error)}"


def _judge(response: httpx.Response) -> tuple[PostOutcome, int, str | None]:
    status = response.status_code
    if response.is_success:
        return "delivered", status, None
    if status == httpx.codes.GONE:
        return "dead", status, "the receiver answered 410: it no longer takes webhooks"
    if response.is_redirect:
        return (
            "failed",
            status,
            "the receiver redirects, which is not followed: set FIREHOSE_WEBHOOK_URL to its new URL",
        )
    return "failed", status, f"the receiver answered {status} {response.reason_phrase}".strip()


def _describe(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()[:_DETAIL_CHARACTERS]


def _is_on_this_machine(url: str) -> bool:
    try:
        return httpx.URL(url).host in {"127.0.0.1", "::1", "localhost"}
    except httpx.InvalidURL:
        return False
