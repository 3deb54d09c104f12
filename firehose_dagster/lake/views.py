"""Queries that come with the project, one `.sql` file each, for dashboards and for `firehose sql --view`."""

from dataclasses import dataclass
from importlib.resources import files

from firehose_dagster.errors import ExplainedError

_SUFFIX = ".sql"


class UnknownViewError(ExplainedError):
    """A view that does not come with the project."""


@dataclass(frozen=True, slots=True)
class View:
    """A SELECT over the lake's tables."""

    name: str
    doc: str
    """One line: the comment that the file begins with."""
    sql: str


def views() -> tuple[View, ...]:
    """Every view, by name."""
    folder = files("firehose_dagster.lake") / "views"
    found = [each for each in folder.iterdir() if each.name.endswith(_SUFFIX)]
    return tuple(
        _view(each.name.removesuffix(_SUFFIX), each.read_text(encoding="utf-8"))
        for each in sorted(found, key=lambda each: each.name)
    )


def view(name: str) -> View:
    """The view of this name. Raises UnknownViewError, which names those that there are."""
    known = {each.name: each for each in views()}
    if name not in known:
        raise UnknownViewError(f"there is no view {name}; there are {', '.join(known)}")
    return known[name]


def _view(name: str, text: str) -> View:
    first, _, sql = text.partition("\n")
    return View(name, first.removeprefix("--").strip(), sql.strip())
