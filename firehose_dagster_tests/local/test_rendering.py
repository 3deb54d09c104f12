"""What is written for others to read: Kafka's properties, supervisord.conf, dagster.yaml, the environment."""

import configparser
import json
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not installed
from pydantic import SecretStr

from firehose_dagster.local.broker import broker_properties
from firehose_dagster.local.dagster_home import write_dagster_home
from firehose_dagster.local.environment import MARKER, process_environment, settings_environment
from firehose_dagster.local.programs import dagster_programs
from firehose_dagster.local.supervisor import socket_path, supervisor_config
from firehose_dagster.settings import Settings
from firehose_dagster_tests.local.conftest import sleeper


def test_the_broker_listens_on_loopback_alone(settings: Settings) -> None:
    properties = dict(line.split("=", 1) for line in broker_properties(settings).splitlines())
    assert properties["listeners"] == (
        f"PLAINTEXT://127.0.0.1:{settings.broker_port},CONTROLLER://127.0.0.1:{settings.broker_controller_port}"
    )
    assert properties["controller.quorum.voters"] == f"1@127.0.0.1:{settings.broker_controller_port}"
    assert properties["log.dirs"] == str(settings.home / "kafka" / "log")
    assert properties["auto.create.topics.enable"] == "false"


def test_the_supervisor_restarts_what_it_runs_and_rotates_its_log(settings: Settings) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(supervisor_config(settings, [sleeper("first"), sleeper("second", stops_group=False)]))
    first, second = parser["program:first"], parser["program:second"]
    assert (first["autostart"], first["autorestart"], first["stopasgroup"]) == ("false", "true", "true")
    assert first["stdout_logfile"] == str(settings.logs_dir / "first.log")
    assert second["stopasgroup"] == "false"
    assert int(first["priority"]) < int(second["priority"])  # supervisord stops the highest first


def test_a_percent_sign_in_a_path_is_not_taken_for_an_expansion(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "50%(off)s")
    assert "50%%(off)s/logs/one.log" in supervisor_config(settings, [sleeper("one")])


def test_a_long_home_gets_a_short_socket_path_of_its_own(tmp_path: Path) -> None:
    short = Settings(home=Path("/h"))
    long = Settings(home=tmp_path / ("x" * 120))
    longer = Settings(home=tmp_path / ("x" * 121))
    assert socket_path(short) == Path("/h/supervisor/supervisor.sock")
    assert len(str(socket_path(long))) <= 90
    assert socket_path(long) != socket_path(longer)


def test_no_secret_is_written_to_the_supervisors_configuration(settings: Settings) -> None:
    secret = settings.model_copy(update={"webhook_secret": SecretStr("whsec_c2VjcmV0")})
    assert "c2VjcmV0" not in supervisor_config(secret, dagster_programs(secret))


def test_the_environment_reads_back_to_the_same_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = settings.model_copy(
        update={"symbols": ("BTCUSDT", "PEPEUSDT"), "webhook_secret": SecretStr("whsec_c2VjcmV0")}
    )
    for name, value in settings_environment(changed).items():
        monkeypatch.setenv(name, value)
    assert Settings() == changed


def test_every_process_carries_the_marker_of_its_home(settings: Settings) -> None:
    environment = process_environment(settings, base={"PATH": "/bin"})
    assert environment[MARKER] == str(settings.home)
    assert environment["DAGSTER_HOME"] == str(settings.home / "dagster")
    assert environment["PATH"] == "/bin"


def test_dagster_is_pointed_at_the_code_server_and_sends_and_asks_for_nothing(settings: Settings) -> None:
    write_dagster_home(settings)
    instance = yaml.safe_load((settings.dagster_home / "dagster.yaml").read_text())
    workspace = yaml.safe_load((settings.dagster_home / "workspace.yaml").read_text())
    assert instance["telemetry"] == {"enabled": False}
    assert instance["nux"] == {"enabled": False}
    assert instance["run_monitoring"]["enabled"] is True
    # The place of a killed run in the pool is free again a minute later.
    assert instance["run_monitoring"]["free_slots_after_run_end_seconds"] == 60
    assert instance["compute_logs"]["config"] == {"base_dir": str(settings.dagster_home / "storage")}
    assert workspace == {
        "load_from": [
            {"grpc_server": {"host": "127.0.0.1", "port": settings.code_server_port, "location_name": "firehose"}}
        ]
    }
    assert json.dumps(instance)  # plain data
