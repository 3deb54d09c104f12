"""What Spark is told of the lake's catalog."""

from pathlib import Path

from firehose_dagster.lake.spark_session import catalog_conf
from firehose_dagster.settings import Settings


def test_spark_gives_up_a_rest_catalog_after_ten_minutes_without_an_answer(tmp_path: Path) -> None:
    conf = catalog_conf(Settings(home=tmp_path, catalog_uri="http://127.0.0.1:1"))
    assert conf["spark.sql.catalog.lake.rest.client.connection-timeout-ms"] == "10000"
    assert conf["spark.sql.catalog.lake.rest.client.socket-timeout-ms"] == "600000"


def test_the_embedded_catalog_has_nothing_of_a_rest_catalog(tmp_path: Path) -> None:
    assert not [key for key in catalog_conf(Settings(home=tmp_path)) if ".rest." in key]
