"""Tables are made from the contracts, gain columns, and never lose or change one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from firehose_dagster.contracts.columns import Column, Decimal, Scalar
from firehose_dagster.contracts.table import NAMESPACE
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake import catalog as catalog_module
from firehose_dagster.lake.catalog import LakeDiffersError, create_tables, open_catalog
from firehose_dagster.settings import Settings


def _settings(home: Path) -> Settings:
    return Settings(home=home, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it


def test_every_contract_becomes_a_table_with_its_columns_and_properties(tmp_path: Path) -> None:
    create_tables(open_catalog(_settings(tmp_path)))
    catalog = open_catalog(_settings(tmp_path))
    assert {name[-1] for name in catalog.list_tables(NAMESPACE)} == {table.name for table in TABLES}
    for table in TABLES:
        held = catalog.load_table(table.identifier)
        assert tuple(field.name for field in held.schema().fields) == table.column_names
        assert held.properties["comment"] == table.doc
        assert held.properties["write.metadata.previous-versions-max"] == "200"
        assert held.format_version == 2


def test_all_that_open_a_new_catalog_in_the_same_moment_have_it(tmp_path: Path) -> None:
    for attempt in range(5):
        settings = _settings(tmp_path / str(attempt))
        ready = threading.Barrier(8)

        def opened(settings: Settings = settings, ready: threading.Barrier = ready) -> bool:
            ready.wait()
            return open_catalog(settings).list_namespaces() == []

        with ThreadPoolExecutor(8) as threads:
            assert all(future.result() for future in [threads.submit(opened) for _ in range(8)])


def test_all_that_make_the_tables_in_the_same_moment_have_them(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    open_catalog(settings)
    ready = threading.Barrier(4)

    def made() -> int:
        catalog = open_catalog(settings)
        ready.wait()
        create_tables(catalog)
        return len(catalog.list_tables(NAMESPACE))

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(made) for _ in range(4)]
    assert [each.result() for each in found] == [len(TABLES)] * 4


def test_making_tables_twice_changes_nothing(tmp_path: Path) -> None:
    catalog = open_catalog(_settings(tmp_path))
    create_tables(catalog)
    before = {table.name: catalog.load_table(table.identifier).metadata_location for table in TABLES}
    create_tables(catalog)
    assert {table.name: catalog.load_table(table.identifier).metadata_location for table in TABLES} == before


def test_a_new_column_of_a_contract_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_catalog(_settings(tmp_path))
    create_tables(catalog)
    wider = replace(SILVER, columns=(*SILVER.columns, Column("venue", Scalar.STRING, "Where it was traded.")))
    monkeypatch.setattr(catalog_module, "TABLES", (wider,))
    create_tables(catalog)
    added = catalog.load_table(SILVER.identifier).schema().find_field("venue")
    assert (str(added.field_type), added.required, added.doc) == ("string", False, "Where it was traded.")


def test_a_column_that_left_the_contract_stays_in_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_catalog(_settings(tmp_path))
    create_tables(catalog)
    monkeypatch.setattr(catalog_module, "TABLES", (replace(SILVER, columns=SILVER.columns[:-1]),))
    create_tables(catalog)
    assert "kafka_offset" in catalog.load_table(SILVER.identifier).schema().column_names


def test_a_changed_type_is_refused_by_table_and_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_catalog(_settings(tmp_path))
    create_tables(catalog)
    columns = tuple(replace(each, type=Decimal(20, 8)) if each.name == "price" else each for each in SILVER.columns)
    monkeypatch.setattr(catalog_module, "TABLES", (replace(SILVER, columns=columns),))
    with pytest.raises(LakeDiffersError, match=r"crypto_silver_trades, column price: the lake holds decimal\(18, 8\)"):
        create_tables(catalog)
