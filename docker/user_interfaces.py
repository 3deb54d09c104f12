"""Print the URL of every UI of the running stack once it answers. Standard library alone.

Reads the project as `docker compose config --format json` prints it, from standard input.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

PATIENCE_SECONDS = 300
LABEL = "firehose.ui"
PORT_LABEL = "firehose.ui.port"


class UserInterface(NamedTuple):
    """What it is, and where."""

    title: str
    url: str


def user_interfaces(project: Mapping[str, Any]) -> Iterator[UserInterface]:
    """Of every service with the label: its published port, or the one of `firehose.ui.port` where it has several."""
    for service in project["services"].values():
        labels = service.get("labels") or {}
        if LABEL not in labels:
            continue
        wanted = labels.get(PORT_LABEL)
        (port,) = [each for each in service["ports"] if wanted is None or str(each["target"]) == wanted]
        yield UserInterface(labels[LABEL], f"http://{port['host_ip']}:{port['published']}/")


def answers(url: str) -> bool:
    """Whether anything is said at the URL; a refusal to a stranger counts."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http by construction
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def main() -> int:
    silent = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    for each in user_interfaces(json.load(sys.stdin)):
        while not (is_up := answers(each.url)) and time.monotonic() < deadline:
            time.sleep(2)  # between two looks at another process
        print(f"  {each.url:<28} {each.title}" + ("" if is_up else "  -- DOES NOT ANSWER"), flush=True)
        if not is_up:
            silent.append(each)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
