"""Spark's own SQL shell on the lake."""

import os
import subprocess

import pyspark

from firehose_dagster.lake.spark_session import spark_conf
from firehose_dagster.settings import Settings


def run_spark_sql(settings: Settings, query: str) -> int:
    """Run one statement in `spark-sql`; prints its rows, tab separated, and returns its exit code.

    The shell is its own process beside any running stream, and reads only unless told otherwise.
    """
    home = os.path.dirname(pyspark.__file__)  # noqa: PTH120 - a str is what the environment takes
    conf = {**spark_conf(settings), "spark.log.level": "ERROR", "spark.driver.memory": "1g"}
    # The shell's default is a Hive metastore, made in whatever folder one stands in.
    conf["spark.sql.catalogImplementation"] = "in-memory"
    # Not on the cluster: a running stream has its cores, and the secrets below reach this process alone.
    conf |= {"spark.master": "local[2]", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    # Secrets go by the environment, not by the command line that every user of the machine can read.
    options = [part for key, value in conf.items() if "secret" not in key for part in ("--conf", f"{key}={value}")]
    environment = {**os.environ, "SPARK_HOME": home}
    if settings.s3_endpoint:
        environment["AWS_ACCESS_KEY_ID"] = settings.s3_access_key.get_secret_value()
        environment["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_key.get_secret_value()
    command = [f"{home}/bin/spark-sql", "--silent", *options, "-e", query]
    return subprocess.run(command, env=environment, check=False).returncode
