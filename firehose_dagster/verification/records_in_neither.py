"""The records of bronze that neither silver nor quarantine holds by their coordinates: few, whatever bronze holds."""

from firehose_dagster.verification.pinned_lake import PinnedLake


def find_records_in_neither(lake: PinnedLake) -> None:
    """Make the table `rest` of them, with bronze's columns; once for a pinned lake, whoever asks first."""
    lake.connection.execute(
        """
        CREATE TEMP TABLE IF NOT EXISTS rest AS
        SELECT b.* FROM bronze b
        ANTI JOIN silver s ON s.kafka_partition = b.kafka_partition AND s.kafka_offset = b.kafka_offset
        ANTI JOIN quarantine q ON q.kafka_partition = b.kafka_partition AND q.kafka_offset = b.kafka_offset
        """
    )
