"""Expiry against readers that pause, a stream that dies and a maintenance that commits: nobody loses what it stands on.

A model of silver and gold, in which every step may come between the plan of an expiry and its commit. 10,000 steps in
all; and each rule of the plan, left out, is missed within them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs, Ref, SnapshotFacts, TableHistory, plan

MIN_AGE = timedelta(minutes=20)
POLICY = ExpiryPolicy(MIN_AGE, min_snapshots=1)
STEPS_IN_ALL = 10_000
TABLES = st.sampled_from(["silver", "silver", "gold"])


@dataclass
class Commit:
    """One snapshot of the model."""

    snapshot_id: int
    parent_id: int | None
    superseded_at: datetime | None = None
    is_stamped: bool = False
    run_id: str | None = None
    silver_id: int | None = None


@dataclass
class ModelTable:
    """Snapshots that are there, the tags on them, and the newest of all."""

    held: dict[int, Commit] = field(default_factory=dict)
    tags: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    current_id: int | None = None

    def commit(self, snapshot: Commit, now: datetime) -> None:
        if self.current_id is not None:
            self.held[self.current_id].superseded_at = now
        self.held[snapshot.snapshot_id] = snapshot
        self.current_id = snapshot.snapshot_id

    def line(self) -> Iterator[Commit]:
        each = None if self.current_id is None else self.held[self.current_id]
        while each is not None:
            yield each
            each = None if each.parent_id is None else self.held.get(each.parent_id)

    def history(self) -> TableHistory:
        return TableHistory(
            self.current_id,
            tuple(
                SnapshotFacts(
                    each.snapshot_id,
                    each.parent_id,
                    each.superseded_at,
                    frozenset({"stamp"}) if each.is_stamped else frozenset(),
                    run_id=each.run_id,
                )
                for each in self.held.values()
            ),
            tuple(Ref(name, snapshot_id, until) for name, (snapshot_id, until) in self.tags.items()),
        )


@dataclass(frozen=True)
class Reader:
    """Holds one state of the lake until `until`; `tag` names its pin, None: it is quick and needs none."""

    silver_id: int
    gold_id: int | None
    until: datetime
    tag: str | None


class Lake(RuleBasedStateMachine):
    """`left_out`: the reason that this machine's expiry does not know."""

    left_out: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.silver, self.gold = ModelTable(), ModelTable()
        self.readers: list[Reader] = []
        self.audited: set[str] = set()
        self.ids = 0
        self.position: int | None = None
        """The batch that silver's newest stamp tells of."""
        self.gold_stands_at: int | None = None
        self.runs: set[str] = set()
        self.planned: dict[str, frozenset[int]] = {}
        """By table: what an expiry is about to remove."""

    def _next_id(self) -> int:
        self.ids += 1
        return self.ids

    @rule(minutes=st.sampled_from([1, 9, 21, 45]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.readers = [each for each in self.readers if each.until > self.now]

    @rule(gold_follows=st.booleans(), is_audited=st.booleans())
    def batch(self, gold_follows: bool, is_audited: bool) -> None:
        """`gold_follows` False: the stream died in between, or nothing changed in gold."""
        snapshot_id = self._next_id()
        run_id = f"run/{snapshot_id}"
        self.silver.commit(Commit(snapshot_id, self.silver.current_id, is_stamped=True, run_id=run_id), self.now)
        self.position = snapshot_id
        self.runs.add(run_id)
        if is_audited:
            self.audited.add(run_id)
        if gold_follows:
            self.gold_stands_at = snapshot_id
            self.gold.commit(
                Commit(self._next_id(), self.gold.current_id, is_stamped=True, silver_id=snapshot_id), self.now
            )

    @rule(on_silver=st.booleans())
    def maintenance_commits(self, on_silver: bool) -> None:
        table = self.silver if on_silver else self.gold
        if table.current_id is not None:
            table.commit(Commit(self._next_id(), table.current_id), self.now)

    @rule()
    def audit_is_rebuilt(self) -> None:
        self.audited |= {each.run_id for each in self.silver.line() if each.run_id is not None}

    @precondition(lambda self: self.silver.current_id is not None)
    @rule(minutes=st.sampled_from([10, 19, 60, 600]))
    def reader_begins(self, minutes: int) -> None:
        """One that is done before the smallest age needs no pin."""
        assert self.silver.current_id is not None
        until = self.now + timedelta(minutes=minutes)
        tag = None if timedelta(minutes=minutes) < MIN_AGE else f"reader.{self._next_id()}"
        self.readers.append(Reader(self.silver.current_id, self.gold.current_id, until, tag))
        if tag is not None:
            self.silver.tags[tag] = (self.silver.current_id, until)
            if self.gold.current_id is not None:
                self.gold.tags[tag] = (self.gold.current_id, until)

    @precondition(lambda self: any(each.tag for each in self.readers))
    @rule(number=st.integers(0, 9))
    def reader_lets_go(self, number: int) -> None:
        pinned = [each for each in self.readers if each.tag]
        reader = pinned[number % len(pinned)]
        assert reader.tag is not None
        self.readers.remove(reader)
        self.silver.tags.pop(reader.tag, None)
        self.gold.tags.pop(reader.tag, None)

    @rule(table=TABLES, at_once=st.booleans())
    def expiry_plans(self, table: str, at_once: bool) -> None:
        if table == "gold":
            self.planned[table] = self._planned(self.gold, Needs())
        else:
            named = {each.silver_id for each in self.gold.held.values() if each.silver_id is not None}
            newest = next((each.silver_id for each in self.gold.line() if each.silver_id is not None), None)
            needs = Needs(
                frozenset(named),
                {} if newest is None else {newest: "gold goes on"},
                frozenset(self.runs - self.audited),
            )
            self.planned[table] = self._planned(self.silver, needs)
        if at_once:
            self.expiry_commits(table)

    def _planned(self, table: ModelTable, needs: Needs) -> frozenset[int]:
        wanted = plan(table.history(), needs, POLICY, self.now)
        left_out = {
            each
            for each, reason in wanted.kept.items()
            if self.left_out is not None and reason.startswith(self.left_out) and each != table.current_id
        }
        return frozenset({*wanted.expire, *left_out})

    @precondition(lambda self: self.planned)
    @rule(table=TABLES)
    def expiry_commits(self, table: str) -> None:
        held: ModelTable = getattr(self, table)
        expired = self.planned.pop(table, frozenset[int]())
        # As `Expiry` does: not where one was named, removed or made current meanwhile.
        named = {snapshot_id for snapshot_id, until in held.tags.values() if until > self.now}
        if not expired <= held.held.keys() or held.current_id in expired:
            return
        if named & expired and self.left_out != "ref":
            return
        for snapshot_id in expired:
            del held.held[snapshot_id]
        held.tags = {name: tag for name, tag in held.tags.items() if tag[0] in held.held and tag[1] > self.now}

    @invariant()
    def every_reader_still_has_its_snapshots(self) -> None:
        type(self).steps += 1
        for reader in self.readers:
            assert reader.silver_id in self.silver.held
            if reader.gold_id is not None:
                assert reader.gold_id in self.gold.held
                named = self._silver_named_by(reader.gold_id)
                assert named is None or named in self.silver.held

    def _silver_named_by(self, gold_id: int) -> int | None:
        """What a reader of this gold snapshot finds by walking back, as `verify` does."""
        each: Commit | None = self.gold.held[gold_id]
        while each is not None and each.silver_id is None:
            assert each.parent_id is None or each.parent_id in self.gold.held, "the stamp is hidden"
            each = None if each.parent_id is None else self.gold.held[each.parent_id]
        return None if each is None else each.silver_id

    @invariant()
    def the_stream_finds_where_to_go_on(self) -> None:
        newest = next((each.snapshot_id for each in self.silver.line() if each.is_stamped), None)
        assert newest == self.position
        assert next((each.silver_id for each in self.gold.line() if each.silver_id is not None), None) == (
            self.gold_stands_at
        )

    @invariant()
    def gold_finds_every_batch_since_it_stood_still(self) -> None:
        if self.gold_stands_at is None:
            return
        line = [each.snapshot_id for each in self.silver.line()]
        assert self.gold_stands_at in line

    @invariant()
    def no_audit_row_is_lost(self) -> None:
        assert self.runs - self.audited <= {each.run_id for each in self.silver.line()}


def _settings(max_examples: int, *phases: Phase) -> settings:
    return settings(
        max_examples=max_examples,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )


def test_nobody_loses_its_snapshot_in_ten_thousand_steps() -> None:
    class Guarded(Lake):
        steps = 0

    run_state_machine_as_test(Guarded, settings=_settings(300, Phase.generate, Phase.shrink))
    assert Guarded.steps >= STEPS_IN_ALL


@pytest.mark.parametrize("rule_left_out", ["position", "ref", "young", "gold goes on", "named", "not audited"])
def test_each_rule_is_missed_when_it_is_left_out(rule_left_out: str) -> None:
    class Unguarded(Lake):
        left_out = rule_left_out

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Unguarded, settings=_settings(300, Phase.generate))
