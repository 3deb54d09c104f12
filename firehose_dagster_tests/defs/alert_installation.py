"""A lake with spikes, Dagster, and the sensor that delivers them, for tests of the alert path."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.alerts.delivery import Delivery
from firehose_dagster.alerts.ledger import Ledger
from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.spike_sensor import spike_sensor
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster_tests.alerts.examples import (
    SECRET,
    free_port,
    made_lake,
)


class Installation:
    """A lake, an instance, and the environment that points code at them."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
        self.port = free_port()
        self.settings = made_lake(home, self.port)
        self.instance = instance
        self.cursor: str | None = None
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("FIREHOSE_HOME", str(home))
        monkeypatch.setenv("FIREHOSE_RECEIVER_PORT", str(self.port))
        monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", SECRET)

    def look(self) -> dg.SensorResult:
        """One tick of the sensor; the cursor goes on to the next."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = spike_sensor(context, firehose=FirehoseResource())
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def executed(self) -> dg.DagsterRun:
        """One tick that must execute a run, and that run."""
        before = self.runs()
        told = skip_reason(self.look())
        (run,) = [each for each in self.runs() if each.run_id not in {other.run_id for other in before}]
        assert run.run_id in told
        return run

    def runs(self) -> list[dg.DagsterRun]:
        return [record.dagster_run for record in self.instance.get_run_records()]

    def let_failed_runs_come_again_at_once(self) -> None:
        self.monkeypatch.setattr("firehose_dagster.defs.spike_sensor.BACKOFF", (timedelta(0),))

    def rows(self) -> list[Delivery]:
        rows = Ledger(open_catalog(self.settings)).recent_deliveries(datetime.now(UTC))
        return sorted(rows, key=lambda row: (row.attempted_at, row.attempt))

    def history(self) -> list[tuple[str, int, str]]:
        return [(row.key.symbol, row.attempt, row.outcome) for row in self.rows()]

    def make_due(self) -> None:
        """As if the last attempts had been made an hour ago: their rows are written anew with an older time."""
        earlier = self.rows()
        catalog = open_catalog(self.settings)
        table = catalog.load_table(OPS_DELIVERIES.identifier)
        table.delete("attempt >= 1")
        Ledger(catalog).append(
            [
                Delivery(
                    row.key,
                    row.attempt,
                    row.outcome,
                    row.http_status,
                    row.detail,
                    row.attempted_at - timedelta(hours=1),
                    row.duration_ms,
                    row.run_id,
                )
                for row in earlier
            ]
        )


def skip_reason(result: dg.SensorResult) -> str:
    """What a tick said."""
    return str(result.skip_reason.skip_message if isinstance(result.skip_reason, dg.SkipReason) else result.skip_reason)


def refuse(*_: object) -> None:
    """In place of a call that writes or reads the lake."""
    raise OSError("disk full")
