"""What the lake is fed from, and is not ours to make: the exchange's stream and the Kafka topic."""

import dagster as dg

from firehose_dagster.contracts.message import CONTRACT
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.defs.table_metadata import OWNERS, asset_spec

EXCHANGE_KEY = dg.AssetKey(["binance_spot_aggtrades"])
TOPIC_KEY = dg.AssetKey(["kafka_binance_aggtrade"])

exchange = dg.AssetSpec(
    EXCHANGE_KEY,
    description="Binance's public aggregate trades: WebSocket for what happens, REST for what was missed.",
    group_name="sources",
    kinds={"websocket", "rest"},
    owners=OWNERS,
    metadata={"documentation": dg.MetadataValue.url("https://developers.binance.com/docs/binance-spot-api-docs")},
)

topic = dg.AssetSpec(
    TOPIC_KEY,
    deps=[exchange],
    description=(
        f"The Kafka topic of the trades, contract `{CONTRACT}`, keyed by symbol. "
        "Filled by the job `gateway`, which the sensor `gateway_keep_alive` keeps running."
    ),
    group_name="sources",
    kinds={"kafka", "python"},
    owners=OWNERS,
)

exchange_holes = asset_spec(OPS_EXCHANGE_HOLES, deps=[exchange], group="sources", kinds={"iceberg"}).merge_attributes(
    metadata={
        "written_by": "job gateway; asset archive_days and command `firehose backfill`, for ids marked as no trade"
    }
)
