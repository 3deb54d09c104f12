"""The webhook secret of an installation: the setting, else one made once per home."""

import base64
import os
import secrets

from pydantic import SecretStr

from firehose_dagster.settings import Settings

_SECRET_BYTES = 32


def webhook_secret(settings: Settings) -> SecretStr:
    """The secret in force, in Standard Webhooks' form; a new one is kept in a file only its owner can read."""
    if settings.webhook_secret.get_secret_value():
        return settings.webhook_secret
    path = settings.state_dir / "webhook_secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return SecretStr(path.read_text().strip())
    with os.fdopen(descriptor, "w") as file:
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        file.write(f"{secret}\n")
    return SecretStr(secret)
