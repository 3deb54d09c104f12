"""Row filters of pyiceberg scans, under names that say what they keep.

pyiceberg builds its predicates with pydantic, of which the type checker sees only half; the exemptions are all here.
"""

from collections.abc import Iterable

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
    """Raises ValueError for no condition at all."""
    return _joined(And, conditions)


def any_of(conditions: Iterable[BooleanExpression]) -> BooleanExpression:
    """Raises ValueError for no condition at all."""
    return _joined(Or, conditions)


def _joined(operator: type[And] | type[Or], conditions: Iterable[BooleanExpression]) -> BooleanExpression:
    """A tree as low as it can be: pyiceberg visits it by recursion, and some hundred levels are too many."""
    first, *rest = conditions
    return operator(first, *rest) if rest else first
