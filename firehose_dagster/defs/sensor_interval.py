"""How often a sensor is asked that must not wait."""

EACH_LOOK_SECONDS = 4
"""Dagster's daemon looks at its sensors every 5 s, and passes over one whose interval is not over to the millisecond:
an interval of 5 is a moment too long at every other look, and means 10."""
