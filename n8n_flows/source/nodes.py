"""The kinds of n8n node that the flows are made of, each with the options that every use of it shares."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SOURCE = Path(__file__).parent
_NODE_NAMESPACE = uuid.UUID("9a1c1a52-7f0b-5b6e-9a52-1d0a6a3f5e10")
_ROW_HEIGHT = 180
_COLUMN_WIDTH = 220

MEMORY_TABLE = "crypto_spike_deliveries"
MEMORY_COLUMNS: Mapping[str, Literal["string", "number"]] = {"webhook_id": "string", "event": "string", "at": "number"}
"""An event is `claim`, `slack`, `jira` or `done`; `at` is in epoch milliseconds."""


@dataclass(frozen=True)
class Node:
    """A node and where its outputs lead: one list of node names an output, in the order of its outputs."""

    name: str
    type: str
    version: float
    parameters: Mapping[str, Any]
    leads_to: Sequence[Sequence[str]] = ((),)
    settings: Mapping[str, Any] = field(default_factory=dict)
    column: int = 0
    row: int = 0

    def to_json(self, flow: str) -> dict[str, Any]:
        """As it stands in a workflow file; its id is the same at every build."""
        return {
            "id": str(uuid.uuid5(_NODE_NAMESPACE, f"{flow}/{self.name}")),
            "name": self.name,
            "type": f"n8n-nodes-base.{self.type}",
            "typeVersion": self.version,
            "position": [self.column * _COLUMN_WIDTH, self.row * _ROW_HEIGHT],
            "parameters": dict(self.parameters),
            **self.settings,
        }


def code(name: str, *files: str, then: str, column: int, row: int = 0) -> Node:
    """JavaScript from these files of this folder, one behind the other: Code nodes cannot import each other."""
    text = "\n".join((SOURCE / file).read_text() for file in files)
    return Node(name, "code", 2, {"mode": "runOnceForAllItems", "jsCode": text}, _to(then), {}, column, row)


def condition(name: str, expression: str, *, yes: str, no: str, column: int, row: int = 0) -> Node:
    """Goes to `yes` where the expression is true, else to `no`."""
    conditions = {
        "options": {"caseSensitive": True, "leftValue": "", "typeValidation": "strict", "version": 2},
        "conditions": [
            {
                "id": str(uuid.uuid5(_NODE_NAMESPACE, name)),
                "leftValue": f"={{{{ {expression} }}}}",
                "rightValue": True,
                "operator": {"type": "boolean", "operation": "true", "singleValue": True},
            }
        ],
        "combinator": "and",
    }
    return Node(name, "if", 2.2, {"conditions": conditions, "options": {}}, ((yes,), (no,)), {}, column, row)


def request(
    name: str,
    url: str,
    *,
    then: str,
    column: int,
    row: int = 0,
    method: str = "GET",
    body: str = "",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    timeout_ms: int = 3_000,
    tries: int = 1,
) -> Node:
    """An HTTP call whose failure does not end the flow: the next node finds `statusCode`, or none."""
    parameters: dict[str, Any] = {"method": method, "url": url}
    if query:
        parameters |= {"sendQuery": True, "queryParameters": _pairs(query)}
    if headers:
        parameters |= {"sendHeaders": True, "headerParameters": _pairs(headers)}
    if body:
        parameters |= {"sendBody": True, "specifyBody": "json", "jsonBody": f"={{{{ {body} }}}}"}
    # A status that n8n takes for an error is what makes it try again.
    response = {"response": {"response": {"fullResponse": True, "neverError": tries == 1}}}
    parameters["options"] = {"timeout": timeout_ms, "redirect": {"redirect": {"followRedirects": False}}, **response}
    settings: dict[str, Any] = {"onError": "continueRegularOutput"}
    if tries > 1:
        settings |= {"retryOnFail": True, "maxTries": tries, "waitBetweenTries": 1_000}
    return Node(name, "httpRequest", 4.2, parameters, _to(then), settings, column, row)


def respond(name: str, status: str, body: str, *, then: str = "", column: int, row: int = 0) -> Node:
    """The answer to the webhook's sender; both arguments are expressions."""
    parameters = {
        "respondWith": "json",
        "responseBody": f"={{{{ JSON.stringify({body}) }}}}",
        "options": {"responseCode": f"={{{{ {status} }}}}"},
    }
    return Node(name, "respondToWebhook", 1.5, parameters, _to(then), {}, column, row)


def memory_table(name: str, *, then: str, column: int, row: int = 0) -> Node:
    """Makes the data table where it is not there."""
    parameters = {
        "resource": "table",
        "operation": "create",
        "tableName": MEMORY_TABLE,
        "columns": {"column": [{"name": column, "type": kind} for column, kind in MEMORY_COLUMNS.items()]},
        "options": {"createIfNotExists": True},
    }
    return Node(name, "dataTable", 1.1, parameters, ((then,),), {}, column, row)


def remember(name: str, event: str, webhook_id: str, *, then: str, column: int, row: int = 0) -> Node:
    """Appends an event of this delivery to the data table."""
    values = {"webhook_id": f"={{{{ {webhook_id} }}}}", "event": event, "at": "={{ Date.now() }}"}
    columns = {
        "mappingMode": "defineBelow",
        "value": values,
        "matchingColumns": [],
        "schema": [
            {
                "id": column,
                "displayName": column,
                "required": False,
                "defaultMatch": False,
                "display": True,
                "type": kind,
                "readOnly": False,
                "removed": False,
            }
            for column, kind in MEMORY_COLUMNS.items()
        ],
        "attemptToConvertTypes": False,
        "convertFieldsToString": False,
    }
    return _rows(name, "insert", then, column, row, {"columns": columns, "options": {}})


def recall(name: str, webhook_id: str, *, then: str, column: int, row: int = 0) -> Node:
    """All events of this delivery, one an item."""
    parameters = {"returnAll": True, **_where("webhook_id", "eq", webhook_id)}
    return _rows(name, "get", then, column, row, parameters)


def forget(name: str, column_name: str, comparison: str, value: str, *, then: str, column: int, row: int = 0) -> Node:
    """Deletes the events that compare so."""
    node = _rows(name, "deleteRows", then, column, row, _where(column_name, comparison, value))
    return Node(
        node.name, node.type, node.version, node.parameters, node.leads_to, {"alwaysOutputData": True}, column, row
    )


def _rows(name: str, operation: str, then: str, column: int, row: int, parameters: Mapping[str, Any]) -> Node:
    table = {"__rl": True, "mode": "name", "value": MEMORY_TABLE}
    whole = {"resource": "row", "operation": operation, "dataTableId": table, **parameters}
    return Node(name, "dataTable", 1.1, whole, _to(then), {}, column, row)


def _to(then: str) -> Sequence[Sequence[str]]:
    """One output, which leads to the node of this name; none: the flow ends."""
    return ((then,),) if then else ((),)


def _where(column: str, comparison: str, value: str) -> dict[str, Any]:
    condition = {"keyName": column, "condition": comparison, "keyValue": f"={{{{ {value} }}}}"}
    return {"matchType": "allConditions", "filters": {"conditions": [condition]}}


def _pairs(values: Mapping[str, str]) -> dict[str, Any]:
    return {"parameters": [{"name": name, "value": value} for name, value in values.items()]}
