"""Sensors that must not wait are asked at each look of Dagster's daemon."""

import dagster as dg
import pytest
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME

from firehose_dagster.defs.keep_alive import gateway_keep_alive, streams_keep_alive
from firehose_dagster.defs.spike_sensor import spike_sensor


@pytest.mark.parametrize("sensor", [gateway_keep_alive, streams_keep_alive, spike_sensor], ids=lambda each: each.name)
def test_the_sensor_is_asked_at_each_look_of_the_daemon_and_not_at_every_other(sensor: dg.SensorDefinition) -> None:
    # Dagster passes over a sensor whose interval is not over yet, to the millisecond.
    assert (sensor.minimum_interval_seconds or 0) < MIN_INTERVAL_LOOP_TIME
