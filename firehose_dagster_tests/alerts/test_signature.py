import base64
import hashlib
import hmac
import time
from collections.abc import Callable

import pytest

from firehose_dagster.alerts.signature import new_secret, refusal, signer
from firehose_dagster_tests.alerts.examples import OTHER_SECRET, SECRET


def _headers(body: bytes, timestamp: int, secret: str = SECRET) -> dict[str, str]:
    """Standard Webhooks, by hand."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, b"id." + str(timestamp).encode() + b"." + body, hashlib.sha256).digest()
    return {
        "webhook-id": "id",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_a_signature_made_by_hand_is_accepted() -> None:
    assert refusal(signer(SECRET), b"{}", _headers(b"{}", int(time.time()))) is None


@pytest.mark.parametrize(
    ("body", "headers_at"),
    [
        (b"{ }", lambda now: _headers(b"{}", now)),
        (b"{}", lambda now: _headers(b"{}", now, OTHER_SECRET)),
        (b"{}", lambda now: _headers(b"{}", now - 400)),
        (b"{}", lambda now: _headers(b"{}", now + 400)),
        (b"{}", lambda now: {}),
        (b"{}", lambda now: _headers(b"{}", now) | {"webhook-signature": "nonsense"}),
        (b"{}", lambda now: _headers(b"{}", now) | {"webhook-signature": "v1,*"}),
        (b"{}", lambda now: _headers(b"{}", now) | {"webhook-timestamp": "nan"}),
        (b"\xff", lambda now: _headers(b"\xff", now)),
    ],
    ids=["body", "secret", "old", "future", "missing", "no version", "not base64", "nan", "not utf-8"],
)
def test_what_is_not_authentic_is_refused_without_an_exception(
    body: bytes, headers_at: Callable[[int], dict[str, str]]
) -> None:
    # Now, and not when the tests were collected: "future" would have come.
    assert refusal(signer(SECRET), body, headers_at(int(time.time())))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!"])
def test_a_secret_that_cannot_sign_is_refused_with_the_remedy_and_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match="FIREHOSE_WEBHOOK_SECRET") as caught:
        signer(secret)
    assert secret.removeprefix("whsec_") == "" or secret.removeprefix("whsec_") not in str(caught.value)


def test_a_new_secret_signs_and_is_never_the_same() -> None:
    first = new_secret()
    assert signer(first)
    assert first != new_secret()
