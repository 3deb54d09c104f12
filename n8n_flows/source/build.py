"""Writes the importable flows from their source: ``python -m n8n_flows.source.build``. A test compares the two."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from n8n_flows.source import market_pulse, spike_explainer
from n8n_flows.source.nodes import Node

FLOWS = Path(__file__).parent.parent


def workflow(flow_id: str, name: str, nodes: Sequence[Node], longest_seconds: int) -> dict[str, Any]:
    """A workflow as `n8n import:workflow` takes it, not yet published. Raises ValueError where a link leads nowhere."""
    names = {node.name for node in nodes}
    links = {target for node in nodes for output in node.leads_to for target in output}
    if not links <= names or len(names) != len(nodes):
        raise ValueError(f"{name}: these links lead nowhere, or a name stands twice: {sorted(links - names)}")
    return {
        "id": flow_id,
        "name": name,
        "active": False,
        "nodes": [node.to_json(flow_id) for node in nodes],
        "connections": {node.name: _links(node) for node in nodes if any(node.leads_to)},
        "settings": {"executionOrder": "v1", "executionTimeout": longest_seconds},
        "pinData": {},
    }


def _links(node: Node) -> dict[str, Any]:
    outputs = [[{"node": target, "type": "main", "index": 0} for target in output] for output in node.leads_to]
    return {"main": outputs}


def flows() -> Mapping[str, dict[str, Any]]:
    """Every flow by the name of its file."""
    return {
        "market_pulse.json": workflow("firehose-market-pulse", "Market Pulse", market_pulse.NODES, longest_seconds=180),
        "spike_explainer.json": workflow(
            "firehose-spike-explainer", "Spike Explainer", spike_explainer.NODES, longest_seconds=45
        ),
    }


def text(flow: Mapping[str, Any]) -> str:
    """The file's content."""
    return json.dumps(flow, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file, flow in flows().items():
        (FLOWS / file).write_text(text(flow))
