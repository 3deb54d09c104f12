"""`firehose streams` with a gold that refuses every batch while the file named by GOLD_IS_BROKEN exists."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firehose_dagster.cli import app, main
from firehose_dagster.streams import layer_failures
from firehose_dagster.streams.gold_layer import GoldLayer


def _refusing(step: Callable[..., Any]) -> Callable[..., Any]:
    def refused(*args: Any) -> Any:
        if Path(os.environ["GOLD_IS_BROKEN"]).exists():
            raise OSError("gold's disk is full")
        return step(*args)

    return refused


if __name__ == "__main__":
    layer_failures.FIRST_PAUSE_SECONDS = 3.0
    layer_failures.LONGEST_PAUSE_SECONDS = 3.0
    GoldLayer.update = _refusing(GoldLayer.update)  # type: ignore[method-assign] # the very fault
    GoldLayer.catch_up = _refusing(GoldLayer.catch_up)  # type: ignore[method-assign] # the very fault
    main(lambda: app(sys.argv[1:]))
