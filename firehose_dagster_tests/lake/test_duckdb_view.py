"""A location is the path of a file, whatever its characters mean in a URL or to DuckDB."""

import pytest

from firehose_dagster.lake.duckdb_view import local_path


@pytest.mark.parametrize("path", ["/a b/f", "/a#b/f", "/a%20b/f", "/a;b/f;c", "/a:b/f", "/a's/f"])
@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_a_local_file_is_read_at_the_path_that_its_location_names(prefix: str, path: str) -> None:
    assert local_path(prefix + path) == path


@pytest.mark.parametrize("location", ["s3://bucket/f", "file:///a*/f", "/a[1]/f", "/a?b/f"])
def test_what_duckdb_cannot_name_is_left_to_arrow(location: str) -> None:
    assert local_path(location) is None
