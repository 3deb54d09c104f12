"""Each service of the stack as a process, with the command and environment of the compose file."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from firehose_dagster.local.broker import broker_answers, broker_command, prepare_broker
from firehose_dagster.local.ports import is_answered
from firehose_dagster.local.programs import answers_ok, firehose_command
from firehose_dagster.settings import Settings
from firehose_dagster_tests.compose.project import project
from firehose_dagster_tests.stack.postgres import postgres
from firehose_dagster_tests.stack.rest_server_jars import MAIN_CLASS, rest_server_jars
from firehose_dagster_tests.stack.service import Service

LOOPBACK = "127.0.0.1"


def services(
    folder: Path, ports: Mapping[str, int], environment: Mapping[str, str], java: Path, postgres_bin: Path
) -> Iterator[Service]:
    """All, in the order they are started."""
    logs = folder / "logs"
    logs.mkdir()
    yield postgres(folder / "postgres", ports["postgres"], environment["DAGSTER_POSTGRES_PASSWORD"], postgres_bin)
    yield _s3(folder, ports, environment, logs)
    yield _catalog(ports, environment, java, logs)
    yield _broker(folder, ports, java, logs)
    yield from _spark(ports, environment, logs)
    yield Service(
        name="exchange",
        command=firehose_command("exchange", "--synthetic", "--rate", "20", "--port", str(ports["exchange"])),
        log=logs / "exchange.log",
        is_ready=lambda: answers_ok(f"http://{LOOPBACK}:{ports['exchange']}/api/v3/ping"),
        environment=environment,
    )
    yield Service(
        name="receiver",
        command=firehose_command("receiver"),
        log=logs / "receiver.log",
        is_ready=lambda: answers_ok(f"http://{LOOPBACK}:{ports['receiver']}/status"),
        environment=environment,
    )
    yield from _dagster(folder, ports, environment, logs)
    command, _ = _given("api", {})
    yield Service(
        name="api",
        command=command,
        log=logs / "api.log",
        is_ready=lambda: answers_ok(f"http://{LOOPBACK}:{ports['api']}/"),
        environment=environment,
    )


def _s3(folder: Path, ports: Mapping[str, int], environment: Mapping[str, str], logs: Path) -> Service:
    (folder / "s3").mkdir()
    flags = {
        "dir": folder / "s3",
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "bucket": "lake",
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3_grpc"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.port": ports["weed_master"],
        "master.port.grpc": ports["weed_master_grpc"],
        "volume.port": ports["weed_volume"],
        "volume.port.grpc": ports["weed_volume_grpc"],
        "filer.port": ports["weed_filer"],
        "filer.port.grpc": ports["weed_filer_grpc"],
        "admin.port": ports["weed_admin"],
        "admin.port.grpc": ports["weed_admin_grpc"],
        "webdav.port": ports["weed_webdav"],
        "admin.ui": "false",
    }
    return Service(
        name="s3",
        command=(
            str(Path(sys.executable).parent / "weed"),
            "mini",
            *(f"-{name}={value}" for name, value in flags.items()),
        ),
        log=logs / "s3.log",
        is_ready=lambda: _answers(f"http://{LOOPBACK}:{ports['s3']}/lake"),
        environment={
            "AWS_ACCESS_KEY_ID": environment["FIREHOSE_S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": environment["FIREHOSE_S3_SECRET_KEY"],
        },
    )


def _catalog(ports: Mapping[str, int], environment: Mapping[str, str], java: Path, logs: Path) -> Service:
    """Iceberg's REST server on the JDBC catalog in PostgreSQL: what the image of the compose file is made around."""
    given: Mapping[str, str] = project()["services"]["catalog"]["environment"]
    class_path = os.pathsep.join(str(jar) for jar in rest_server_jars(Settings().jars_dir.parent, java))
    return Service(
        name="catalog",
        command=(str(java), "-Xmx256m", "-cp", class_path, MAIN_CLASS),
        log=logs / "catalog.log",
        is_ready=lambda: answers_ok(f"http://{LOOPBACK}:{ports['catalog_server']}/v1/config"),
        environment={
            "CATALOG_CATALOG__IMPL": "org.apache.iceberg.jdbc.JdbcCatalog",
            "CATALOG_URI": f"jdbc:postgresql://{LOOPBACK}:{ports['postgres']}/catalog",
            "CATALOG_JDBC_USER": given["GRAVITINO_ICEBERG_REST_JDBC_USER"],
            "CATALOG_JDBC_PASSWORD": given["GRAVITINO_ICEBERG_REST_JDBC_PASSWORD"],
            "CATALOG_JDBC_SCHEMA__VERSION": "V1",
            "CATALOG_WAREHOUSE": given["GRAVITINO_ICEBERG_REST_WAREHOUSE"],
            "CATALOG_IO__IMPL": given["GRAVITINO_ICEBERG_REST_IO_IMPL"],
            "CATALOG_S3_ENDPOINT": environment["FIREHOSE_S3_ENDPOINT"],
            "CATALOG_S3_PATH__STYLE__ACCESS": given["GRAVITINO_ICEBERG_REST_S3_PATH_STYLE_ACCESS"],
            "CATALOG_S3_ACCESS__KEY__ID": given["GRAVITINO_ICEBERG_REST_S3_ACCESS_KEY"],
            "CATALOG_S3_SECRET__ACCESS__KEY": given["GRAVITINO_ICEBERG_REST_S3_SECRET_KEY"],
            "AWS_REGION": given["GRAVITINO_ICEBERG_REST_S3_REGION"],
            "CATALOG_REST_PORT": str(ports["catalog_server"]),
        },
    )


