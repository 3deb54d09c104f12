"""The dashboards as code: `python docker/grafana/dashboards.py` writes `dashboards/*.json`, which are committed.

A test compares the files with this, and asks the running API every query in them.
"""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Threshold, VariableRefresh, VariableSort
from infinity_query import FLAG, NUMBER, SOURCE, TEXT, TIME, InfinityQuery
from panels import candles, figure, lines, rows, yes_or_no

FOLDER = Path(__file__).parent / "dashboards"

# Grafana fills these in: the time range of the dashboard, and the symbol chosen in it.
RANGE = {"start": "${__from:date:iso}", "end": "${__to:date:iso}"}
MINUTES = {"symbol": "${symbol}", **RANGE, "order": "desc", "limit": "1500"}
SYMBOL = {"symbols": "${symbol}"}
BATCHES = {"kind": "micro_batch", **RANGE, "limit": "1000"}


def market() -> dict[str, Any]:
    """Prices and volumes: the symbols side by side, then one of them over time."""
    symbol = (
        QueryVariable("symbol")
        .label("Symbol")
        .datasource(SOURCE)
        .query(
            {
                "queryType": "infinity",
                "refId": "variable",
                "infinityQuery": InfinityQuery("/v1/gold/latest", {"symbol": TEXT}, ref_id="variable").to_json(),
            }
        )
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    one = {"price": NUMBER}
    pulse = ("/v1/pulse", {**SYMBOL, "window_minutes": "60"})
    board = (
        _board("firehose-market", "Crypto Firehose: market", "Prices, volumes and spikes, by the minute.")
        .with_variable(symbol)
        .with_panel(figure("Price", _pulse(*pulse, one), "none", "Close of the newest minute.").span(4))
        .with_panel(
            figure(
                "Change, 60 min",
                _pulse(*pulse, {"delta_pct": NUMBER}),
                "percent",
                "Price against the open of the window.",
                [Threshold(color="red"), Threshold(color="green", value=0)],
            ).span(4)
        )
        .with_panel(figure("VWAP, 60 min", _pulse(*pulse, {"vwap": NUMBER}), "none", "Exact in the API.").span(4))
        .with_panel(figure("Volume, 60 min", _pulse(*pulse, {"volume": NUMBER}), "short", "In base units.").span(4))
        .with_panel(
            figure("Spikes, 60 min", _pulse(*pulse, {"spike_status": TEXT}), "string", "By their kinds.").span(4)
        )
        .with_panel(
            figure("Last 60 min", _pulse(*pulse, {"is_complete": FLAG}), "bool", "Whether every trade is held.")
            .mappings(yes_or_no("complete", "incomplete"))
            .span(4)
        )
        .with_panel(
            candles(
                "${symbol}",
                InfinityQuery(
                    "/v1/minutes",
                    {"minute": TIME, **dict.fromkeys(("open", "high", "low", "close", "volume", "vwap"), NUMBER)},
                    MINUTES,
                ),
                "Minutes with trades; at most the newest 1,500 of the range.",
            ).span(24)
        )
        .with_panel(
            lines(
                "Volume over 5 minutes",
                InfinityQuery("/v1/minutes", {"minute": TIME, "volume_5m": NUMBER}, MINUTES),
                "short",
                "volume_5m of gold.",
            ).span(12)
        )
        .with_panel(
            lines(
                "Spike scores",
                InfinityQuery(
                    "/v1/minutes", {"minute": TIME, "price_spike_score": NUMBER, "volume_spike_score": NUMBER}, MINUTES
                ),
                "none",
                "A spike is called where a score reaches its threshold (docs/gold.md).",
            ).span(12)
        )
        .with_panel(
            rows(
                "All symbols, 60 min",
                _pulse(
                    "/v1/pulse",
                    {"window_minutes": "60"},
                    {
                        "symbol": TEXT,
                        **dict.fromkeys(("price", "delta_pct", "vwap", "volume", "trades"), NUMBER),
                        "spike_status": TEXT,
                        "is_complete": FLAG,
                        "age_seconds": NUMBER,
                    },
                ),
                "The pulse of every symbol that traded within 24 hours.",
                {"delta_pct": "percent", "age_seconds": "s"},
            ).span(12)
        )
        .with_panel(
            rows(
                "Spikes of the range",
                InfinityQuery(
                    "/v1/spikes",
                    {
                        "minute": TIME,
                        "symbol": TEXT,
                        "kind": TEXT,
                        "score": NUMBER,
                        "price": NUMBER,
                        "is_complete": FLAG,
                    },
                    {**RANGE, "limit": "200"},
                ),
                "As detected, newest first.",
            ).span(12)
        )
    )
    return _json(board)


def operations() -> dict[str, Any]:
    """Whether the data is there, whole and in time."""
    health = dict.fromkeys(("status",), TEXT)
    board = (
        _board("firehose-operations", "Crypto Firehose: operations", "Freshness, completeness, what the batches did.")
        .with_panel(figure("Gold", InfinityQuery("/v1/health", health, root=""), "string", "ok, or stale.").span(6))
        .with_panel(
            figure(
                "Age of the newest minute",
                InfinityQuery("/v1/health", {"age_seconds": NUMBER}, root=""),
                "s",
                "0 while the newest minute is open.",
                [Threshold(color="green"), Threshold(color="orange", value=60), Threshold(color="red", value=180)],
            ).span(6)
        )
        .with_panel(
            figure(
                "Last 60 min",
                InfinityQuery("/v1/pulse", {"is_complete": FLAG}, {"window_minutes": "60"}, root=""),
                "bool",
                "Whether gold is fresh, and complete for every symbol.",
            )
            .mappings(yes_or_no("complete", "incomplete"))
            .span(6)
        )
        .with_panel(
            figure(
                "Lag of the newest batch",
                InfinityQuery("/v1/audit", {"max_lag_ms": NUMBER}, {"kind": "micro_batch", "limit": "1"}),
                "ms",
                "Largest time from a trade's receipt to its commit in silver.",
                [
                    Threshold(color="green"),
                    Threshold(color="orange", value=10_000),
                    Threshold(color="red", value=60_000),
                ],
            ).span(6)
        )
        .with_panel(lines("Lag", _batches("max_lag_ms"), "ms", "Receipt to commit in silver, by micro-batch.").span(12))
        .with_panel(
            lines(
                "Rows",
                _batches("rows_out", "dq_fail", "duplicates"),
                "short",
                "Of each batch: silver, quarantine, duplicates.",
                bars=True,
            ).span(12)
        )
        .with_panel(
            lines(
                "Rejected, conflicting, late",
                _batches("dq_fail", "conflicts", "late_rows"),
                "short",
                "Rows of each batch.",
            ).span(12)
        )
        .with_panel(
            lines(
                "Gold minutes and spikes", _batches("gold_minutes", "spikes"), "short", "Written by each batch."
            ).span(12)
        )
        .with_panel(
            rows(
                "Hours with missing trades",
                InfinityQuery(
                    "/v1/completeness",
                    {"hour": TIME, "symbol": TEXT, **dict.fromkeys(("expected", "present", "missing"), NUMBER)},
                    {**RANGE, "only_incomplete": "true", "limit": "500"},
                ),
                "Of the range; empty is good.",
            ).span(12)
        )
        .with_panel(
            rows(
                "All hours",
                InfinityQuery(
                    "/v1/completeness",
                    {
                        "hour": TIME,
                        "symbol": TEXT,
                        "present": NUMBER,
                        "exchange_holes": NUMBER,
                        "is_sealed": FLAG,
                        "seal_version": NUMBER,
                    },
                    {**RANGE, "limit": "1000"},
                ),
                "Newest first.",
            ).span(12)
        )
        .with_panel(
            rows(
                "What ran",
                InfinityQuery(
                    "/v1/audit",
                    {
                        "started_at": TIME,
                        "finished_at": TIME,
                        "kind": TEXT,
                        "run_id": TEXT,
                        "rows_in": NUMBER,
                        "detail": TEXT,
                    },
                    {**RANGE, "limit": "200"},
                ),
                "Micro-batches and maintenance, newest first.",
            ).span(24)
        )
    )
    return _json(board)


def write() -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in (("market", market()), ("operations", operations())):
        (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def _board(uid: str, title: str, description: str) -> Dashboard:
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["crypto-firehose"])
        .readonly()
        .timezone("utc")
        .time("now-6h", "now")
        .refresh("10s")
    )


def _pulse(path: str, parameters: dict[str, str], columns: dict[str, str]) -> InfinityQuery:
    return InfinityQuery(path, columns, parameters)


def _batches(*columns: str) -> InfinityQuery:
    return InfinityQuery("/v1/audit", {"started_at": TIME, **dict.fromkeys(columns, NUMBER)}, BATCHES)


def _json(board: Dashboard) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    return content


if __name__ == "__main__":
    write()
