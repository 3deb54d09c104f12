"""`make up` ends with the URL of every UI, each of which answered."""

import io
import json
import runpy
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from firehose_dagster.local.ports import free_ports
from firehose_dagster_tests.compose.project import ROOT, project

SCRIPT = runpy.run_path(str(ROOT / "docker" / "user_interfaces.py"))


def test_every_ui_of_the_stack_is_named_with_its_address() -> None:
    found = {each.title.split(":")[0]: each.url for each in SCRIPT["user_interfaces"](project())}
    assert found == {
        "Dagster": "http://127.0.0.1:3000/",
        "Live page and read API": "http://127.0.0.1:8000/",
        "n8n": "http://127.0.0.1:5678/",
        "Redpanda Console": "http://127.0.0.1:8080/",
        "MinIO": "http://127.0.0.1:9001/",
        "Spark": "http://127.0.0.1:8081/",
        "Marquez": "http://127.0.0.1:3002/",
        "Grafana": "http://127.0.0.1:3003/",
    }


def test_one_that_does_not_answer_is_said_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (closed,) = free_ports(1)
    monkeypatch.setitem(SCRIPT["main"].__globals__, "PATIENCE_SECONDS", 0)
    try:
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(_project(server.server_port))))
        assert SCRIPT["main"]() == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(_project(server.server_port, closed))))
        assert SCRIPT["main"]() == 1
    finally:
        server.shutdown()
        server.server_close()
    assert f"http://127.0.0.1:{closed}/" in capsys.readouterr().out


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A UI that wants a login is up."""
        self.send_response(401)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def _project(*ports: int) -> dict[str, Any]:
    return {
        "services": {
            f"service-{port}": {
                "labels": {"firehose.ui": "A UI"},
                "ports": [{"host_ip": "127.0.0.1", "published": str(port), "target": 80}],
            }
            for port in ports
        }
    }
