"""A process that compacts silver and is killed: `python -m ... HOME STEP [MILLISECONDS]`.

SIGKILL comes when the step is reached, or that many milliseconds after it, in the middle of whatever is done then.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.maintenance.compaction import rewrite_commit, rewrite_files, run
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.settings import Settings

NEEDS_A_WRONG_FILE = (Step.FOUND_WRONG, Step.PUT_BACK)


def main(home: str, step: str, after_ms: str = "0") -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def on_step(reached: Step) -> None:
        if reached == step:
            threading.Timer(int(after_ms) / 1_000, die).start() if int(after_ms) else die()

    rewrite_commit._BUSY_WITHIN_SECONDS = 0.0
    if step in NEEDS_A_WRONG_FILE:
        write = rewrite_files.write_parquet
        rewrite_files.write_parquet = lambda stream, contract, rows: write(stream, contract, rows.slice(1))
        run.prove_written = lambda *_: None  # type: ignore[attr-defined]  # replaced where it is used
    compact(Settings(home=Path(home), compaction_min_manifests=2), SILVER, on_step=on_step)


if __name__ == "__main__":
    main(*sys.argv[1:])
