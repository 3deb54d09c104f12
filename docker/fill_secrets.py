"""Write each secret that the stack needs and `.env` lacks, made up at random. Standard library alone.

No service has a password that someone else could know, and none is made in silence: each name is printed.
"""

import base64
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

HEADING = "## Made up by `make up`; the services keep what they were started with first"


def _hexadecimal() -> str:
    return secrets.token_hex(24)


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


REQUIRED: Mapping[str, Callable[[], str]] = {
    "FIREHOSE_S3_ACCESS_KEY": lambda: "firehose-" + secrets.token_hex(4),
    "FIREHOSE_S3_SECRET_KEY": _hexadecimal,
    "FIREHOSE_WEBHOOK_SECRET": _webhook_secret,
    "FIREHOSE_API_TOKEN": _hexadecimal,
    "STACK_POSTGRES_PASSWORD": _hexadecimal,
    "STACK_N8N_ENCRYPTION_KEY": _hexadecimal,
    "STACK_GRAFANA_PASSWORD": _hexadecimal,
}


def fill(path: Path) -> list[str]:
    """Append what is missing; only the owner may read the file from then on. Returns the names written."""
    text = path.read_text()
    held = dict(re.findall(r"^\s*(?:export\s+)?(\w+)[ \t]*=[ \t]*(.*?)\s*$", text, flags=re.MULTILINE))
    missing = [name for name in REQUIRED if not held.get(name, "").strip("'\"")]
    path.chmod(0o600)
    if missing:
        lines = [f"{name}={REQUIRED[name]()}" for name in missing]
        heading = [] if HEADING in text else ["", HEADING]
        separator = "" if text.endswith("\n") or not text else "\n"
        with path.open("a") as file:
            file.write(separator + "\n".join([*heading, *lines]) + "\n")
    return missing


def main() -> int:
    path = Path(os.environ.get("STACK_ENV_FILE", ".env"))
    if not path.is_file():
        print(f"there is no {path}: cp .env.example {path}", file=sys.stderr)
        return 2
    for name in fill(path):
        print(f"{path}: {name} was not set, a random one was written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
