"""What a backfill starts from: days, a source of files, a topic that is there."""

import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from firehose_dagster.archive.archive_files import ArchiveSource
from firehose_dagster.archive.local_archive import LocalArchive
from firehose_dagster.archive.public_archive import PublicArchive
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.errors import ExplainedError
from firehose_dagster.gateway.topic import ensure_topic
from firehose_dagster.settings import ALL_SYMBOLS, Settings

BROKER_PATIENCE_SECONDS = 20.0


class BackfillOptionsError(ExplainedError):
    """What was asked for cannot be meant."""


class BrokerAwayError(ExplainedError):
    """Kafka does not answer."""


def archive_days(symbols: Sequence[str], first: date, last: date) -> list[ArchiveDay]:
    """Every symbol on every day from the first to the last, both included, oldest day first.

    Raises BackfillOptionsError for no or all symbols, for a range that ends before it begins or is not over yet.
    """
    if not symbols or ALL_SYMBOLS in symbols:
        raise BackfillOptionsError("name the symbols to backfill, for example --symbol BTCUSDT,ETHUSDT")
    if first > last:
        raise BackfillOptionsError(f"the days end before they begin: from {first} to {last}")
    today = datetime.now(UTC).date()
    if last >= today:
        raise BackfillOptionsError(f"{last} is not over: the archive has a day's file from the next day on (UTC)")
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [ArchiveDay(symbol, day) for day in days for symbol in dict.fromkeys(symbols)]


def archive_source(settings: Settings, archive_dir: Path | None) -> ArchiveSource:
    """The folder, else the public archive. Raises ArchiveUnavailableError where there is no such folder."""
    if archive_dir is not None:
        return LocalArchive(archive_dir.expanduser())
    return PublicArchive(settings.archive_url, settings.home / "archive")


def require_topic(settings: Settings, patience_seconds: float = BROKER_PATIENCE_SECONDS) -> None:
    """Wait for the broker and the topic, which is made where it is absent; raises BrokerAwayError after a while."""
    give_up = threading.Event()
    timer = threading.Timer(patience_seconds, give_up.set)
    timer.daemon = True
    timer.start()
    try:
        if not ensure_topic(settings, give_up):
            raise BrokerAwayError(
                f"Kafka does not answer at {settings.bootstrap_servers}; start the installation (`firehose demo`), or "
                "set FIREHOSE_KAFKA_BOOTSTRAP"
            )
    finally:
        timer.cancel()
