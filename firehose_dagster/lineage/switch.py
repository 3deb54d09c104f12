"""Lineage where it is wanted: `OPENLINEAGE_URL` is set. Where it is not, not even the library is imported."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from firehose_dagster.lineage.stages import BatchFigures
from firehose_dagster.settings import Settings


@contextmanager
def stream_lineage(settings: Settings, run_id: str | None = None) -> Iterator[Callable[[BatchFigures], None]]:
    """Tell of the stream that runs in the block, under the id of its Dagster run; call what is yielded with each batch.

    An error that leaves the block is told and goes on.
    """
    if settings.openlineage_url is None:
        yield _tell_nobody
        return
    from firehose_dagster.lineage.stream_lineage import StreamLineage

    with StreamLineage(settings, run_id or str(uuid.uuid4())) as lineage:
        yield lineage.add


@contextmanager
def gateway_lineage(settings: Settings, run_id: str | None = None) -> Iterator[Callable[[int], None]]:
    """Tell of the gateway that runs in the block; call what is yielded with the records delivered since its start."""
    if settings.openlineage_url is None:
        yield _tell_nobody
        return
    from firehose_dagster.lineage.gateway_lineage import GatewayLineage

    with GatewayLineage(settings, run_id or str(uuid.uuid4())) as lineage:
        yield lineage.delivered


def _tell_nobody(_figures: object) -> None:
    """Lineage is off."""
