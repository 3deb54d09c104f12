"""What the images are built from: pinned, checked, not root, and of the versions that everything else has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from firehose_dagster_tests.compose.project import ROOT
from firehose_dagster_tests.stack.rest_server_jars import COORDINATES

DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))
each_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)


@each_dockerfile
def test_hadolint_finds_nothing(path: Path) -> None:
    program = str(Path(sys.executable).parent / "hadolint")
    run = subprocess.run([program, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@each_dockerfile
def test_every_base_image_has_a_version(path: Path) -> None:
    text = path.read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", text, flags=re.MULTILINE))
    for image in re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE):
        assert image in stages or re.search(r":\d+\.\d+", image), image


@each_dockerfile
def test_nothing_runs_as_root(path: Path) -> None:
    users = re.findall(r"^USER (\S+)", path.read_text().rpartition("\nFROM ")[2], flags=re.MULTILINE)
    assert users
    assert users[-1].isdigit()
    assert users[-1] != "0"


def test_the_image_is_built_by_the_uv_that_made_the_lock() -> None:
    (in_makefile,) = re.findall(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    (in_image,) = re.findall(r"uv==(\S+)", (ROOT / "docker" / "app" / "Dockerfile").read_text())
    assert in_image == in_makefile


def test_the_catalog_has_the_driver_that_was_tested() -> None:
    (version,) = re.findall(r"/postgresql-([\d.]+)\.jar", (ROOT / "docker" / "catalog" / "Dockerfile").read_text())
    assert f"org.postgresql:postgresql:{version}" in {coordinate for coordinate, _ in COORDINATES}


def test_the_image_gets_what_it_copies_and_no_more() -> None:
    let_in = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    copied = re.findall(
        r"^COPY (?!--from)(?:--\S+ )*(.*) \S+$", (ROOT / "docker" / "app" / "Dockerfile").read_text(), re.M
    )
    assert let_in == {word for line in copied for word in line.split()}
