"""SQL over the lake: exact values, nothing but reading, one clear line where it cannot be done."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.types import LongType

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import QUARANTINE, SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.query import QueryError, run_query, to_json, to_text
from firehose_dagster.settings import Settings

AT = datetime(2026, 1, 1, 0, 0, 0, 39_409, tzinfo=UTC)
REJECTED: dict[str, Any] = {
    "reasons": ["price_is_positive"],
    "rejected_at": AT,
    "kafka_topic": "t",
    "kafka_partition": 0,
    "kafka_offset": 1,
    "kafka_timestamp": AT,
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it
    create_tables(open_catalog(settings))
    return settings


def _append(settings: Settings, name: str, rows: list[dict[str, Any]]) -> None:
    table = open_catalog(settings).load_table(name)
    schema = table.schema().as_arrow()
    table.append(pa.Table.from_pylist([{key: row.get(key) for key in schema.names} for row in rows], schema=schema))


def _trade(agg_id: int, **values: object) -> dict[str, object]:
    return {
        "symbol": "BTCUSDT",
        "agg_id": agg_id,
        "price": Decimal("87648.21000000"),
        "qty": Decimal("0.00000010"),
        "first_trade_id": 1,
        "last_trade_id": 1,
        "is_buyer_maker": True,
        "event_ts": AT,
        "dt_hour": AT.replace(microsecond=0),
        "source": "ws",
        "received_at": AT,
        "kafka_partition": 0,
        "kafka_offset": agg_id,
        **values,
    }


def test_decimals_and_times_come_out_as_they_went_in(settings: Settings) -> None:
    _append(settings, SILVER.identifier, [_trade(1)])
    table = run_query(
        settings, "SELECT agg_id, price, qty, price * qty AS notional, event_ts FROM crypto_silver_trades"
    )
    assert table.column("price").to_pylist() == [Decimal("87648.21000000")]
    assert json.loads(to_json(table)) == [
        {
            "agg_id": 1,
            "price": "87648.21000000",
            "qty": "0.00000010",
            "notional": "0.0087648210000000",
            "event_ts": "2026-01-01T00:00:00.039409Z",
        }
    ]


def test_tables_are_reachable_with_and_without_their_namespace(settings: Settings) -> None:
    _append(settings, SILVER.identifier, [_trade(1), _trade(2, event_ts=AT + timedelta(hours=1))])
    for name in ("crypto_silver_trades", "crypto.crypto_silver_trades", "CRYPTO_SILVER_TRADES"):
        assert json.loads(to_json(run_query(settings, f"SELECT count(*) AS n FROM {name}"))) == [{"n": 2}]  # noqa: S608 a test


def test_the_current_snapshot_is_read(settings: Settings) -> None:
    _append(settings, SILVER.identifier, [_trade(1)])
    _append(settings, SILVER.identifier, [_trade(2)])
    open_catalog(settings).load_table(SILVER.identifier).delete("agg_id = 1")
    assert json.loads(to_json(run_query(settings, "SELECT agg_id FROM crypto_silver_trades"))) == [{"agg_id": 2}]


def test_an_empty_table_has_its_columns_and_no_rows(settings: Settings) -> None:
    for table in TABLES:
        found = run_query(settings, f"FROM {table.name}")
        assert found.num_rows == 0
        assert tuple(found.column_names) == table.column_names
    assert to_json(run_query(settings, "FROM ops_audit")) == "[]"


def test_a_home_without_a_lake_is_an_empty_lake(tmp_path: Path) -> None:
    nothing = Settings(home=tmp_path / "new", _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it
    assert run_query(nothing, "FROM crypto_silver_trades").num_rows == 0


def test_a_column_added_later_is_null_in_older_files(settings: Settings) -> None:
    _append(settings, SILVER.identifier, [_trade(1)])
    with open_catalog(settings).load_table(SILVER.identifier).update_schema() as update:
        update.add_column("venue_id", LongType())
    query = "SELECT agg_id, venue_id FROM crypto_silver_trades ORDER BY agg_id"
    assert json.loads(to_json(run_query(settings, query))) == [{"agg_id": 1, "venue_id": None}]
    _append(settings, SILVER.identifier, [_trade(2, venue_id=7)])
    assert json.loads(to_json(run_query(settings, query)))[1] == {"agg_id": 2, "venue_id": 7}


def test_lists_are_lists(settings: Settings) -> None:
    _append(settings, QUARANTINE.identifier, [REJECTED])
    table = run_query(settings, "SELECT reasons, raw FROM crypto_quarantine")
    assert json.loads(to_json(table)) == [{"reasons": ["price_is_positive"], "raw": None}]


def test_wide_whole_numbers_are_numbers_and_equal_names_are_told_apart(settings: Settings) -> None:
    table = run_query(settings, "SELECT sum(x) AS n, 1.50 AS n, 'nan'::DOUBLE AS d FROM range(3) r(x)")
    assert json.loads(to_json(table)) == [{"n": 3, "n_2": "1.50", "d": None}]


def test_the_tables_can_be_listed(settings: Settings) -> None:
    assert set(run_query(settings, "SHOW TABLES").column("name").to_pylist()) == {table.name for table in TABLES}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a INT)",
        "COPY (SELECT 1) TO 'out.parquet'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.parquet'",
        "ATTACH 'other.db'",
        "SET enable_external_access = true",
    ],
)
def test_anything_but_a_select_is_refused(settings: Settings, sql: str) -> None:
    with pytest.raises(QueryError, match="read-only"):
        run_query(settings, sql)


def test_two_statements_are_refused(settings: Settings) -> None:
    with pytest.raises(QueryError, match="2 statements"):
        run_query(settings, "SELECT 1; SELECT 2")


@pytest.mark.parametrize("call", ["read_text('{file}')", "read_csv('{file}')", "glob('{folder}/*')"])
def test_files_outside_the_lake_cannot_be_read(settings: Settings, tmp_path: Path, call: str) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    sql = f"SELECT * FROM {call.format(file=tmp_path / 'secret.csv', folder=tmp_path)}"  # noqa: S608 a test
    with pytest.raises(QueryError, match="Permission Error"):
        run_query(settings, sql)


@pytest.mark.parametrize(
    ("sql", "told"), [("SELECT nope FROM ops_audit", 'column "nope" not found'), ("SELEKT 1", "syntax error")]
)
def test_an_error_is_one_line_with_duckdbs_message(settings: Settings, sql: str, told: str) -> None:
    with pytest.raises(QueryError, match=told) as caught:
        run_query(settings, sql)
    assert "\n" not in str(caught.value)


def test_the_text_table_shows_rows_as_they_are(settings: Settings) -> None:
    lines = to_text(run_query(settings, "SELECT '[red]x' AS name, 1.50 AS price, NULL AS nothing")).splitlines()
    assert lines[0].split() == ["name", "price", "nothing"]
    assert lines[2].split() == ["[red]x", "1.50"]
    assert lines[-1] == "1 row"


@pytest.mark.parametrize("name", ["odd[1]", "odd *", "100% odd", "odd's", "odd; {a,b} ~ $x"])
def test_files_whose_names_duckdb_would_take_for_patterns_are_read_with_the_same_answer(
    tmp_path: Path, name: str
) -> None:
    plain, odd = (Settings(home=tmp_path / each) for each in ("plain", name))
    for settings in (plain, odd):
        create_tables(open_catalog(settings))
        _append(settings, SILVER.identifier, [_trade(1), _trade(2, event_ts=AT + timedelta(hours=1))])
        _append(settings, QUARANTINE.identifier, [REJECTED])
    for query in (
        "SELECT * FROM crypto_silver_trades ORDER BY agg_id",
        "SELECT price, event_ts FROM crypto_silver_trades WHERE agg_id = 2 AND price > 1",
        "SELECT * FROM crypto_quarantine",
    ):
        assert to_json(run_query(odd, query)) == to_json(run_query(plain, query))
