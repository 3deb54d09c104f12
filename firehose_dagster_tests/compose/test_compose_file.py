"""The compose file, without an engine: complete, pinned, bounded, closed to the network, at one with the settings."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from firehose_dagster.cli import app
from firehose_dagster.local.dagster_home import INSTANCE_YAML
from firehose_dagster.settings import Settings
from firehose_dagster_tests.compose.project import COMPOSE_FILE, ROOT, compose, fill_secrets, project

GIBIBYTE = 2**30
SERVICES: Mapping[str, Mapping[str, Any]] = project()["services"]
RUNS_ONCE = {"bucket"}
SECRETS = dict.fromkeys(fill_secrets["REQUIRED"], "x")
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def environment(name: str) -> Mapping[str, str]:
    return SERVICES[name].get("environment") or {}


def documented() -> set[str]:
    """Every variable that `.env.example` tells of."""
    return set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_without_a_secret_nothing_starts_and_its_name_is_said(secret: str) -> None:
    others = {name: value for name, value in SECRETS.items() if name != secret}
    run = compose("--env-file", "/dev/null", "config", "--quiet", environment=others)
    assert run.returncode != 0
    assert secret in run.stderr


def test_with_the_secrets_alone_the_file_is_complete() -> None:
    run = compose("--env-file", "/dev/null", "config", "--quiet", environment=SECRETS)
    assert run.returncode == 0, run.stderr


@each_service
def test_every_image_has_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.search(r"\d+\.\d+|\d{4}-\d{2}-\d{2}", tag), SERVICES[name]["image"]


@each_service
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    assert {port.get("host_ip") for port in SERVICES[name].get("ports") or []} <= {"127.0.0.1"}


def test_no_two_services_are_published_on_one_port() -> None:
    published = [port["published"] for service in SERVICES.values() for port in service.get("ports") or []]
    assert sorted(published) == sorted(set(published))


@each_service
def test_every_service_is_bounded_logged_within_bounds_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert int(service["mem_limit"]) > 0
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["restart"] == ("on-failure:5" if name in RUNS_ONCE else "unless-stopped")


def test_what_starts_by_default_fits_a_laptop_of_16_gigabytes() -> None:
    by_default = project(with_profiles=False)["services"].values()
    assert sum(int(service["mem_limit"]) for service in by_default) <= 12 * GIBIBYTE
    assert sum(int(service["mem_limit"]) for service in SERVICES.values()) <= 13.5 * GIBIBYTE


@each_service
def test_every_service_that_stays_is_asked_for_its_health(name: str) -> None:
    assert bool(SERVICES[name].get("healthcheck")) == (name not in RUNS_ONCE)


@each_service
def test_a_service_waits_for_the_health_of_what_it_needs(name: str) -> None:
    for needed, how in (SERVICES[name].get("depends_on") or {}).items():
        expected = "service_completed_successfully" if needed in RUNS_ONCE else "service_healthy"
        assert how["condition"] == expected, needed


def test_every_variable_that_a_person_may_set_is_told_in_the_example() -> None:
    read = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    assert read - documented() == set()


@each_service
def test_every_setting_given_to_a_service_is_one(name: str) -> None:
    known = {f"FIREHOSE_{field.upper()}" for field in Settings.model_fields}
    assert {variable for variable in environment(name) if variable.startswith("FIREHOSE_")} <= known


def test_the_settings_of_the_code_location_are_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment("code-location").items():
        monkeypatch.setenv(variable, value)
    settings = Settings(_env_file=None)  # type: ignore[call-arg] # pydantic-settings takes it
    assert settings.profile == "stack"
    assert settings.home == Path("/data")


@each_service
def test_every_address_given_to_a_service_is_one_of_another(name: str) -> None:
    for variable, value in environment(name).items():
        for host, port in addresses(value):
            assert host in SERVICES, f"{variable}={value}: there is no service {host}"
            assert port in listened_on(host), f"{variable}={value}: {host} does not listen on {port}"


def addresses(value: str) -> list[tuple[str, int]]:
    """Host and port of each URL, JDBC URL or `host:port`; bind addresses are none."""
    urls = re.findall(r"\w+://(?:[^@/\s]+@)?[\w.-]+:\d+", value)
    pairs = re.findall(r"^([a-z][\w-]*):(\d+)$", value)
    found = [(urlsplit(url).hostname or "", urlsplit(url).port or 0) for url in urls]
    return found + [(host, int(port)) for host, port in pairs]


def listened_on(name: str) -> set[int]:
    service = SERVICES[name]
    targets = {int(port["target"]) for port in service.get("ports") or []}
    words = " ".join([*(service.get("command") or []), *(str(value) for value in environment(name).values())])
    return targets | {int(number) for number in re.findall(r"\b(\d{4,5})\b", words)}


def test_addresses_are_found_in_every_form_they_are_written_in() -> None:
    assert addresses("redpanda:9092") == [("redpanda", 9092)]
    assert addresses("jdbc:postgresql://postgres:5432/catalog") == [("postgres", 5432)]
    assert addresses("http://key:secret@minio:9000") == [("minio", 9000)]
    assert addresses("0.0.0.0") == []  # noqa: S104 - read, not bound


def test_dagster_is_led_to_its_code_and_its_database() -> None:
    for name in ("code-location", "dagster-webserver", "dagster-daemon"):
        given = environment(name)
        assert given["DAGSTER_CODE_HOST"] in SERVICES
        assert f"--port={given['DAGSTER_CODE_PORT']}" in SERVICES["code-location"]["command"]
        assert given["DAGSTER_POSTGRES_HOST"] in SERVICES
        assert given["DAGSTER_POSTGRES_DB"] == environment("postgres")["POSTGRES_DB"]
        assert given["DAGSTER_POSTGRES_USER"] == environment("postgres")["POSTGRES_USER"]
        assert given["DAGSTER_POSTGRES_PASSWORD"] == environment("postgres")["POSTGRES_PASSWORD"]


def test_the_databases_that_services_name_are_made() -> None:
    made = set(re.findall(r"CREATE DATABASE (\w+)", (ROOT / "docker" / "postgres" / "databases.sql").read_text()))
    assert environment("catalog")["GRAVITINO_ICEBERG_REST_URI"].rpartition("/")[2] in made
    assert environment("marquez")["POSTGRES_DB"] in made


def test_the_executor_fits_its_worker_and_both_fit_their_containers() -> None:
    def mebibytes(text: str) -> int:
        return int(text[:-1]) * (1024 if text.endswith("g") else 1)

    executor = mebibytes(environment("code-location")["FIREHOSE_SPARK_EXECUTOR_MEMORY"])
    words: list[str] = SERVICES["spark-worker"]["command"]
    worker = mebibytes(words[words.index("--memory") + 1])
    assert executor <= worker < int(SERVICES["spark-worker"]["mem_limit"]) / 2**20
    driver = mebibytes(environment("code-location")["FIREHOSE_SPARK_DRIVER_MEMORY"])
    assert driver * 2 < int(SERVICES["code-location"]["mem_limit"]) / 2**20


def test_dagster_runs_as_in_the_embedded_installation_but_for_its_storage() -> None:
    shared = INSTANCE_YAML.split("\n", 1)[1].strip()
    assert (ROOT / "docker" / "dagster" / "dagster.yaml").read_text().strip().endswith(shared)


@each_service
def test_every_firehose_command_of_a_service_is_one_that_there_is(name: str) -> None:
    command = SERVICES[name].get("command") or []
    if command[:1] == ["firehose"]:
        app.parse_args(command[1:], exit_on_error=False, print_error=False)


@each_service
def test_every_file_mounted_from_the_checkout_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes") or []:
        if volume["type"] == "bind":
            assert Path(volume["source"]).exists(), volume["source"]
            assert volume["read_only"]


def test_n8n_brings_in_flows_that_are_there() -> None:
    script = (ROOT / "docker" / "n8n" / "start.sh").read_text()
    (names,) = re.findall(r"for flow in (.*); do", script)
    (ids,) = re.findall(r"for id in (.*); do", script)
    texts = [(ROOT / "n8n_flows" / f"{flow}.json").read_text() for flow in names.split()]
    assert len(ids.split()) == len(texts)
    for flow_id in ids.split():
        assert any(f'"id": "{flow_id}"' in text for text in texts), flow_id
    told = (ROOT / "n8n_flows" / "README.md").read_text()
    ours = {"N8N_ENCRYPTION_KEY", "N8N_DIAGNOSTICS_ENABLED", "N8N_VERSION_NOTIFICATIONS_ENABLED", "N8N_SECURE_COOKIE"}
    for variable in environment("n8n").keys() - ours - {"NODE_OPTIONS"}:
        assert variable in told, f"{variable} means nothing to the flows"
