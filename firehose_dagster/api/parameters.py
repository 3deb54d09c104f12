"""What a request may ask for. A parameter that is not known is an error, so that a slip does not pass in silence."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from firehose_dagster.contracts.spike import SpikeKind

MAX_WINDOW_MINUTES = 1_440

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def _utc(value: Any) -> datetime:
    """A time with a zone, in UTC; one beyond the calendar's ends is the end."""
    if not isinstance(value, str):
        raise ValueError("is not an ISO 8601 time with a zone, as in 2026-01-01T10:00:00Z")
    try:
        # Python 3.11 reads Z and the basic forms as well; letters may be small by RFC 3339.
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError("is not an ISO 8601 time with a zone, as in 2026-01-01T10:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError("has no zone; write 2026-01-01T10:00:00Z for UTC, and %2B for a + in an address")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST


InstantParameter = Annotated[
    datetime, BeforeValidator(_utc), Field(json_schema_extra={"type": "string", "format": "date-time"})
]
# Spelled out: what `\s` means differs between the languages that read the schema.
_SYMBOL = r"[^,\x00-\x20\x7f-\xa0]{1,40}"
Symbol = Annotated[str, StringConstraints(pattern=rf"^{_SYMBOL}$")]
SymbolList = Annotated[
    str,
    StringConstraints(pattern=rf"^{_SYMBOL}(,{_SYMBOL})*$", max_length=40_000),
    Field(description="Comma separated."),
]
CursorParameter = Annotated[str, StringConstraints(max_length=1_000), Field(description="A `next_cursor`.")]
SpikeId = Annotated[str, StringConstraints(pattern=r"^spike_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SymbolsParameters(_Parameters):
    """Which symbols."""

    symbols: SymbolList | None = None

    @property
    def symbol_list(self) -> list[str]:
        """Each once, in the order given; empty: all."""
        return [] if self.symbols is None else list(dict.fromkeys(self.symbols.split(",")))


class PulseParameters(SymbolsParameters):
    """Of GET /v1/pulse."""

    window_minutes: int = Field(default=60, ge=1, le=MAX_WINDOW_MINUTES)


class RangeParameters(_Parameters):
    """Times and paging, of every list."""

    start: InstantParameter | None = Field(default=None, description="Included.")
    end: InstantParameter | None = Field(default=None, description="Not included.")
    cursor: CursorParameter | None = None

    @property
    def scope(self) -> str:
        """The query without its paging."""
        return self.model_dump_json(exclude={"cursor", "limit"})


class MinutesParameters(RangeParameters):
    """Of GET /v1/minutes."""

    symbol: Symbol
    order: Literal["asc", "desc"] = "asc"
    limit: int = Field(default=1_440, ge=1, le=1_500)


class SpikesParameters(RangeParameters, SymbolsParameters):
    """Of GET /v1/spikes."""

    kind: SpikeKind | None = None
    limit: int = Field(default=100, ge=1, le=1_000)


class SpikeParameters(_Parameters):
    """Of GET /v1/spikes/{spike_id}."""

    context_minutes: int = Field(default=10, ge=0, le=60)


class CompletenessParameters(RangeParameters, SymbolsParameters):
    """Of GET /v1/completeness."""

    only_incomplete: bool = False
    limit: int = Field(default=168, ge=1, le=1_000)


class AuditParameters(RangeParameters):
    """Of GET /v1/audit."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    limit: int = Field(default=100, ge=1, le=1_000)


class AcknowledgementBody(BaseModel):
    """Who processed the spike, and how; both optional."""

    model_config = ConfigDict(extra="forbid")

    acknowledged_by: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    detail: Annotated[str, StringConstraints(max_length=500)] | None = None

    @property
    def text(self) -> str | None:
        """Both in one line, as the lake keeps it."""
        parts = [part for part in (self.acknowledged_by, self.detail) if part]
        return ": ".join(parts) if parts else None
