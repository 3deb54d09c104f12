"""Resources: the settings, the Spark session of the stream, and the executor. The one place where they are built."""

from pathlib import Path

import dagster as dg
from dagster_pyspark import PySparkResource
from pydantic import Field
from pyspark.sql import SparkSession

from firehose_dagster.lake.spark_session import spark_conf
from firehose_dagster.settings import Settings


class FirehoseResource(dg.ConfigurableResource[None]):
    """The settings of this installation, read from the environment of the process that asks."""

    home: str = ""
    """Folder of the installation; empty: what the environment says."""

    def settings(self) -> Settings:
        return Settings(home=Path(self.home)) if self.home else Settings()


class LakeSparkResource(dg.ConfigurableResource[None]):
    """A Spark session on the lake, by dagster-pyspark; built when asked for, since not every run needs a JVM."""

    extra_conf: dict[str, str] = Field(default={})
    """Spark keys beside those that the lake needs."""

    def session(self, settings: Settings) -> SparkSession:
        """Start the session. Raises ``JarsMissingError`` where `make setup` was not run."""
        pyspark = PySparkResource(spark_config={**spark_conf(settings), **self.extra_conf})
        pyspark.setup_for_execution(dg.build_init_resource_context())
        session: SparkSession = pyspark.spark_session
        return session


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={"firehose": FirehoseResource(), "spark": LakeSparkResource()},
        # The default starts a process a step, which takes ten seconds of a run that needs two.
        executor=dg.in_process_executor,
    )
