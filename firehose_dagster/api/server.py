"""`firehose api`: the API in the foreground, until stopped."""

import ipaddress
import logging

import uvicorn

from firehose_dagster.api.application import create_application
from firehose_dagster.errors import ExplainedError
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class ApiUnprotectedError(ExplainedError):
    """The API would be open to others without a token."""


def require_token_unless_loopback(settings: Settings) -> None:
    """Raises ApiUnprotectedError where other machines could ask and no token is set."""
    if not settings.api_token.get_secret_value() and not is_loopback(settings.api_host):
        raise ApiUnprotectedError(
            f"FIREHOSE_API_HOST={settings.api_host} lets other machines ask the read API, but FIREHOSE_API_TOKEN is "
            "not set; set a long random token, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. A name but `localhost` may mean anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def run_api(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises ApiUnprotectedError, and SystemExit where the port is taken."""
    require_token_unless_loopback(settings)
    logger.info("api starts address=http://%s:%d", settings.api_host, settings.api_port)
    uvicorn.run(
        create_application(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
