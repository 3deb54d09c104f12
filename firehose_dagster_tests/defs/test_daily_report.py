"""The report as Dagster makes it: a page in the metadata, a file under the home."""

from pathlib import Path

import dagster as dg

from firehose_dagster.defs.daily_report import daily_report
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import small_lake, write


def test_the_report_is_metadata_and_a_file(tmp_path: Path) -> None:
    write(Settings(home=tmp_path), small_lake())
    result = dg.materialize(
        [daily_report],
        resources={"firehose": FirehoseResource(home=str(tmp_path))},
        run_config={"ops": {"daily_report": {"config": {"day": "2026-01-01"}}}},
    )
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    text = (tmp_path / "reports" / "2026-01-01.md").read_text()
    assert metadata["report"].value == text
