"""The columns that name a trade or a minute in more than one table."""

from firehose_dagster.contracts.columns import Column, Scalar

SYMBOL = Column("symbol", Scalar.STRING, "Trading pair as the exchange writes it, for example BTCUSDT.", required=True)
AGG_ID = Column("agg_id", Scalar.LONG, "Aggregate trade id; counts up by one per symbol.", required=True)
MINUTE = Column("minute", Scalar.TIMESTAMP, "Start of the minute, UTC.", required=True)
