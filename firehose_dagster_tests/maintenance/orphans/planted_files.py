"""Files that no commit made, put into the folder of the small table."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

CONTENT = b"left by a writer that died"
LONG_AGO = datetime.now(UTC) - timedelta(days=5)


def plant(home: Path, name: str, *, backdated: bool = True) -> Path:
    """Write a file under the table's folder, five days old unless told otherwise."""
    path = home / "lake" / "warehouse" / "crypto" / "ops_deliveries" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    if backdated:
        backdate(path)
    return path


def backdate(path: Path) -> None:
    """Let a file be five days old."""
    os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))


def backdate_all(home: Path) -> None:
    """Let every file of the lake's tables be five days old."""
    for path in (home / "lake" / "warehouse").rglob("*"):
        if path.is_file():
            backdate(path)
