"""`firehose status` is asked every minute by a monitor: it starts none of the large libraries that it does not need."""

import json
import subprocess
import sys
from pathlib import Path

from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import small_lake, write

PROGRAM = """
import json, sys
from firehose_dagster.cli import app
code = app(["status", "--home", sys.argv[1]], result_action="return_value")
print(json.dumps({"code": code, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def test_the_status_of_a_lake_is_told_without_spark_or_dagster(tmp_path: Path) -> None:
    write(Settings(home=tmp_path), small_lake())
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    *shown, last = ended.stdout.splitlines()
    told = json.loads(last)
    assert told["code"] == 1  # degraded: nothing runs
    assert any("crypto_silver_trades" in line for line in shown)
    assert not {"pyspark", "py4j", "dagster", "duckdb", "pandas"} & set(told["modules"])
