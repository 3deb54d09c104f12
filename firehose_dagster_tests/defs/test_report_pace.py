"""A run reports at once, then ever less often, at the least each five minutes."""

from firehose_dagster.defs.report_pace import ReportPace


def test_reports_come_after_0_1_3_7_and_then_each_five_minutes() -> None:
    pace = ReportPace()
    told = []
    for second in range(0, 1_400, 10):
        if pace.is_due(second):
            pace.reported(second)
            told.append(second)
    assert told == [0, 60, 180, 420, 720, 1_020, 1_320]
