from firehose_dagster.simulator.connection_attempts import ConnectionAttempts


def test_attempts_beyond_the_limit_are_refused_until_the_window_has_moved_on() -> None:
    now = 0.0
    attempts = ConnectionAttempts(3, lambda: now)
    assert [attempts.refused_for_seconds("a") for _ in range(3)] == [None, None, None]
    assert attempts.refused_for_seconds("b") is None
    now = 100.0
    assert attempts.refused_for_seconds("a") == 200
    now = 300.0
    assert attempts.refused_for_seconds("a") is None
    assert attempts.total == 6


def test_refused_attempts_count_too() -> None:
    now = 0.0
    attempts = ConnectionAttempts(2, lambda: now)
    for _ in range(2):
        attempts.refused_for_seconds("a")
    now = 100.0
    assert attempts.refused_for_seconds("a") is not None
    now = 200.0
    assert attempts.refused_for_seconds("a") is not None
    now = 350.0
    assert attempts.refused_for_seconds("a") is not None, "those at 100 and 200 s are within 5 minutes"
    now = 651.0
    assert attempts.refused_for_seconds("a") is None
