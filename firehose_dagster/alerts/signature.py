"""The shared secret of a webhook and its receiver, and the checks that the signing library leaves to its caller."""

import base64
import binascii
import secrets
from collections.abc import Mapping

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from firehose_dagster.errors import ExplainedError

SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""
_SHORTEST_SECRET_BYTES = 24
_PREFIX = "whsec_"


class SecretUnusableError(ExplainedError, ValueError):
    """The secret can neither sign nor verify. The message does not tell it."""


def new_secret() -> str:
    """A fresh random secret in the form of `FIREHOSE_WEBHOOK_SECRET`."""
    return f"{_PREFIX}{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def signer(secret: str) -> Webhook:
    """The object that signs and verifies with `secret`.

    Raises SecretUnusableError where it is not base64 or shorter than 24 bytes.
    """
    remedy = (
        f"FIREHOSE_WEBHOOK_SECRET must be `{_PREFIX}` followed by base64 of at least {_SHORTEST_SECRET_BYTES} "
        "bytes, the same text at sender and receiver"
    )
    encoded = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretUnusableError(f"the webhook secret is not base64: {remedy}") from None
    if len(key) < _SHORTEST_SECRET_BYTES:
        raise SecretUnusableError(f"the webhook secret has {len(key)} bytes: {remedy}")
    return Webhook(key)


def refusal(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> str | None:
    """None where headers and signature are right and at most 5 minutes old, else what is wrong with them.

    The library compares in constant time, but lets a malformed header or a body that is not UTF-8 escape as ValueError.
    """
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError as error:
        return str(error)
    except ValueError:
        return "Malformed signature headers"
    return None
