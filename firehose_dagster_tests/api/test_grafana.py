"""The dashboards: the files are what the code makes, their structure is Grafana's, the API answers their queries."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from firehose_dagster_tests.api.conftest import NEWEST

GRAFANA = Path(__file__).parents[2] / "docker" / "grafana"
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
# As Grafana writes `${__from:date:iso}`.
VALUES = {
    "${symbol}": "BTCUSDT",
    "${__from:date:iso}": (NEWEST - timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "${__to:date:iso}": (NEWEST + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
}
GRID_WIDTH = 24


def queries(board: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every query of the dashboard, by the title of its panel or the name of its variable."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
    for variable in board.get("templating", {}).get("list") or []:
        yield variable["name"], variable["query"]["infinityQuery"]


QUERIES = [
    pytest.param(query, id=f"{name}: {title}") for name, board in BOARDS.items() for title, query in queries(board)
]
each_board = pytest.mark.parametrize("name", BOARDS)


def test_the_files_are_what_the_code_makes(tmp_path: Path) -> None:
    code = f"import dashboards, pathlib; dashboards.FOLDER = pathlib.Path({str(tmp_path)!r}); dashboards.write()"
    subprocess.run([sys.executable, "-c", code], cwd=GRAFANA, check=True)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in (GRAFANA / "dashboards").iterdir()}
    assert set(BOARDS) == {"market", "operations"}


@each_board
def test_grafanas_own_model_holds_all_of_it(name: str) -> None:
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(BOARDS[name])))
    assert {key: read[key] for key in BOARDS[name] if key != "panels"} == {
        key: value for key, value in BOARDS[name].items() if key != "panels"
    }
    # Queries of other makers' data sources are beyond its model.
    without_targets = [{key: value for key, value in panel.items() if key != "targets"} for panel in read["panels"]]
    assert without_targets == [
        {key: value for key, value in panel.items() if key != "targets"} for panel in BOARDS[name]["panels"]
    ]


@each_board
def test_panels_fill_whole_lines_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert cells, panel["title"]
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= GRID_WIDTH
        taken |= cells
    for y in {y for _, y in taken}:
        assert sum(row == y for _, row in taken) == GRID_WIDTH


@each_board
def test_every_panel_says_what_it_shows(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert all(panel["title"] and panel["description"] for panel in panels)
    assert len({panel["title"] for panel in panels}) == len(panels)


def test_dashboards_have_their_own_addresses() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("query", QUERIES)
def test_the_api_answers_the_query(market: TestClient, query: Mapping[str, Any]) -> None:
    assert query["datasource"] == {"type": "yesoreyeram-infinity-datasource", "uid": "firehose-api"}
    parameters = {each["key"]: VALUES.get(each["value"], each["value"]) for each in query["url_options"]["params"]}
    answer = market.request(query["url_options"]["method"], query["url"], params=parameters)
    assert answer.status_code == 200, answer.text
    root = answer.json()[query["root_selector"]] if query["root_selector"] else answer.json()
    rows = root if isinstance(root, list) else [root]
    assert rows, "the market has a row for each query"
    for row in rows:
        for column in query["columns"]:
            assert_is_a(column["type"], row[column["selector"]])


def assert_is_a(kind: str, value: Any) -> None:
    """As the data source reads it: text with a number is one."""
    match kind:
        case _ if value is None:
            pass
        case "string":
            assert isinstance(value, str)
        case "number":
            assert not isinstance(value, bool)
            float(value)
        case "boolean":
            assert isinstance(value, bool)
        case "timestamp":
            assert datetime.fromisoformat(value).tzinfo is not None
        case _:
            raise AssertionError(f"{kind} is no kind of column")


def test_the_data_source_is_the_one_that_the_dashboards_ask() -> None:
    text = (GRAFANA / "provisioning" / "datasources" / "firehose.yaml").read_text()
    assert "uid: firehose-api\n" in text
    assert "type: yesoreyeram-infinity-datasource\n" in text
    assert "plugins install yesoreyeram-infinity-datasource" in (GRAFANA / "Dockerfile").read_text()
