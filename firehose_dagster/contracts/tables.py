"""Every table of the lake."""

from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS, OPS_DELIVERIES, OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES

TABLES: tuple[Table, ...] = (
    BRONZE,
    SILVER,
    QUARANTINE,
    GOLD,
    SPIKES,
    OPS_AUDIT,
    OPS_DELIVERIES,
    OPS_COMPLETENESS,
    OPS_EXCHANGE_HOLES,
)
