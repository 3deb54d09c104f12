"""Whether each layer takes every batch: red from the moment that the stream's host says one does not."""

import time
from collections.abc import Iterator, Sequence

import dagster as dg

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.telling import told_if_possible
from firehose_dagster.local.dagster_runs import STREAMS_JOB
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.progress import read_progress

CHECK = "takes_every_batch"
_AGAIN_AFTER_SECONDS = 60.0
_ORDER: Sequence[Table] = (BRONZE, QUARANTINE, SILVER, GOLD, SPIKES, OPS_AUDIT)
"""A layer that fails keeps those behind it from the batch too."""


@dg.multi_asset_check(
    name="layers_take_batches",
    specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=dg.AssetKey([table.name]),
            description="The stream takes every batch into it. While it cannot, bronze goes on alone.",
        )
        for table in _ORDER
    ],
    can_subset=True,
    description="What the running stream says of its layers.",
)
def layers_take_batches(
    context: dg.AssetCheckExecutionContext, firehose: FirehoseResource
) -> Iterator[dg.AssetCheckResult]:
    settings = firehose.settings()
    progress = read_progress(settings) if lease_is_held(settings) else None
    results = _results() if progress is None else _results(progress.failing_table, progress.failing)
    for result in results:
        if dg.AssetCheckKey(result.asset_key, CHECK) in context.selected_asset_check_keys:  # type: ignore[arg-type] # set below
            yield result


class LayerReporter:
    """Turns the checks red when a layer fails, and green again with the next batch through all of them."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        # Not known at first: an earlier host may have left them red.
        self._is_green = False
        self._next_word_at = 0.0

    def failed(self, error: LayerFailedError) -> None:
        """Take note of a failure."""
        self._is_green, self._next_word_at = False, 0.0
        with told_if_possible("a layer's failure"):
            self._context.log.error(f"{error}; bronze goes on")
            _report(self._context, _results(error.table.name, str(error)))

    def took_batch(self) -> None:
        """Take note of a batch that all layers took."""
        now = time.monotonic()
        if not self._is_green and now >= self._next_word_at:
            # The query waits meanwhile: not at each batch where Dagster takes no word.
            self._next_word_at = now + _AGAIN_AFTER_SECONDS
            with told_if_possible("that all layers take batches"):
                _report(self._context, _results())
                self._is_green = True


def _report(context: dg.AssetExecutionContext, results: Sequence[dg.AssetCheckResult]) -> None:
    """As events of the stream's own run: so they stay valid for whatever that run materializes later."""
    for result in results:
        assert result.asset_key is not None  # noqa: S101 - set below
        evaluation = dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=CHECK,
            passed=result.passed,
            severity=result.severity,
            metadata=result.metadata,
        )
        event = dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
            job_name=STREAMS_JOB,
            event_specific_data=evaluation,
        )
        context.instance.report_dagster_event(event, run_id=context.op_execution_context.run_id)


def _results(failing: str | None = None, why: str | None = None) -> list[dg.AssetCheckResult]:
    first = next((at for at, table in enumerate(_ORDER) if table.name == failing), len(_ORDER))
    return [
        dg.AssetCheckResult(
            check_name=CHECK,
            asset_key=dg.AssetKey([table.name]),
            passed=at < first,
            metadata={} if at < first else {"reason": why or ""},
        )
        for at, table in enumerate(_ORDER)
    ]