def _broker(folder: Path, ports: Mapping[str, int], java: Path, logs: Path) -> Service:
    settings = Settings(
        home=folder / "broker", broker_port=ports["kafka"], broker_controller_port=ports["kafka_controller"]
    )
    prepare_broker(settings, java)
    return Service(
        name="broker",
        command=broker_command(settings, java),
        log=logs / "broker.log",
        is_ready=lambda: broker_answers(settings),
        ready_seconds=90,
    )


def _spark(ports: Mapping[str, int], environment: Mapping[str, str], logs: Path) -> Iterator[Service]:
    master_ui = f"http://{LOOPBACK}:{ports['spark_ui']}/json/"
    places = {
        "spark-master": LOOPBACK,
        "7077": str(ports["spark"]),
        "8080": str(ports["spark_ui"]),
        "8081": str(ports["spark_worker_ui"]),
        "spark://spark-master:7077": environment["FIREHOSE_SPARK_MASTER"],
    }

    def one_worker() -> bool:
        return answers_ok(master_ui) and httpx.get(master_ui, timeout=5).json()["aliveworkers"] == 1

    for name, is_ready in (("spark-master", lambda: answers_ok(master_ui)), ("spark-worker", one_worker)):
        command, given = _given(name, places)
        if "SPARK_WORKER_DIR" in given:
            given["SPARK_WORKER_DIR"] = str(logs.parent / "spark-work")
            # Bound to loopback here; in its container to the container's own address.
            command = (*command[:2], "--host", LOOPBACK, *command[2:])
        yield Service(
            name=name,
            command=command,
            log=logs / f"{name}.log",
            is_ready=is_ready,
            environment={**{key: environment[key] for key in ("PATH", "SPARK_HOME", "SPARK_LOCAL_IP")}, **given},
            # A worker that was killed stays on the master's list until its heartbeat is missed.
            ready_seconds=120,
        )


def _dagster(folder: Path, ports: Mapping[str, int], environment: Mapping[str, str], logs: Path) -> Iterator[Service]:
    workspace = "--workspace=/opt/firehose/dagster/workspace.yaml"
    places = {
        workspace: f"--workspace={folder}/dagster/workspace.yaml",
        "--host=0.0.0.0": f"--host={LOOPBACK}",
        "--port=3000": f"--port={ports['webserver']}",
        "--port=3001": f"--port={ports['code']}",
    }
    for name, is_ready in (
        ("code-location", lambda: is_answered(LOOPBACK, ports["code"])),
        ("dagster-webserver", lambda: answers_ok(f"http://{LOOPBACK}:{ports['webserver']}/server_info")),
        ("dagster-daemon", lambda: True),
    ):
        command, _ = _given(name, places)
        yield Service(
            name=name,
            command=command,
            log=logs / f"{name}.log",
            is_ready=is_ready,
            environment=environment,
            ready_seconds=120,
        )


def _given(name: str, places: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command and environment of a service in the compose file, with other places."""
    service: Mapping[str, Any] = project()["services"][name]
    return tuple(places.get(word, word) for word in service["command"]), dict(service["environment"] or {})


def _answers(url: str) -> bool:
    """Whether anything but a failure of the server comes back."""
    try:
        return httpx.get(url, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False
