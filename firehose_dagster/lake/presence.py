"""For readers, who must not make a lake: whether it is there, and what is raised where it does not answer."""

from pathlib import Path

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, RESTError
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from firehose_dagster.lake.catalog import sqlite_path
from firehose_dagster.settings import Settings

LAKE_AWAY: tuple[type[Exception], ...] = (
    RESTError,
    CommitFailedException,
    SQLAlchemyError,
    pa.ArrowException,
    # The network's errors are among these.
    OSError,
)
"""What pyiceberg raises where the catalog or the storage is not there or does not answer."""
CATALOG_AWAY: tuple[type[Exception], ...] = (RESTError, RequestException, SQLAlchemyError)
"""Of these, what nothing but the catalog raises."""


def lake_was_made(settings: Settings) -> bool:
    """Whether there is a catalog to open. Opening makes an embedded one, and no two processes may do so at once."""
    return bool(settings.catalog_uri) or Path(sqlite_path(settings)).is_file()
