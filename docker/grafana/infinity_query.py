"""A query of Grafana's Infinity data source on the read API: a path, parameters, and the columns of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="yesoreyeram-infinity-datasource", uid="firehose-api")
"""What `provisioning/datasources/firehose.yaml` makes."""

TEXT, NUMBER, TIME, FLAG = "string", "number", "timestamp", "boolean"
"""Kinds of columns. The API's decimals are text; a `number` column reads them as such."""


@dataclass(frozen=True)
class InfinityQuery(Dataquery, Builder[Dataquery]):
    """Rows under `root` of the answer to GET `path`; `columns` name what they hold, in order."""

    path: str
    columns: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    root: str = "data"
    ref_id: str = "A"

    def build(self) -> Dataquery:
        """Itself: it is complete as it is made."""
        return self

    def to_json(self) -> dict[str, Any]:
        """As Grafana stores it. The parser in the back end sends the token; the browser never sees it."""
        return {
            "refId": self.ref_id,
            "datasource": SOURCE.to_json(),
            "type": "json",
            "parser": "backend",
            "source": "url",
            "format": "table",
            "url": self.path,
            "url_options": {
                "method": "GET",
                "data": "",
                "params": [{"key": key, "value": value} for key, value in self.parameters.items()],
            },
            "root_selector": self.root,
            "columns": [{"selector": name, "text": name, "type": kind} for name, kind in self.columns.items()],
            "filters": [],
        }
