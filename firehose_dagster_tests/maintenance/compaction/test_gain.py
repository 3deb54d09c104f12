"""The gain that is measured, and its picture."""

from base64 import b64decode
from pathlib import Path
from xml.etree import ElementTree

import pytest

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction.gain import Gain, measure
from firehose_dagster.maintenance.compaction.gain_plot import markdown
from firehose_dagster_tests.maintenance.compaction.small_files import HOUR, closed_hour, loaded, made_lake, paths

GAIN = Gain(
    partition=1,
    files_before=1_800,
    files_after=1,
    seconds_before={"full_scan": 1.5, "one_symbol": 0.8},
    seconds_after={"full_scan": 0.1, "one_symbol": 0.002},
)


@pytest.mark.parametrize("contract", [SILVER, OPS_AUDIT], ids=lambda table: table.name)
def test_the_three_queries_run_on_every_kind_of_table(tmp_path: Path, contract: Table) -> None:
    settings = made_lake(tmp_path)
    closed_hour(settings, files=2)
    record(open_catalog(settings), MaintenanceRecord("1", "k", HOUR, HOUR, {}))
    files = paths(settings, contract)
    gain = measure(loaded(settings, contract), contract, 5, files, files[:1], threads=1)
    assert set(gain.seconds_before) == set(gain.seconds_after) == {"full_scan", "one_symbol", "by_minute"}
    assert min(*gain.seconds_before.values(), *gain.seconds_after.values()) > 0
    assert (gain.partition, gain.files_before, gain.files_after) == (5, len(files), 1)


def test_the_table_beside_the_picture_tells_the_times_and_the_ratio() -> None:
    assert "| full scan | 1,500.0 ms | 100.0 ms | 15.0 x |" in markdown(GAIN)
    assert "| one symbol | 800.0 ms | 2.0 ms | 400.0 x |" in markdown(GAIN)


def test_the_picture_has_two_bars_a_query_to_scale() -> None:
    picture = markdown(GAIN).split("base64,")[1].split(")")[0]
    root = ElementTree.fromstring(b64decode(picture))
    widths = [float(bar.attrib["width"]) for bar in root if bar.tag.endswith("rect")]
    assert len(widths) == 4
    assert widths[0] / widths[1] == pytest.approx(15, rel=0.01)
    assert widths[3] == 2.0
