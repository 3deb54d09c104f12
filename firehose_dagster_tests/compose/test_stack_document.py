"""The table of services in the document is the compose file."""

import re

import pytest

from firehose_dagster_tests.compose.project import ROOT, project

SERVICES = project()["services"]
CELLS = ("image", "version", "ports", "volumes", "health check", "memory")


def told() -> dict[str, dict[str, str]]:
    """Service -> its cells, without what only marks text as code; `profile` too, where one is told."""
    (table,) = re.findall(r"^\| service \|.*?\n((?:\|.*\n)+)", (ROOT / "docs" / "stack.md").read_text(), re.MULTILINE)
    rows = {}
    for line in table.splitlines()[1:]:
        name, *cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        service, _, profile = name.partition(" (profile ")
        rows[service] = {**dict(zip(CELLS, cells, strict=True)), "profile": profile.rstrip(")")}
    return rows


def test_every_service_is_told() -> None:
    assert set(told()) == set(SERVICES)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_told_as_it_is(name: str) -> None:
    service, row = SERVICES[name], told()[name]
    image, _, version = service["image"].rpartition(":")
    assert (row["image"], row["version"]) == (image, version)
    assert row["ports"] == ", ".join(port["published"] for port in service.get("ports") or [])
    volumes = [volume["source"] for volume in service.get("volumes") or [] if volume["type"] == "volume"]
    assert row["volumes"] == ", ".join(volumes)
    assert row["memory"] == f"{int(service['mem_limit']) // 2**20} MiB"
    assert row["profile"] == ", ".join(service.get("profiles") or [])
    asked = " ".join((service.get("healthcheck") or {}).get("test") or [])
    assert bool(row["health check"]) == bool(asked)
    assert row["health check"] in asked
