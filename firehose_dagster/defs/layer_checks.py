"""Whether each layer takes every batch: red from the moment that the stream's host says one does not."""

from collections.abc import Iterator, Sequence

import dagster as dg

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.progress import read_progress

CHECK = "takes_every_batch"
_ORDER: Sequence[Table] = (BRONZE, QUARANTINE, SILVER, GOLD, SPIKES)
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
    failing = None if progress is None else progress.failing
    for result in _results(failing):
        if dg.AssetCheckKey(result.asset_key, CHECK) in context.selected_asset_check_keys:  # type: ignore[arg-type] # set below
            yield result


class LayerReporter:
    """Turns the checks red when a layer fails, and green again with the next batch through all of them."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._is_failing = False

    def failed(self, error: LayerFailedError) -> None:
        """Take note of a failure."""
        self._is_failing = True
        self._context.log.error(f"{error}; bronze goes on")
        _report(self._context.instance, _results(str(error)))

    def took_batch(self) -> None:
        """Take note of a batch that all layers took."""
        if self._is_failing:
            self._is_failing = False
            _report(self._context.instance, _results(None))


def _report(instance: dg.DagsterInstance, results: Sequence[dg.AssetCheckResult]) -> None:
    for result in results:
        assert result.asset_key is not None  # noqa: S101 - set below
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=result.asset_key,
                check_name=CHECK,
                passed=result.passed,
                severity=result.severity,
                metadata=result.metadata,
            )
        )


def _results(failing: str | None) -> list[dg.AssetCheckResult]:
    first = None if failing is None else next((at for at, table in enumerate(_ORDER) if table.name in failing), None)
    return [
        dg.AssetCheckResult(
            check_name=CHECK,
            asset_key=dg.AssetKey([table.name]),
            passed=first is None or at < first,
            metadata={} if first is None or at < first else {"reason": failing or ""},
        )
        for at, table in enumerate(_ORDER)
    ]
