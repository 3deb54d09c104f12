"""Row filters of pyiceberg scans, under names that say what they keep.

pyiceberg builds its predicates with pydantic, of which the type checker sees only half; the exemptions are all here.
"""

from collections.abc import Iterable
from functools import reduce

from pyiceberg.expressions import (
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    Or,
)

Literal = str | int | bool


def equals(column: str, value: Literal) -> BooleanExpression:
    return EqualTo(column, value)  # type: ignore[call-arg,arg-type] # half seen, see the top


def at_least(column: str, value: Literal) -> BooleanExpression:
    return GreaterThanOrEqual(column, value)  # type: ignore[call-arg,arg-type] # half seen, see the top


def below(column: str, value: Literal) -> BooleanExpression:
    return LessThan(column, value)  # type: ignore[call-arg,arg-type] # half seen, see the top


def one_of(column: str, values: Iterable[str]) -> BooleanExpression:
    return In(column, set(values))  # type: ignore[call-arg,arg-type] # half seen, see the top


def is_null(column: str) -> BooleanExpression:
    return IsNull(column)  # type: ignore[call-arg,arg-type] # half seen, see the top


def all_of(*conditions: BooleanExpression) -> BooleanExpression:
    return reduce(_and, conditions)


def any_of(conditions: Iterable[BooleanExpression]) -> BooleanExpression:
    """Raises TypeError for no condition at all."""
    return reduce(_or, conditions)


def _and(left: BooleanExpression, right: BooleanExpression) -> BooleanExpression:
    return And(left, right)


def _or(left: BooleanExpression, right: BooleanExpression) -> BooleanExpression:
    return Or(left, right)
