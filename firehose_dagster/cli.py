"""The `firehose` command: what it prints and how it ends. The commands themselves are in `commands`."""

import sys
from collections.abc import Callable

from pydantic import ValidationError

from firehose_dagster.commands import (  # noqa: F401 - each registers its commands
    alerts,
    api,
    backfill,
    installation,
    lake,
    processes,
    rebuild,
    reconcile,
    stack,
    status,
)
from firehose_dagster.commands.application import app
from firehose_dagster.errors import ExplainedError
from firehose_dagster.log_files import log_to_console

__all__ = ["app", "main"]

_EXIT_UNUSABLE = 2


def main(run: Callable[[], object] = app) -> None:
    """Entry point of `firehose`: an error that a user can meet is one line and exit code 2."""
    log_to_console()
    try:
        sys.exit(run())  # type: ignore[arg-type] # the commands return exit codes
    except ValidationError as error:
        message = _settings_errors(error)
    except ExplainedError as error:
        message = str(error)
    except Exception as error:
        away = _catalog_is_away(error)
        if away is None:
            raise
        message = away
    print(f"firehose: {message}", file=sys.stderr)
    sys.exit(_EXIT_UNUSABLE)


def _catalog_is_away(error: Exception) -> str | None:
    """What to tell where the error is that the catalog does not answer; None where it is another one."""
    # Not at the top: it takes a second to load, which a command that ends well need not wait for.
    from firehose_dagster.lake.catalog import sqlite_path
    from firehose_dagster.lake.presence import CATALOG_AWAY
    from firehose_dagster.settings import Settings

    if not isinstance(error, CATALOG_AWAY):
        return None
    settings = Settings()
    where = settings.catalog_uri or sqlite_path(settings)
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"the catalog {where} does not answer: start it, or correct FIREHOSE_CATALOG_URI ({what})"


def _settings_errors(error: ValidationError) -> str:
    # What is wrong with several together names them in its message.
    lines = [
        f"  FIREHOSE_{'_'.join(str(part) for part in each['loc']).upper()}: {each['msg']}"
        if each["loc"]
        else f"  {each['msg']}"
        for each in error.errors()
    ]
    return "settings are not usable:\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
