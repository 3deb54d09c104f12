"""The whole stack as processes of this machine, with the settings and commands that the compose file gives."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from firehose_dagster.lake.jars import pyspark_home
from firehose_dagster.local.java import java_home
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings
from firehose_dagster_tests.compose.project import ROOT, project
from firehose_dagster_tests.demo.running_demo import RunningDemo
from firehose_dagster_tests.stack.catalog_proxy import CatalogProxy
from firehose_dagster_tests.stack.postgres import make_databases
from firehose_dagster_tests.stack.service import Service
from firehose_dagster_tests.stack.services import LOOPBACK, services

_PORTS = (
    *("kafka", "kafka_controller", "catalog", "catalog_server", "postgres", "exchange", "receiver", "api"),
    *("s3", "s3_grpc", "weed_master", "weed_master_grpc", "weed_volume", "weed_volume_grpc", "weed_filer"),
    *("weed_filer_grpc", "weed_admin", "weed_admin_grpc", "weed_webdav"),
    *("spark", "spark_ui", "spark_worker_ui", "code", "webserver"),
)


@dataclass(frozen=True)
class RunningStack(RunningDemo):
    """The stack seen from outside, and its services to be killed."""

    services: Mapping[str, Service]
    catalog_proxy: CatalogProxy
    receiver_url: str
    spark_ui: str
    spark_worker_ui: str
    api_url: str

    def restart(self, name: str) -> None:
        """Kill the service as by a power cut, and start it again."""
        self.services[name].kill()
        self.services[name].start()

    def webhooks_verified(self) -> int:
        return int(httpx.get(f"{self.receiver_url}/status", timeout=5).json()["verified"])


@contextlib.contextmanager
def running_stack(java: Path, postgres_bin: Path) -> Iterator[RunningStack]:
    """Start every service in the compose file's order, and stop all in reverse."""
    folder = Path(tempfile.mkdtemp(prefix="firehose-stack-"))
    # PostgreSQL, as another user, must come to its folder.
    folder.chmod(0o755)
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    environment = _environment(folder, ports, java)
    proxy = CatalogProxy(ports["catalog"], ports["catalog_server"])
    started: list[Service] = []
    try:
        proxy.start()
        by_name = {service.name: service for service in services(folder, ports, environment, java, postgres_bin)}
        for service in by_name.values():
            started.append(service)
            service.start()
            if service.name == "postgres":
                make_databases(ports["postgres"], environment["DAGSTER_POSTGRES_PASSWORD"], postgres_bin)
        yield RunningStack(
            settings=_settings(environment),
            environment={**os.environ, **environment},
            url=f"http://{LOOPBACK}:{ports['webserver']}",
            services=by_name,
            catalog_proxy=proxy,
            receiver_url=f"http://{LOOPBACK}:{ports['receiver']}",
            spark_ui=f"http://{LOOPBACK}:{ports['spark_ui']}/json/",
            spark_worker_ui=f"http://{LOOPBACK}:{ports['spark_worker_ui']}/",
            api_url=f"http://{LOOPBACK}:{ports['api']}",
        )
    finally:
        for service in reversed(started):
            service.stop()
        proxy.stop()
        if "FIREHOSE_KEEP_STACK" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, ports: Mapping[str, int], java: Path) -> dict[str, str]:
    """The code location's environment in the compose file, with this machine's places in place of the containers'."""
    places = {
        "redpanda:9092": f"{LOOPBACK}:{ports['kafka']}",
        "http://catalog:9001/iceberg/": f"http://{LOOPBACK}:{ports['catalog']}/",
        "http://minio:9000": f"http://{LOOPBACK}:{ports['s3']}",
        "spark://spark-master:7077": f"spark://{LOOPBACK}:{ports['spark']}",
        "http://n8n:5678/webhook/crypto-spike": f"http://{LOOPBACK}:{ports['receiver']}/webhook",
        "code-location": LOOPBACK,
        "postgres": LOOPBACK,
        "5432": str(ports["postgres"]),
        "3001": str(ports["code"]),
        "8000": str(ports["api"]),
        "0.0.0.0": LOOPBACK,  # noqa: S104 - replaced, not bound
        "/data": str(folder / "home"),
        "/data/dagster": str(folder / "home" / "dagster"),
        "/opt/firehose/dagster": str(folder / "dagster"),
        "/opt/firehose/jars": str(Settings().jars_dir),
    }
    given: Mapping[str, str] = project()["services"]["code-location"]["environment"]
    shutil.copytree(ROOT / "docker" / "dagster", folder / "dagster")
    (folder / "home" / "dagster").mkdir(parents=True)
    bin_dirs = [str(Path(sys.executable).parent), str(pyspark_home() / "bin"), os.environ["PATH"]]
    java_variables = {"JAVA_HOME": str(home)} if (home := java_home(java)) is not None else {}
    return {
        **{name: places.get(value, value) for name, value in given.items()},
        **java_variables,
        "PATH": os.pathsep.join(bin_dirs),
        "SPARK_HOME": str(pyspark_home()),
        "SPARK_LOCAL_IP": LOOPBACK,
        "FIREHOSE_EXCHANGE_WS_URL": f"ws://{LOOPBACK}:{ports['exchange']}",
        "FIREHOSE_EXCHANGE_REST_URL": f"http://{LOOPBACK}:{ports['exchange']}",
        "FIREHOSE_EXCHANGE_PORT": str(ports["exchange"]),
        "FIREHOSE_RECEIVER_PORT": str(ports["receiver"]),
        "FIREHOSE_UI_PORT": str(ports["webserver"]),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _settings(environment: Mapping[str, str]) -> Settings:
    fields = {
        name: environment[variable]
        for name in Settings.model_fields
        if environment.get(variable := f"FIREHOSE_{name.upper()}")
    }
    return Settings(_env_file=None, **fields)  # type: ignore[call-arg, arg-type] # pydantic reads the texts
