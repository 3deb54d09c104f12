"""The committed flows hold what their source says, no secret, and nothing that is not documented. Needs no n8n."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from n8n_flows.source.build import FLOWS, flows, text, workflow
from n8n_flows.source.nodes import code, condition

README = FLOWS / "README.md"
FILES = sorted(FLOWS.glob("*.json"))
KINDS = {
    "webhook",
    "scheduleTrigger",
    "code",
    "if",
    "httpRequest",
    "respondToWebhook",
    "dataTable",
}
SECRET_SHAPES = (
    r"whsec_[A-Za-z0-9+/]{8}",
    r"xox[abp]-",
    r"hooks\.slack\.com/services/\w",
    r"sk-[A-Za-z0-9]{8}",
    r"bot\d{6,}:",
    r"Bearer [A-Za-z0-9]{8}",
    r"ATATT",
)


def variables(content: str) -> set[str]:
    return set(re.findall(r"\$env\.(\w+)", content))


def documented() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", README.read_text(), flags=re.MULTILINE))


def flow(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def nodes(file: Path, kind: str) -> list[dict[str, Any]]:
    return [node for node in flow(file)["nodes"] if node["type"] == f"n8n-nodes-base.{kind}"]


def test_the_committed_flows_are_those_that_their_source_builds() -> None:
    assert {file.name: file.read_text() for file in FILES} == {name: text(flow) for name, flow in flows().items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_flow_holds_no_secret_and_no_credential(file: Path) -> None:
    content = file.read_text()
    assert "credentials" not in content
    assert [shape for shape in SECRET_SHAPES if re.search(shape, content)] == []


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    read = set().union(*(variables(file.read_text()) for file in FILES))
    assert read == documented()


def test_the_table_says_rightly_which_flow_reads_a_variable() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (explainer|pulse|both) \|", README.read_text(), flags=re.MULTILINE))
    explainer, pulse = (variables((FLOWS / f"{name}.json").read_text()) for name in ("spike_explainer", "market_pulse"))
    assert told == {
        name: "both" if name in explainer & pulse else "explainer" if name in explainer else "pulse"
        for name in explainer | pulse
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_flow_calls_only_where_its_environment_says(file: Path) -> None:
    calls = nodes(file, "httpRequest")
    assert calls
    for call in calls:
        assert call["parameters"]["url"].startswith("={{ $env."), call["name"]
        assert call["parameters"]["options"]["timeout"] <= 30_000
        assert call["onError"] == "continueRegularOutput", "an outside service must not end the flow"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_flow_is_made_of_known_kinds_and_every_node_is_reached(file: Path) -> None:
    content = flow(file)
    names = [node["name"] for node in content["nodes"]]
    assert {node["type"].removeprefix("n8n-nodes-base.") for node in content["nodes"]} <= KINDS
    assert len(set(names)) == len(names) == len({node["id"] for node in content["nodes"]})
    reached = {link["node"] for links in content["connections"].values() for output in links["main"] for link in output}
    assert set(names) - reached == {content["nodes"][0]["name"]}, "only the trigger is reached from nowhere"


def test_both_ends_of_every_condition_lead_somewhere() -> None:
    for file in FILES:
        for node in nodes(file, "if"):
            assert all(flow(file)["connections"][node["name"]]["main"]), node["name"]


def test_every_path_of_the_explainer_answers_its_sender() -> None:
    content = flow(FLOWS / "spike_explainer.json")
    answers = {node["name"] for node in nodes(FLOWS / "spike_explainer.json", "respondToWebhook")}

    def unanswered(name: str, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if name in answers:
            return []
        outputs = content["connections"].get(name, {"main": [[]]})["main"]
        if not any(outputs):
            return [(*path, name)]
        return [end for output in outputs for link in output for end in unanswered(link["node"], (*path, name))]

    assert unanswered("Spike webhook", ()) == []


def test_flows_are_imported_unpublished_and_without_data() -> None:
    for file in FILES:
        content = flow(file)
        assert (content["active"], content["pinData"]) == (False, {})


def test_a_link_that_leads_nowhere_is_not_built() -> None:
    lost = condition("Lost?", "true", yes="Nobody", no="Lost?", column=0)
    with pytest.raises(ValueError, match="Nobody"):
        workflow("id", "name", [lost], longest_seconds=1)
    twice = code("Decide", "decide.js", then="", column=0)
    with pytest.raises(ValueError, match="stands twice"):
        workflow("id", "name", [twice, twice], longest_seconds=1)
