"""Compaction through a REST catalog on S3: the same code, other stores."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.jars import JarsMissingError, spark_jars
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import answers_ok
from firehose_dagster.maintenance.compaction import rewrite_commit, rewrite_files
from firehose_dagster.maintenance.compaction.proof import CompactionProofError
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import closed_hour, paths, rows_of
from firehose_dagster_tests.stack.object_store import ObjectStore, object_store
from firehose_dagster_tests.stack.rest_server_jars import MAIN_CLASS, rest_server_jars
from firehose_dagster_tests.stack.service import Service

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.slow]


def _rest_catalog(folder: Path, port: int, store: ObjectStore, java: Path) -> Service:
    jars = [*rest_server_jars(Settings().jars_dir.parent, java), *spark_jars(Settings().jars_dir)]
    sqlite = [jar for jar in jars if "sqlite" in jar.name or jar.parent.name.startswith("test-iceberg-rest")]
    return Service(
        name="catalog",
        command=(str(java), "-Xmx256m", "-cp", os.pathsep.join(str(jar) for jar in sqlite), MAIN_CLASS),
        log=folder / "catalog.log",
        is_ready=lambda: answers_ok(f"http://127.0.0.1:{port}/v1/config"),
        environment={
            "CATALOG_CATALOG__IMPL": "org.apache.iceberg.jdbc.JdbcCatalog",
            "CATALOG_URI": f"jdbc:sqlite:{folder / 'rest.db'}",
            "CATALOG_JDBC_SCHEMA__VERSION": "V1",
            "CATALOG_WAREHOUSE": "s3://lake/wh",
            "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
            "CATALOG_S3_ENDPOINT": store.endpoint,
            "CATALOG_S3_PATH__STYLE__ACCESS": "true",
            "CATALOG_S3_ACCESS__KEY__ID": store.key,
            "CATALOG_S3_SECRET__ACCESS__KEY": store.secret,
            "AWS_REGION": "us-east-1",
            "CATALOG_REST_PORT": str(port),
        },
    )


@pytest.fixture
def lake(tmp_path: Path, usable_java: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
    (port,) = free_ports(1)
    with object_store(tmp_path / "s3") as store:
        try:
            catalog = _rest_catalog(tmp_path, port, store, usable_java)
        except JarsMissingError as error:
            pytest.skip(str(error))
        try:
            catalog.start()
            settings = Settings(
                home=tmp_path / "home",
                catalog_uri=f"http://127.0.0.1:{port}",
                s3_endpoint=store.endpoint,
                s3_access_key=SecretStr(store.key),
                s3_secret_key=SecretStr(store.secret),
            )
            create_tables(open_catalog(settings))
            yield settings
        finally:
            catalog.stop()


def test_files_on_s3_are_merged_proved_and_put_back(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    closed_hour(lake)
    before, files = rows_of(lake), paths(lake)
    write = rewrite_files.write_parquet
    with monkeypatch.context() as spoiled:
        spoiled.setattr("firehose_dagster.maintenance.compaction.run.prove_written", lambda *_: None)
        spoiled.setattr(
            rewrite_files, "write_parquet", lambda stream, contract, rows: write(stream, contract, rows.slice(1))
        )
        with pytest.raises(CompactionProofError, match="rows: 24 before, 23 after"):
            compact(lake, SILVER)
    assert paths(lake) == files
    assert rows_of(lake) == before

    assert compact(lake, SILVER).rewritten[0].files_before == 6
    assert len(paths(lake)) == 2
    assert all(path.startswith("s3://lake/") for path in paths(lake))
    assert rows_of(lake) == before
