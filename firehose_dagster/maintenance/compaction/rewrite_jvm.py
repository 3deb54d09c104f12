"""Iceberg's Java library in a small JVM of its own, without Spark: up in a second, where a session takes ten.

Why commits go through Java: docs/decisions/0012-compaction-without-spark.md.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JError

from firehose_dagster.contracts.table import CATALOG, Table
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.jars import pyspark_home, spark_jars
from firehose_dagster.lake.spark_session import catalog_conf
from firehose_dagster.settings import Settings

_LIBRARIES = ("hadoop-client-", "slf4j-api-", "log4j-", "jcl-over-slf4j-", "py4j")
"""What Iceberg needs of pyspark's 300 jars: the class path is read at the start."""
_END_PATIENCE_SECONDS = 30
_JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class JvmUnavailableError(ExplainedError):
    """No JVM could be started for the commits of the maintenance."""


class IcebergJvm:
    """The catalog of one lake, as Iceberg's Java library opens it."""

    def __init__(self, gateway: Any, settings: Settings) -> None:
        self._gateway = gateway
        self.iceberg: Any = gateway.jvm.org.apache.iceberg
        self._catalog: Any = self.iceberg.CatalogUtil.buildIcebergCatalog(
            CATALOG, dict(_catalog_properties(settings)), gateway.jvm.org.apache.hadoop.conf.Configuration()
        )

    def table(self, contract: Table) -> Any:
        """The table, read anew from the catalog."""
        return self._catalog.loadTable(self.iceberg.catalog.TableIdentifier.parse(contract.identifier))

    def new_list(self, iterable: Any) -> Any:
        """A Java list of what a Java iterable yields, in one call instead of two an element."""
        return self.iceberg.relocated.com.google.common.collect.Lists.newArrayList(iterable)

    def new_set(self, elements: Any) -> Any:
        """A Java set of a Java collection, or of Java objects in a Python sequence."""
        found = self._gateway.jvm.java.util.HashSet()
        found.addAll(elements)
        return found

    def constant_function(self, value: str) -> Any:
        """A Java function that always yields `value`, made of what the JDK has: no class of ours is on the path."""
        java = self._gateway.jvm.java.lang
        parameters = self._gateway.new_array(java.Class, 1)
        parameters[0] = java.Class.forName("java.lang.Object")
        handles = java.invoke.MethodHandles
        handle = handles.dropArguments(handles.constant(parameters[0], value), 0, parameters)
        function = java.Class.forName("java.util.function.Function")
        return java.invoke.MethodHandleProxies.asInterfaceInstance(function, handle)

    def of(self, settings: Settings) -> "IcebergJvm":
        """Another lake, in the same JVM."""
        return IcebergJvm(self._gateway, settings)


@contextmanager
def iceberg_jvm(settings: Settings) -> Iterator[IcebergJvm]:
    """Start a JVM; it ends with the block, or with this process, however that ends.

    It has the priority of the calling thread. Raises ``JvmUnavailableError``, and ``JarsMissingError`` where
    `make setup` was not run.
    """
    jars = [path for path in (pyspark_home() / "jars").iterdir() if path.name.startswith(_LIBRARIES)]
    jars += spark_jars(settings.jars_dir, s3=bool(settings.s3_endpoint))
    try:
        port, token, process = launch_gateway(
            jarpath=next(str(path) for path in jars if path.name.startswith("py4j")),
            classpath=os.pathsep.join(str(path) for path in jars),
            javaopts=list(_JVM_OPTIONS),
            java_path=None,  # JAVA_HOME's, else the one on PATH
            die_on_exit=True,
            enable_auth=True,
            return_proc=True,
        )
    except (OSError, Py4JError, ValueError) as error:
        raise JvmUnavailableError(
            f"Java did not start ({error}); compaction commits through it: install Java 17 or 21, set JAVA_HOME to it"
        ) from error
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token, auto_convert=True))
    try:
        yield IcebergJvm(gateway, settings)
    finally:
        gateway.shutdown()
        process.stdin.close()
        process.wait(_END_PATIENCE_SECONDS)


def _catalog_properties(settings: Settings) -> Mapping[str, str]:
    """The catalog's own keys of the Spark session's configuration: both open the same lake."""
    prefix = f"spark.sql.catalog.{CATALOG}."
    return {key.removeprefix(prefix): value for key, value in catalog_conf(settings).items() if key.startswith(prefix)}
