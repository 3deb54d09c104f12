"""A connection whose memory has a bound, and that leaves nothing behind."""

from pathlib import Path

import duckdb

from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.settings import Settings
from firehose_dagster.verification.pinned_lake import pin


def test_memory_threads_and_time_zone_are_as_asked_for_and_the_spill_folder_goes_with_the_connection() -> None:
    asked = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('TimeZone')"
    with bounded_duckdb("test", memory_limit="100MiB", threads=1) as connection:
        assert connection.execute(asked).fetchall() == [("100.0 MiB", 1, "UTC")]
        ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        assert Path(folder).is_dir()
        assert Path(folder).name.startswith("firehose-test-")
    assert not Path(folder).exists()


def _spills_to(connection: duckdb.DuckDBPyConnection) -> Path:
    ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
    return Path(folder)


def test_it_spills_where_it_is_told_to_and_leaves_nothing_there(tmp_path: Path) -> None:
    with bounded_duckdb("test", spill_under=tmp_path / "spill") as connection:
        folder = _spills_to(connection)
        assert folder.is_dir()
        assert folder.parent == tmp_path / "spill"
    assert list((tmp_path / "spill").iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    (tmp_path / "firehose-verify-killed").mkdir()
    (tmp_path / "firehose-verify-killed" / "duckdb_temp_storage_0.tmp").write_text("spilled")
    with bounded_duckdb("test", spill_under=tmp_path) as living, bounded_duckdb("test", spill_under=tmp_path) as next_:
        assert set(tmp_path.iterdir()) == {_spills_to(living), _spills_to(next_)}


def test_a_verification_spills_under_its_home_and_not_to_memory(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pin(settings) as lake:
        assert _spills_to(lake.connection).parent == settings.spill_dir
