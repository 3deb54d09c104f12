"""The emitter in force: openlineage-python's client and HTTP transport, behind the queue."""

from urllib.parse import urlsplit

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from requests.exceptions import RequestException

from firehose_dagster.lineage.emitter import Emitter
from firehose_dagster.settings import Settings

_TIMEOUT_SECONDS = 2.0
_TRIES = 2


def open_emitter(settings: Settings) -> Emitter[RunEvent]:
    """An emitter to `openlineage_url`, which must be set. Nothing is sent yet, and nothing asked of the receiver."""
    assert settings.openlineage_url is not None  # noqa: S101 - callers ask only where lineage is on
    key = settings.openlineage_api_key.get_secret_value()
    transport = HttpTransport(
        HttpConfig(
            url=str(settings.openlineage_url),
            timeout=_TIMEOUT_SECONDS,
            auth=ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({}),
            retry={
                "total": _TRIES,
                "backoff_factor": 0.2,
                "status_forcelist": [502, 503, 504],
                "allowed_methods": ["POST"],
            },
        )
    )
    client = OpenLineageClient(transport=transport)
    shown = urlsplit(str(settings.openlineage_url))
    return Emitter(client.emit, (RequestException, OSError), f"{shown.scheme}://{shown.hostname}:{shown.port}")
