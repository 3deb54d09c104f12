"""The documents and files around the package say what is there: layout, commands, settings, links."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import cast

import msgspec
import pytest
from pydantic import SecretStr

from firehose_dagster.alerts.message import SpikePayload
from firehose_dagster.cli import app
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.crash_points import CrashPoint
from firehose_dagster.lake.query import run_query
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import small_lake, write

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("n8n_flows/*.md")],
    key=lambda path: path.as_posix(),
)
GENERATED = frozenset({"__pycache__", "firehose_dagster.egg-info"})

fenced_blocks = runpy.run_path(str(ROOT / "docs" / "fenced_blocks.py"))["fenced_blocks"]


def blocks(document: str, language: str) -> list[str]:
    return cast(list[str], fenced_blocks((ROOT / document).read_text(), language))


def commands() -> list[tuple[str, str]]:
    """Every line of a shell block in any document, with the document's name."""
    return [
        (str(path.relative_to(ROOT)), line)
        for path in DOCUMENTS
        for language in ("sh", "console")
        for block in fenced_blocks(path.read_text(), language)
        for line in block.splitlines()
    ]


def words(line: str) -> list[str]:
    """The line as a shell splits it, without the variables set before the command."""
    parts = shlex.split(line)
    while parts and re.fullmatch(r"[A-Z_]+=.*", parts[0]):
        parts.pop(0)
    return parts


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def default_text(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def test_the_layout_in_the_architecture_is_the_tree() -> None:
    (package,) = [block for block in blocks("docs/architecture.md", "text") if block.startswith("firehose_dagster/\n")]
    told = re.findall(r"^  (\S+?)/?\s", package, flags=re.MULTILINE)
    found = [
        path.name for path in (ROOT / "firehose_dagster").iterdir() if path.name not in {"__init__.py", *GENERATED}
    ]
    assert sorted(told) == sorted(found)


def test_the_folders_of_the_repository_are_told_in_the_architecture() -> None:
    (repository,) = [
        block for block in blocks("docs/architecture.md", "text") if not block.startswith("firehose_dagster/\n")
    ]
    told = re.findall(r"^(\S+)/\s", repository, flags=re.MULTILINE)
    tracked = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - whichever git the developer uses
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    assert sorted(told) == sorted({line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line})


@pytest.mark.parametrize(("document", "line"), commands())
def test_every_command_in_a_document_is_one_that_there_is(document: str, line: str) -> None:
    name, *arguments = words(line)
    if name == "make":
        targets = [argument for argument in arguments if "=" not in argument]
        assert set(targets) <= make_targets(), document
        for argument in arguments:
            assert "=" not in argument or re.search(
                rf"\$\({argument.split('=')[0]}\)|\$\((if|or) \$\({argument.split('=')[0]}\)",
                (ROOT / "Makefile").read_text(),
            ), f"{argument} is not read by the Makefile"
            if argument.startswith("ARGS=") and targets == ["demo"]:
                app.parse_args(["demo", *words(argument.removeprefix("ARGS="))], exit_on_error=False, print_error=False)
    elif name == "firehose":
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    else:
        assert line == "source .venv/bin/activate", f"{document}: who makes sure that {name} is there?"


def test_readme_tells_every_table() -> None:
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert set(told) == {table.name for table in TABLES}


@pytest.mark.parametrize("sql", re.findall(r'^firehose sql .*?"(.*)"$', (ROOT / "README.md").read_text(), re.MULTILINE))
def test_the_queries_in_readme_answer(sql: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    assert run_query(settings, sql).num_rows > 0


def test_the_python_in_readme_reads_a_lake(tmp_path: Path) -> None:
    write(Settings(home=tmp_path), small_lake())
    (program,) = blocks("README.md", "python")
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "FIREHOSE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "ALPHA" in run.stdout


def test_the_settings_example_lists_every_setting_with_its_description_and_default() -> None:
    text = (ROOT / ".env.example").read_text()
    told = re.findall(r"^# (.*)\n#(FIREHOSE_\w+)=(.*)$", text, flags=re.MULTILINE)
    assert told == [
        (field.description, f"FIREHOSE_{name.upper()}", default_text(field.default))
        for name, field in Settings.model_fields.items()
    ]


def test_the_settings_example_sets_nothing() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_variable_in_a_document_is_a_setting(document: Path) -> None:
    known = {f"FIREHOSE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"FIREHOSE_[A-Z_0-9]+", document.read_text())) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_document_named_in_the_code_is_there() -> None:
    code = [*(ROOT / "firehose_dagster").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    named = {name for path in code for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())}
    assert named
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_the_decisions_are_numbered_without_a_hole_and_listed() -> None:
    pages = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    assert [int(page[:4]) for page in pages] == list(range(1, len(pages) + 1))
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs" / "decisions" / "README.md").read_text())
    assert listed == pages
    for page in pages:
        text = (ROOT / "docs" / "decisions" / page).read_text()
        assert text.startswith(f"# {int(page[:4])}. ")
        assert "**Context.**" in text
        assert "**What would change our mind.**" in text


def test_the_example_webhook_has_the_fields_of_a_real_one() -> None:
    (example,) = blocks("n8n_flows/README.md", "json")
    decoded = msgspec.json.decode(example, type=SpikePayload)
    assert msgspec.to_builtins(decoded) == json.loads(example)


def test_the_workspace_names_the_code_location() -> None:
    (module,) = re.findall(r"module_name: (\S+)", (ROOT / "workspace.yaml").read_text())
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_the_hosted_ci_and_the_make_targets_run_by_it_exist() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"run: (.*)", workflow) == [".ci/run"]
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    (steps,) = re.findall(r"Steps: (.*)\.$", script, flags=re.MULTILINE)
    assert set(steps.split()) - make_targets() == {"readme"}


def test_every_crash_point_is_explained() -> None:
    told = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs" / "crash-points.md").read_text(), flags=re.MULTILINE)
    assert told == [str(point) for point in CrashPoint]
