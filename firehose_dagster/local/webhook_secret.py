"""The webhook secret of an installation: the setting, else one made once per home."""

import contextlib
import os
import tempfile

from pydantic import SecretStr

from firehose_dagster.alerts.signature import new_secret
from firehose_dagster.settings import Settings


def webhook_secret(settings: Settings) -> SecretStr:
    """The secret in force, in Standard Webhooks' form; a new one is kept in a file only its owner can read."""
    if settings.webhook_secret.get_secret_value():
        return settings.webhook_secret
    path = settings.state_dir / "webhook_secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name) as file:
            file.write(f"{new_secret()}\n")
            file.flush()
            # Whole or not at all; of two at once the first one's is everybody's.
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return SecretStr(path.read_text().strip())
