"""A stand-in for Marquez: takes OpenLineage events over HTTP, checks their form, and draws the graph that they say."""

import json
import re
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Dataset = tuple[str, str]
STATES = ("START", "RUNNING", "COMPLETE", "FAIL", "ABORT")


class Receiver:
    """Events in the order they came."""

    def __init__(self) -> None:
        self.url = ""
        self.events: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.complaints: list[str] = []
        self.changed = threading.Condition()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """The status to answer with."""
        with self.changed:
            try:
                assert path == "/api/v1/lineage"
                event = json.loads(body)
                check(event)
                self.events.append(event)
                self.headers.append(headers)
            except (AssertionError, KeyError, ValueError) as error:
                self.complaints.append(f"{type(error).__name__}: {error}")
                return 400
            finally:
                self.changed.notify_all()
            return 201

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Until it holds, looked at after each event; raises AssertionError after `seconds`."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), (self.complaints, len(self.events))

    def states(self, job: str) -> list[str]:
        """Of a job's runs, in order."""
        return [event["eventType"] for event in self.events if event["job"]["name"] == job]

    def edges(self) -> dict[Dataset, set[Dataset]]:
        """From each dataset to those that some job made from it."""
        edges: dict[Dataset, set[Dataset]] = defaultdict(set)
        for event in self.events:
            for source in event["inputs"]:
                edges[named(source)] |= {named(output) for output in event["outputs"]}
        return dict(edges)

    def rows_written(self, dataset: str) -> int:
        """The sum over all events, to the dataset whose name ends so."""
        return sum(
            output["outputFacets"]["outputStatistics"]["rowCount"]
            for event in self.events
            for output in event["outputs"]
            if output["name"].endswith(dataset) and "outputStatistics" in output.get("outputFacets", {})
        )


def named(dataset: Json) -> Dataset:
    return dataset["namespace"], dataset["name"]


def check(event: Json) -> None:
    """What the specification requires of a run event."""
    assert event["eventType"] in STATES
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert re.fullmatch(r"https://\S+", event["producer"])
    assert event["schemaURL"].startswith("https://openlineage.io/spec/")
    uuid.UUID(event["run"]["runId"])
    assert event["job"]["namespace"]
    assert event["job"]["name"]
    for dataset in [*event["inputs"], *event["outputs"]]:
        assert dataset["namespace"]
        assert dataset["name"]
        for facet in dataset["facets"].values():
            assert facet["_producer"]
            assert facet["_schemaURL"]


@contextmanager
def receiving_lineage() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = receiver.take(
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers["content-length"])),
            )
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """What came is in the list."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
