"""A real SIGKILL at every step of an expiry: the table stays readable, and the next run ends what was begun."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.table_expiry import STEPS, Expiry
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake, on_disk, overwrite, reached

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

PROGRAM = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.expiry.table_expiry import Expiry
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.settings import Settings

def die(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(home=Path(sys.argv[1]))
expiry = Expiry(settings, open_catalog(settings), "ops_deliveries", sys.argv[3], quiet_after_seconds=0, on_step=die)
expiry.run(lambda table: Needs(), ExpiryPolicy(timedelta(0), 1))
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_expiry_is_finished_by_the_next(tmp_path: Path, step: str) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)
    append(catalog, 1)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), step, IDENTIFIER]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert catalog.load_table(IDENTIFIER).scan().to_arrow().num_rows == 2
    append(catalog, 2)
    expiry = Expiry(settings, catalog, "ops_deliveries", IDENTIFIER, quiet_after_seconds=0)
    outcome = expiry.run(lambda _: Needs(), ExpiryPolicy(timedelta(0), 1))
    assert outcome.resumed == (step in ("journal written", "committed", "a file removed", "files removed"))
    table = catalog.load_table(IDENTIFIER)
    assert table.scan().to_arrow().num_rows == 3
    avro = {each for each in on_disk(table, "metadata") if each.endswith(".avro")}
    assert on_disk(table, "data") | avro == reached(table, table.metadata.snapshots)
