"""One frame that is no trade, from the simulated exchange, so that a first look at quarantine finds something."""

import httpx

from firehose_dagster.settings import Settings

_TEXT = "this is no JSON: it stands in crypto_quarantine with its reason, and the stream goes on"
_TIMEOUT_SECONDS = 3.0


def send_unreadable_frame(settings: Settings) -> bool:
    """Ask the simulator on this home's port to send it; returns whether it did. Never to a real exchange."""
    if settings.exchange_rest_url != f"http://127.0.0.1:{settings.exchange_port}":
        return False
    try:
        answer = httpx.post(f"{settings.exchange_rest_url}/admin/inject", content=_TEXT, timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError:
        return False
    return answer.is_success
