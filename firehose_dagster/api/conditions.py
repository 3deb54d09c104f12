"""What rows are wanted: conditions that prune data files by their bounds and become SQL with parameters. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Operator = Literal["=", "<", "<=", ">", ">=", "in"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a snapshot, with the lowest and highest value of the columns that queries ask for.

    A bound may be wider than the values (long texts are cut); a column without bounds may hold anything.
    """

    location: str
    bounds: Mapping[str, tuple[Any, Any]] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """`column operator value`; for `in` the value is a sequence."""

    column: str
    operator: Operator
    value: Any

    def may_hold(self, file: DataFile) -> bool:
        """Whether a row of the file can meet it; never false where one does."""
        if self.column not in file.bounds:
            return True
        low, high = file.bounds[self.column]
        match self.operator:
            case "=":
                return bool(low <= self.value <= high)
            case "in":
                return any(low <= value <= high for value in self.value)
            case "<":
                return bool(low < self.value)
            case "<=":
                return bool(low <= self.value)
            case ">":
                return bool(high > self.value)
            case ">=":
                return bool(high >= self.value)

    @property
    def sql(self) -> str:
        """With a question mark for each of `parameters`."""
        if self.operator != "in":
            return f'"{self.column}" {self.operator} ?'
        return f'"{self.column}" IN ({", ".join("?" * len(self.value))})' if self.value else "false"

    @property
    def parameters(self) -> Sequence[Any]:
        """The values of `sql`."""
        return self.value if self.operator == "in" else (self.value,)


def pruned(files: Sequence[DataFile], conditions: Sequence[Condition]) -> list[DataFile]:
    """The files that may hold a row that meets all conditions."""
    return [file for file in files if all(condition.may_hold(file) for condition in conditions)]
