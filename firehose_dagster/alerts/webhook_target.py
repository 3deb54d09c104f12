"""Where alerts go and with which secret, from the settings."""

from firehose_dagster.settings import Settings


def webhook_url(settings: Settings) -> str:
    """The URL in force: the setting, else the demo's receiver on this machine."""
    return str(settings.webhook_url or f"http://127.0.0.1:{settings.receiver_port}/webhook")
