"""Stand-ins for the world outside: a language model, Slack, Telegram and Jira. They check what they are sent.

A call that the real service would not take is answered with 400 and kept in `complaints`.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree import ElementTree

SLACK_PATH = "/services/T000/B000/secret"
LLM_PATH = "/v1/chat/completions"
LLM_KEY = "key-of-the-model"
TELEGRAM_TOKEN = "123:abc"
TELEGRAM_CHAT = "-1001"
JIRA_LOGIN = ("robot@example.com", "jira-token")
JIRA_PROJECT = "OPS"

Json = dict[str, Any]
Answer = tuple[int, Json | str]


@dataclass
class OutsideWorld:
    """What was received, by service, in the order it came, and how the services answer."""

    port: int = 0
    slack: list[Json] = field(default_factory=list)
    telegram: list[Json] = field(default_factory=list)
    jira: list[Json] = field(default_factory=list)
    llm: list[Json] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    llm_says: str = "The market was calm."
    before_llm: Callable[[], object] | None = None
    """Called before the model answers; may wait."""
    failing: dict[str, int] = field(default_factory=dict)
    """Status to answer with, by service, instead of taking the call."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that lead n8n here."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "LLM_BASE_URL": f"{url}/v1",
            "LLM_API_KEY": LLM_KEY,
            "LLM_MODEL": "a-model",
            "SLACK_WEBHOOK_URL": f"{url}{SLACK_PATH}",
            "TELEGRAM_API_URL": url,
            "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
            "TELEGRAM_CHAT_ID": TELEGRAM_CHAT,
            "JIRA_URL": url,
            "JIRA_EMAIL": JIRA_LOGIN[0],
            "JIRA_API_TOKEN": JIRA_LOGIN[1],
            "JIRA_PROJECT_KEY": JIRA_PROJECT,
        }

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        """Until it holds, looked at after each call; raises AssertionError after `seconds`."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), f"not after {seconds} s; complaints: {self.complaints}"

    def forget(self) -> None:
        """As at its start."""
        with self.changed:
            for calls in (self.slack, self.telegram, self.jira, self.llm, self.complaints):
                calls.clear()
            self.failing.clear()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one POST."""
        services: Mapping[str, tuple[str, Callable[[Mapping[str, str], Json], Json | str]]] = {
            SLACK_PATH: ("slack", self._slack),
            LLM_PATH: ("llm", self._llm),
            f"/bot{TELEGRAM_TOKEN}/sendMessage": ("telegram", self._telegram),
            "/rest/api/3/issue": ("jira", self._jira),
        }
        if path == LLM_PATH and self.before_llm is not None:
            self.before_llm()
        with self.changed:
            try:
                name, service = services[path]
                if name in self.failing:
                    return self.failing[name], "out of order"
                content = json.loads(body)
                answer = service(headers, content)
                getattr(self, name).append(content)
            except (AssertionError, KeyError, ValueError, ElementTree.ParseError) as error:
                self.complaints.append(f"{path}: {type(error).__name__}: {error}")
                return HTTPStatus.BAD_REQUEST, "no_service"
            finally:
                self.changed.notify_all()
            return HTTPStatus.OK, answer

    def _slack(self, _headers: Mapping[str, str], message: Json) -> str:
        assert message["text"], "a fallback text"
        assert 0 < len(message["blocks"]) <= 50
        for block in message["blocks"]:
            for text in [block["text"]] if "text" in block else block["elements"]:
                longest = {"header": 150, "section": 3_000, "context": 2_000}[block["type"]]
                assert 0 < len(text["text"]) <= longest
                assert "<" not in text["text"], "markup that was not escaped"
                assert text["type"] == ("plain_text" if block["type"] == "header" else "mrkdwn")
        return "ok"

    def _telegram(self, _headers: Mapping[str, str], message: Json) -> Json:
        assert message["chat_id"] == TELEGRAM_CHAT
        assert message["parse_mode"] == "HTML"
        assert 0 < len(message["text"]) <= 4_096
        tags = {element.tag for element in ElementTree.fromstring(f"<root>{message['text']}</root>").iter()}
        assert tags <= {"root", "b", "i", "pre"}
        return {"ok": True, "result": {"message_id": 1}}

    def _jira(self, headers: Mapping[str, str], issue: Json) -> Json:
        login = base64.b64encode(":".join(JIRA_LOGIN).encode()).decode()
        assert headers["authorization"] == f"Basic {login}"
        fields = issue["fields"]
        assert fields["project"] == {"key": JIRA_PROJECT}
        assert fields["issuetype"] == {"name": "Task"}
        assert 0 < len(fields["summary"]) < 255
        assert "\n" not in fields["summary"]
        assert all(re.fullmatch(r"\S+", label) for label in fields["labels"])
        assert (fields["description"]["type"], fields["description"]["version"]) == ("doc", 1)
        assert {part["type"] for part in fields["description"]["content"]} <= {"paragraph", "codeBlock"}
        return {"id": "10000", "key": f"{JIRA_PROJECT}-{len(self.jira) + 1}"}

    def _llm(self, headers: Mapping[str, str], request: Json) -> Json:
        assert headers["authorization"] == f"Bearer {LLM_KEY}"
        assert request["model"] == "a-model"
        system, user = request["messages"]
        assert (system["role"], user["role"]) == ("system", "user")
        without_symbols = re.sub(r"\b[A-Z0-9]*[A-Z][A-Z0-9]*\b", "", user["content"])
        assert not re.search(r"\d", without_symbols), "a language model that is shown figures may misquote them"
        return {"choices": [{"index": 0, "message": {"role": "assistant", "content": self.llm_says}}]}


@contextmanager
def outside_world() -> Iterator[OutsideWorld]:
    """The stand-ins, on one free port of this machine."""
    world = OutsideWorld()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            status, answer = world.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            is_text = isinstance(answer, str)
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html" if is_text else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """What came is in the lists."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        world.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield world
        finally:
            server.shutdown()
            thread.join()
