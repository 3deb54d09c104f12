"""Conditions as a pyiceberg row filter, for tables whose rows another engine deleted."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any

from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
)

from firehose_dagster.api.conditions import Condition

_PREDICATES: dict[str, Any] = {
    "=": EqualTo,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
    "in": In,
}


def row_filter(conditions: Sequence[Condition]) -> BooleanExpression:
    """All of the conditions."""
    everything: BooleanExpression = AlwaysTrue()
    predicates: list[BooleanExpression] = [
        _PREDICATES[condition.operator](condition.column, _literal(condition)) for condition in conditions
    ]
    return reduce(_and, predicates, everything)


def _and(left: BooleanExpression, right: BooleanExpression) -> BooleanExpression:
    return And(left, right)


def _literal(condition: Condition) -> Any:
    if condition.operator == "in":
        return set(condition.value)
    return condition.value.isoformat() if isinstance(condition.value, datetime) else condition.value
