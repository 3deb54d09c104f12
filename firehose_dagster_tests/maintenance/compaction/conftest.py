"""What the tests of compaction share: one JVM for all of them, and a lake that they may fill."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from firehose_dagster.lake.jars import JarsMissingError
from firehose_dagster.maintenance.compaction import rewrite_commit, table_compaction
from firehose_dagster.maintenance.compaction.rewrite_jvm import IcebergJvm, iceberg_jvm
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import made_lake


@pytest.fixture(scope="package")
def jvm(tmp_path_factory: pytest.TempPathFactory, usable_java: Path) -> Iterator[IcebergJvm]:
    """One for all: each start takes a second."""
    try:
        with iceberg_jvm(made_lake(tmp_path_factory.mktemp("jvm"))) as started:
            yield started
    except JarsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def lake(tmp_path: Path, jvm: IcebergJvm, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Empty, and compacted by way of that JVM."""
    monkeypatch.setattr(table_compaction, "iceberg_jvm", lambda settings: nullcontext(jvm.of(settings)))
    # Nobody else commits here: there is no gap to wait for.
    monkeypatch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
    return made_lake(tmp_path / "home")
