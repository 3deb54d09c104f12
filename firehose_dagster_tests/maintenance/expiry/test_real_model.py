"""The model of `test_expiry_model.py` in small, on a real table: who pinned reads its rows, whatever was expired."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pyiceberg.table import Table

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.readers import pin, release
from firehose_dagster.maintenance.expiry.table_expiry import Expiry
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake, on_disk, overwrite, reached

AT_ONCE = ExpiryPolicy(timedelta(0), 1)


class _Killed(BaseException):
    """The expiry dies here."""


class RealLake(RuleBasedStateMachine):
    """One table, readers that pin, a stream that stamps, an expiry that may be killed anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.settings, self.catalog = make_lake(Path(self.folder.name))
        self.readers: dict[str, tuple[int, list[str]]] = {}
        self.stamped = 0
        self.batch(0)

    def _table(self) -> Table:
        return self.catalog.load_table(IDENTIFIER)

    def _rows(self, snapshot_id: int) -> list[str]:
        return sorted(self._table().scan(snapshot_id=snapshot_id).to_arrow()["spike_id"].to_pylist())

    @rule(day=st.integers(0, 3))
    def batch(self, day: int) -> None:
        self.stamped += 1
        append(self.catalog, day, **{OFFSETS: str(self.stamped)})

    @rule(day=st.integers(0, 3))
    def rows_are_replaced(self, day: int) -> None:
        overwrite(self.catalog, day)

    @rule()
    def reader_pins(self) -> None:
        name = f"r{len(self.readers)}-{self.stamped}"
        (held,) = pin(self.catalog, name, {IDENTIFIER: None}, min_age=timedelta(hours=1))
        self.readers[name] = (held.snapshot_id, self._rows(held.snapshot_id))

    @precondition(lambda self: self.readers)
    @rule(number=st.integers(0, 9))
    def reader_lets_go(self, number: int) -> None:
        name = sorted(self.readers)[number % len(self.readers)]
        release(self.catalog, name, [IDENTIFIER])
        del self.readers[name]

    @rule(dies_at=st.sampled_from([None, None, "journal written", "committed", "files removed"]))
    def expiry(self, dies_at: str | None) -> None:
        def die(step: str) -> None:
            if step == dies_at:
                raise _Killed

        run = Expiry(self.settings, self.catalog, "ops_deliveries", IDENTIFIER, quiet_after_seconds=0, on_step=die)
        try:
            run.run(lambda _: Needs(), AT_ONCE)
        except _Killed:
            return
        table = self._table()
        wanted = reached(table, table.metadata.snapshots)
        assert on_disk(table, "data") <= wanted

    @invariant()
    def every_reader_reads_what_it_pinned(self) -> None:
        for snapshot_id, rows in self.readers.values():
            assert self._rows(snapshot_id) == rows

    @invariant()
    def the_position_is_found(self) -> None:
        assert newest_stamp(self._table(), OFFSETS) == str(self.stamped)

    def teardown(self) -> None:
        self.folder.cleanup()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
def test_on_a_real_table_no_reader_loses_its_rows() -> None:
    run_state_machine_as_test(
        RealLake,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
