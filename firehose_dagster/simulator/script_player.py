"""Plays scripts of faults, any number at a time."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from firehose_dagster.simulator.fault_board import FaultBoard, Outcome
from firehose_dagster.simulator.fault_script import TimedFault

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Played:
    script: tuple[TimedFault, ...]
    outcomes: list[Outcome] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    @property
    def is_finished(self) -> bool:
        return self.task is not None and self.task.done()


class ScriptPlayer:
    """Scripts by number, in the order they were started."""

    def __init__(self, board: FaultBoard) -> None:
        self._board = board
        self._played: list[_Played] = []

    def start(self, script: Sequence[TimedFault]) -> int:
        """Play from now on; the number to ask for. Raises `UnknownSymbolError` before anything happens."""
        for timed in script:
            self._board.require_known(timed.fault)
        played = _Played(tuple(sorted(script, key=lambda timed: timed.at_seconds)))
        played.task = asyncio.create_task(self._play(played))
        self._played.append(played)
        return len(self._played) - 1

    def status(self) -> list[dict[str, object]]:
        """Each script: whether it is over, and each fault that happened with what it did."""
        return [
            {
                "finished": played.is_finished,
                "faults": len(played.script),
                "happened": [
                    {**msgspec.to_builtins(timed), "outcome": outcome}
                    for timed, outcome in zip(played.script, played.outcomes, strict=False)
                ],
            }
            for played in self._played
        ]

    async def close(self) -> None:
        """Stop what is playing."""
        tasks = [played.task for played in self._played if played.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _play(self, played: _Played) -> None:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        for timed in played.script:
            await asyncio.sleep(max(0.0, started_at + timed.at_seconds - loop.time()))
            outcome = await self._board.apply(timed.fault)
            played.outcomes.append(outcome)
            logger.info("event=fault kind=%s symbols=%s", timed.fault.kind, ",".join(timed.fault.symbols) or "all")
