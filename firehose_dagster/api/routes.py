"""The paths under /v1: each pins the tables it reads, computes, and answers with the snapshot ids."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Body, Depends, Query, Request, Response

from firehose_dagster.alerts.acknowledgement import Acknowledgement, acknowledge
from firehose_dagster.alerts.delivery import SpikeKey
from firehose_dagster.api import answers
from firehose_dagster.api.gold_minutes import MINUTE
from firehose_dagster.api.lake_access import LakeAccess, Pins
from firehose_dagster.api.ops_tables import audit_page, completeness_page
from firehose_dagster.api.own_site import own_site_check
from firehose_dagster.api.paging import Page
from firehose_dagster.api.parameters import (
    AcknowledgementBody,
    AuditParameters,
    CompletenessParameters,
    MinutesParameters,
    PulseParameters,
    SpikeId,
    SpikeParameters,
    SpikesParameters,
    SymbolsParameters,
)
from firehose_dagster.api.problems import ApiProblem
from firehose_dagster.api.pulse import FRESH_FOR, age_seconds, whole_pulse
from firehose_dagster.api.pulse_reader import end_of_gold
from firehose_dagster.api.shown_columns import instant
from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS, OPS_DELIVERIES
from firehose_dagster.contracts.trade_tables import GOLD, SPIKES

router = APIRouter(prefix="/v1")
open_router = APIRouter(prefix="/v1")
"""What is answered without a token."""


def _lake(request: Request) -> LakeAccess:
    return cast(LakeAccess, request.app.state.lake)


def _answer(pins: Pins, content: dict[str, Any], status: int = 200) -> Response:
    """Encoded as it is: rows come from DuckDB in the shape that the schema promises, which tests check."""
    body = {"snapshot_ids": pins.snapshot_ids(), "read_at": instant(pins.read_at), **content}
    return Response(
        msgspec.json.encode(body), status, headers={"Cache-Control": "no-store"}, media_type="application/json"
    )


def _page(pins: Pins, page: Page) -> Response:
    return _answer(pins, {"data": page.rows, "next_cursor": page.next_cursor})


@router.get("/pulse", response_model=answers.PulseAnswer, summary="How each symbol stands over the last minutes")
def pulse(request: Request, query: Annotated[PulseParameters, Query()]) -> Response:
    lake = _lake(request)
    wanted = frozenset(query.symbol_list)
    pins, entries = lake.answer(
        (GOLD, SPIKES), lambda pins: lake.pulse.entries(pins[GOLD], pins[SPIKES], query.window_minutes)
    )
    chosen = [entry for entry in entries if not wanted or entry["symbol"] in wanted]
    return _answer(pins, whole_pulse(chosen, end_of_gold(pins[GOLD]), query.window_minutes, datetime.now(UTC)))


@router.get("/gold/latest", response_model=answers.LatestAnswer, summary="The newest minute of each symbol")
def latest(request: Request, query: Annotated[SymbolsParameters, Query()]) -> Response:
    lake = _lake(request)
    pins, rows = lake.answer((GOLD,), lambda pins: lake.gold.latest(pins[GOLD], frozenset(query.symbol_list)))
    return _answer(pins, {"data": rows})


@router.get("/minutes", response_model=answers.MinutesAnswer, summary="Gold minutes of one symbol")
def minutes(request: Request, query: Annotated[MinutesParameters, Query()]) -> Response:
    lake = _lake(request)
    pins, page = lake.answer(
        (GOLD,),
        lambda pins: lake.gold.of_symbol(
            pins[GOLD],
            query.symbol,
            query.start,
            query.end,
            descending=query.order == "desc",
            limit=query.limit,
            cursor=query.cursor,
        ),
    )
    return _page(pins, page)


@router.get("/spikes", response_model=answers.SpikesAnswer, summary="Spike events, newest first")
def spikes(request: Request, query: Annotated[SpikesParameters, Query()]) -> Response:
    lake = _lake(request)
    pins, page = lake.answer((SPIKES,), lambda pins: lake.spikes.page(pins[SPIKES], query))
    return _page(pins, page)


@router.get("/spikes/{spike_id}", response_model=answers.SpikeAnswer, summary="One spike and what surrounds it")
def spike(request: Request, spike_id: SpikeId, query: Annotated[SpikeParameters, Query()]) -> Response:
    lake = _lake(request)

    def compute(pins: Pins) -> dict[str, Any]:
        event = lake.spikes.one(pins[SPIKES], spike_id)
        if event is None:
            raise _no_spike(spike_id)
        minute = datetime.fromisoformat(event["minute"])
        start = minute - timedelta(minutes=query.context_minutes)
        encoded = lake.gold.of_symbol(pins[GOLD], event["symbol"], start, minute + MINUTE).rows
        around = [msgspec.json.decode(row) for row in encoded]
        deliveries = lake.spikes.deliveries(pins[OPS_DELIVERIES], spike_id)
        acknowledged = [row["attempted_at"] for row in deliveries if row["outcome"] == "acknowledged"]
        return {
            "spike": event,
            "minute_now": next((row for row in around if row["minute"] == event["minute"]), None),
            "minutes_before": [row for row in around if row["minute"] != event["minute"]],
            "deliveries": deliveries,
            "acknowledged_at": min(acknowledged, default=None),
        }

    pins, data = lake.answer((SPIKES, GOLD, OPS_DELIVERIES), compute)
    return _answer(pins, {"data": data})


@router.post(
    "/spikes/{spike_id}/acknowledgements",
    response_model=answers.AcknowledgementAnswer,
    status_code=201,
    responses={200: {"model": answers.AcknowledgementAnswer, "description": "Acknowledged before"}},
    dependencies=[Depends(own_site_check)],
    summary="Say that a receiver processed the spike",
)
def acknowledge_spike(
    request: Request, spike_id: SpikeId, body: Annotated[AcknowledgementBody | None, Body()] = None
) -> Response:
    lake = _lake(request)
    text = None if body is None else body.text

    def compute(pins: Pins) -> Acknowledgement:
        event = lake.spikes.one(pins[SPIKES], spike_id)
        if event is None:
            raise _no_spike(spike_id)
        key = SpikeKey(spike_id, event["symbol"], datetime.fromisoformat(event["minute"]), event["kind"])
        with lake.writing:
            return acknowledge(lake.ledger, key, text, datetime.now(UTC))

    _, acknowledgement = lake.answer((SPIKES,), compute)
    lake.forget((OPS_DELIVERIES,))
    pins, _ = lake.answer((SPIKES, OPS_DELIVERIES), _nothing)
    data = {
        "spike_id": spike_id,
        "acknowledged_at": instant(acknowledgement.row.attempted_at),
        "detail": acknowledgement.row.detail,
        "is_new": acknowledgement.is_new,
    }
    return _answer(pins, {"data": data}, 201 if acknowledgement.is_new else 200)


@router.get("/completeness", response_model=answers.CompletenessAnswer, summary="What is held, by symbol and hour")
def completeness(request: Request, query: Annotated[CompletenessParameters, Query()]) -> Response:
    lake = _lake(request)
    pins, page = lake.answer(
        (OPS_COMPLETENESS,), lambda pins: completeness_page(lake.reader, pins[OPS_COMPLETENESS], query)
    )
    return _page(pins, page)


@router.get("/audit", response_model=answers.AuditAnswer, summary="Micro-batches and maintenance runs, newest first")
def audit(request: Request, query: Annotated[AuditParameters, Query()]) -> Response:
    lake = _lake(request)
    pins, page = lake.answer((OPS_AUDIT,), lambda pins: audit_page(lake.reader, pins[OPS_AUDIT], query))
    return _page(pins, page)


@open_router.get("/health", response_model=answers.HealthAnswer, summary="Whether the lake answers, and how old it is")
def health(request: Request) -> Response:
    pins, ended_at = _lake(request).answer((GOLD,), lambda pins: end_of_gold(pins[GOLD]))
    age = age_seconds(ended_at, datetime.now(UTC))
    is_fresh = age is not None and age <= FRESH_FOR.total_seconds()
    newest = None if ended_at is None else instant(ended_at - MINUTE)
    return _answer(pins, {"status": "ok" if is_fresh else "stale", "newest_minute": newest, "age_seconds": age})


def _no_spike(spike_id: str) -> ApiProblem:
    return ApiProblem("not-found", f"the lake holds no spike {spike_id}")


def _nothing(_pins: Pins) -> Sequence[object]:
    return ()
