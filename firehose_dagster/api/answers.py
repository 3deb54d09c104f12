"""The shapes of the answers, for the OpenAPI schema. Rows of tables take their columns from the contracts."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from firehose_dagster.api.shown_columns import DecimalText, Instant, SnapshotId, row_model
from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS
from firehose_dagster.contracts.spike import SpikeKind
from firehose_dagster.contracts.trade_tables import GOLD, SPIKES

GoldMinute = row_model("GoldMinute", GOLD)
SpikeEvent = row_model("SpikeEvent", SPIKES, text=(str, Field(description="The line that the webhook carries.")))
CompletenessHour = row_model(
    "CompletenessHour",
    OPS_COMPLETENESS,
    missing_ranges=(
        list[tuple[int, int]],
        Field(description="The first ranges of missing ids, first and last included."),
    ),
)
AuditRow = row_model("AuditRow", OPS_AUDIT)


class Answer(BaseModel):
    """What every answer says of itself."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    snapshot_ids: dict[str, SnapshotId | None] = Field(
        description="By table, the snapshot that the answer was computed from; null: the table holds nothing."
    )
    read_at: Instant = Field(description="When the snapshots were looked up.")


class PulseWindow(BaseModel):
    """The minutes that a pulse is about; `end` is not included."""

    start: Instant
    end: Instant
    minutes: int


class LastSpike(BaseModel):
    """The newest spike event of the window."""

    spike_id: str
    kind: SpikeKind
    minute: Instant
    score: DecimalText


class SymbolPulse(BaseModel):
    """How one symbol stands; the figures are null where it had no trade in the window."""

    symbol: str
    newest_minute: Instant
    updated_at: Instant
    age_seconds: int
    price: DecimalText | None
    open: DecimalText | None
    high: DecimalText | None
    low: DecimalText | None
    delta_pct: DecimalText | None
    vwap: DecimalText | None
    volume: DecimalText | None
    quote_volume: DecimalText | None
    trades: int
    minutes: int
    is_complete: bool
    incomplete_minutes: int
    spike_status: Literal["none", "price", "volume", "price_and_volume"]
    price_spikes: int
    volume_spikes: int
    last_spike: LastSpike | None


class PulseAnswer(Answer):
    """Of GET /v1/pulse."""

    window: PulseWindow | None
    age_seconds: int | None
    is_fresh: bool
    is_complete: bool
    incomplete_symbols: list[str]
    data: list[SymbolPulse]


class DeliveryRow(BaseModel):
    """An attempt to deliver the webhook, or what became of it."""

    attempt: int
    outcome: str
    http_status: int | None
    detail: str | None
    attempted_at: Instant
    duration_ms: int
    run_id: str


class AcknowledgementData(BaseModel):
    """The first acknowledgement of the spike."""

    spike_id: str
    acknowledged_at: Instant
    detail: str | None
    is_new: bool


class AcknowledgementAnswer(Answer):
    """Of POST /v1/spikes/{spike_id}/acknowledgements."""

    data: AcknowledgementData


class HealthAnswer(Answer):
    """Of GET /v1/health."""

    status: Literal["ok", "stale"]
    newest_minute: Instant | None
    age_seconds: int | None


if TYPE_CHECKING:
    LatestAnswer = MinutesAnswer = SpikesAnswer = SpikeAnswer = CompletenessAnswer = AuditAnswer = Answer
else:
    # Made from row models that are themselves made from contracts, which a type checker cannot follow.

    def _list_answer(name: str, row: type[BaseModel], *, is_paged: bool = True) -> type[BaseModel]:
        paging: dict[str, Any] = {"next_cursor": (str | None, ...)} if is_paged else {}
        return create_model(name, __base__=Answer, data=(list[row], ...), **paging)

    LatestAnswer = _list_answer("LatestAnswer", GoldMinute, is_paged=False)
    MinutesAnswer = _list_answer("MinutesAnswer", GoldMinute)
    SpikesAnswer = _list_answer("SpikesAnswer", SpikeEvent)
    CompletenessAnswer = _list_answer("CompletenessAnswer", CompletenessHour)
    AuditAnswer = _list_answer("AuditAnswer", AuditRow)
    SpikeContext = create_model(
        "SpikeContext",
        spike=(SpikeEvent, ...),
        minute_now=(GoldMinute | None, ...),
        minutes_before=(list[GoldMinute], ...),
        deliveries=(list[DeliveryRow], ...),
        acknowledged_at=(Instant | None, ...),
    )
    SpikeAnswer = create_model("SpikeAnswer", __base__=Answer, data=(SpikeContext, ...))
