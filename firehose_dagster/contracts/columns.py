"""What a column is: a name, a logical type, a meaning. Renderings to engines live in `lake`."""

from dataclasses import dataclass
from enum import Enum


class Scalar(Enum):
    """Logical types without parameters; the value is the Iceberg spelling."""

    STRING = "string"
    LONG = "long"
    INT = "int"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamptz"
    """UTC, microseconds."""
    STRING_LIST = "list<string>"
    LONG_BY_STRING = "map<string, long>"


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number with `precision` digits, `scale` of them behind the point."""

    precision: int
    scale: int


ColumnType = Scalar | Decimal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. `required` means never null."""

    name: str
    type: ColumnType
    doc: str
    required: bool = False


PRICE = Decimal(18, 8)
QTY = Decimal(19, 8)
VOLUME = Decimal(38, 8)
"""Sum of quantities."""
NOTIONAL = Decimal(38, 16)
"""price * qty is exact in it: 18 + 19 digits and one for the carry, 8 + 8 behind the point."""
RATIO = Decimal(38, 8)
"""Returns and scores, rounded half up."""
