"""The Spark configuration under which the lake is written and read: catalog, jars, and what micro-batches need."""

from collections.abc import Mapping

from pyspark.sql import SparkSession

from firehose_dagster.contracts.table import CATALOG
from firehose_dagster.lake.catalog import s3_properties, sqlite_path, warehouse_properties
from firehose_dagster.lake.jars import spark_jars
from firehose_dagster.settings import Settings

_LOOPBACK = "127.0.0.1"
_CATALOG_CONNECT_SECONDS = 10
_CATALOG_ANSWER_SECONDS = 600
"""Longer than any commit takes: one that is given up and carried out later ends the stream (decision 22)."""
_EXECUTOR_LOG_BYTES = 16 * 1024 * 1024
_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"


def catalog_conf(settings: Settings) -> Mapping[str, str]:
    """The `spark.sql.catalog.*` keys of the lake: JDBC on SQLite when embedded, REST and S3 otherwise."""
    prefix = f"spark.sql.catalog.{CATALOG}"
    conf = {
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        **{f"{prefix}.{key}": value for key, value in warehouse_properties(settings).items()},
        # Each streaming query has its own session and so its own cache: it would read stale tables.
        f"{prefix}.cache-enabled": "false",
    }
    if settings.catalog_uri:
        conf |= {
            f"{prefix}.type": "rest",
            f"{prefix}.uri": settings.catalog_uri,
            # Without these a catalog that accepts and never answers would hold a commit of Spark for ever.
            f"{prefix}.rest.client.connection-timeout-ms": str(_CATALOG_CONNECT_SECONDS * 1_000),
            f"{prefix}.rest.client.socket-timeout-ms": str(_CATALOG_ANSWER_SECONDS * 1_000),
        }
    else:
        conf |= {
            f"{prefix}.type": "jdbc",
            f"{prefix}.uri": f"jdbc:sqlite:{sqlite_path(settings)}?busy_timeout={settings.catalog_wait_seconds}000",
            f"{prefix}.jdbc.schema-version": "V1",
        }
    if settings.s3_endpoint:
        conf[f"{prefix}.io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"
        conf[f"{prefix}.client.region"] = settings.s3_region
        conf |= {f"{prefix}.{key}": value for key, value in s3_properties(settings).items()}
    return conf


def spark_conf(settings: Settings) -> Mapping[str, str]:
    """All Spark keys of the stream's driver.

    Raises ``JarsMissingError`` where the jars were not resolved.
    """
    return {
        "spark.app.name": "firehose",
        "spark.master": settings.spark_master,
        "spark.jars": ",".join(str(jar) for jar in spark_jars(settings.jars_dir, s3=bool(settings.s3_endpoint))),
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.executor.memory": settings.spark_executor_memory,
        # An executor lives for months, and Kafka's client tells each seek.
        "spark.executor.logs.rolling.strategy": "size",
        "spark.executor.logs.rolling.maxSize": str(_EXECUTOR_LOG_BYTES),
        "spark.executor.logs.rolling.maxRetainedFiles": "3",
        "spark.driver.host": settings.spark_driver_host,
        # Executors elsewhere come in by the network that the name leads to; on one machine nobody else is let in.
        "spark.driver.bindAddress": _LOOPBACK if settings.spark_driver_host == _LOOPBACK else "0.0.0.0",  # noqa: S104 - asked for by the setting
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": _EXTENSIONS,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        # Plans of a micro-batch are small: re-planning them between stages costs more than it saves.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # What a batch keeps is read three times within seconds: compressing it costs more than it saves.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        # Beyond 128 groups, which are symbols and minutes, the aggregate would sort all rows.
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "1000000",
        "spark.sql.streaming.metricsEnabled": "false",
        "spark.cleaner.periodicGC.interval": "10min",
        **catalog_conf(settings),
    }


def start_session(settings: Settings) -> SparkSession:
    """Start (or join) this process's Spark session. Takes 7 to 11 s on two cores."""
    builder = SparkSession.builder
    for key, value in spark_conf(settings).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
