"""A lake of rows, written to a home that reads no `.env`, and what `verify` says of it."""

from pathlib import Path

from firehose_dagster.settings import Settings
from firehose_dagster.verification.report import VerificationReport
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import SmallLake, write


def settings_of(home: Path) -> Settings:
    """The defaults."""
    return Settings(home=home, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it


def verified(home: Path, lake: SmallLake) -> VerificationReport:
    """The verdict on the lake, written to this home."""
    write(settings_of(home), lake)
    return verify(settings_of(home))


def failed(report: VerificationReport) -> set[str]:
    """Names of the checks that found something."""
    return {check.name for check in report.checks if not check.ok}


def told(report: VerificationReport) -> str:
    """What was wrong and where, a line each."""
    return "\n".join(example for check in report.checks for example in check.examples)
