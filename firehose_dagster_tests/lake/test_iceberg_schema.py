"""Contracts as Iceberg sees them."""

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import GOLD, QUARANTINE, SILVER
from firehose_dagster.lake.iceberg_schema import partition_spec, schema, sort_order


def test_types_keep_their_precision_and_columns_their_order() -> None:
    fields = {field.name: field for field in schema(SILVER).fields}
    assert tuple(fields) == SILVER.column_names
    assert [field.field_id for field in fields.values()] == list(range(1, len(fields) + 1))
    assert str(fields["price"].field_type) == "decimal(18, 8)"
    assert str(fields["qty"].field_type) == "decimal(19, 8)"
    assert str(fields["event_ts"].field_type) == "timestamptz"
    assert fields["price"].required
    assert fields["price"].doc == "Price in quote units."
    assert str(schema(GOLD).find_field("quote_volume").field_type) == "decimal(38, 16)"


def test_nested_types_have_ids_of_their_own() -> None:
    assert str(schema(QUARANTINE).find_field("reasons").field_type) == "list<string>"
    assert str(schema(OPS_AUDIT).find_field("dq_fail_by_rule").field_type) == "map<string, long>"
    for table in TABLES:
        ids = list(schema(table)._lazy_id_to_name)
        assert len(ids) == len(set(ids))


def test_partitions_and_order_follow_the_contract() -> None:
    (by_hour,) = partition_spec(SILVER).fields
    assert (by_hour.name, str(by_hour.transform)) == ("event_ts_hour", "hour")
    (by_day,) = partition_spec(QUARANTINE).fields
    assert (by_day.name, str(by_day.transform)) == ("rejected_at_day", "day")
    names = [schema(SILVER).find_column_name(field.source_id) for field in sort_order(SILVER).fields]
    assert names == ["symbol", "event_ts", "agg_id"]
    assert not sort_order(QUARANTINE).fields
