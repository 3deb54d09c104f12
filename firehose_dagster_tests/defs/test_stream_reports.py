"""The stream's reports to Dagster: worth less than the stream."""

import logging
from datetime import UTC, datetime
from typing import cast

import dagster as dg
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.defs import stream_reports
from firehose_dagster.defs.stream_reports import StreamReporter
from firehose_dagster.streams.batch_audit import NO_ROWS
from firehose_dagster.streams.progress import StreamProgress


class _LakeAway:
    def load_table(self, identifier: str) -> None:
        raise NoSuchTableError(identifier)


def test_the_stream_goes_on_where_its_progress_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    reporter = StreamReporter(
        dg.build_asset_context(), cast(Catalog, _LakeAway()), {dg.AssetKey([SILVER.name]): SILVER}
    )
    now = datetime.now(UTC)
    reporter.add(NO_ROWS, StreamProgress(pid=1, started_at=now, updated_at=now))
    with caplog.at_level(logging.WARNING, "firehose_dagster"):
        reporter.report_if_due()
    assert "not told to Dagster what=the progress of the stream error=NoSuchTableError" in caplog.text


def test_the_first_report_and_one_each_quarter_of_an_hour_is_a_materialization(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.now(UTC)
    seconds = 1_000.0
    monkeypatch.setattr(stream_reports, "table_report", lambda *_: {})
    monkeypatch.setattr("firehose_dagster.defs.stream_reports.time.monotonic", lambda: seconds)
    told: list[type[object]] = []
    context = dg.build_asset_context()
    monkeypatch.setattr(context, "log_event", lambda event: told.append(type(event)))
    reporter = StreamReporter(context, cast(Catalog, _LakeAway()), {dg.AssetKey([SILVER.name]): SILVER})
    for after in (0, 30, 60, 870, 900, 1_200, 1_500, 2_100):
        seconds = 1_000.0 + after
        reporter.add(NO_ROWS, StreamProgress(pid=1, started_at=now, updated_at=now))
        reporter.report_if_due()
    assert told == [
        *(dg.AssetMaterialization, dg.AssetObservation, dg.AssetObservation),
        *(dg.AssetMaterialization, dg.AssetObservation, dg.AssetMaterialization),
    ]
