"""One running stack for all tests of this folder, in their order: to start it takes a minute."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from firehose_dagster.lake.jars import JarsMissingError, kafka_jars, spark_jars
from firehose_dagster.settings import Settings
from firehose_dagster_tests.stack.postgres import programs
from firehose_dagster_tests.stack.running_stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def stack(usable_java: Path) -> Iterator[RunningStack]:
    """Every service of the compose file that is not a UI of others, as processes."""
    postgres_bin = programs()
    if postgres_bin is None:
        pytest.skip("PostgreSQL's programs are not installed (initdb is not found)")
    try:
        kafka_jars(Settings().jars_dir)
        spark_jars(Settings().jars_dir, s3=True)
    except JarsMissingError as error:
        pytest.skip(str(error))
    with running_stack(usable_java, postgres_bin) as running:
        yield running
