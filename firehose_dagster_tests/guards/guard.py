"""Guards: lines of the code that keep a promise, each with how to break it and the tests that must then fail."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One break. `code` is found exactly once in `file` (from the top of the tree) and is replaced by `broken`."""

    name: str
    """What no longer holds where the guard is gone."""
    file: str
    code: str
    broken: str
    tests: tuple[str, ...]
    """As pytest takes them: files, or `file::test`. At least one must fail."""

    def broken_text(self, root: Path) -> str:
        """The file without its guard. Raises ValueError where the code is not there exactly once."""
        text = (root / self.file).read_text()
        if text.count(self.code) != 1:
            raise ValueError(f"guard {self.name!r}: {self.file} has {text.count(self.code)} times {self.code!r}")
        return text.replace(self.code, self.broken)


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    guard: tuple[Guard, ...]


def guards_of(path: Path) -> tuple[Guard, ...]:
    """The guards of one list. Raises msgspec.ValidationError where it is not one."""
    return msgspec.convert(tomllib.loads(path.read_text()), _List).guard


def lists() -> Iterator[Path]:
    """Every list, in order of its name."""
    yield from sorted(FOLDER.glob("*.toml"))
