"""A connection whose memory has a bound, and that leaves nothing behind."""

from pathlib import Path

from firehose_dagster.lake.bounded_duckdb import bounded_duckdb


def test_memory_threads_and_time_zone_are_as_asked_for_and_the_spill_folder_goes_with_the_connection() -> None:
    asked = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('TimeZone')"
    with bounded_duckdb("test", memory_limit="100MiB", threads=1) as connection:
        assert connection.execute(asked).fetchall() == [("100.0 MiB", 1, "UTC")]
        ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        assert Path(folder).is_dir()
        assert Path(folder).name.startswith("firehose-test-")
    assert not Path(folder).exists()
