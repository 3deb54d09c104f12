"""The stack with the compose file's settings: from the exchange to the webhook, each service killed, all promises kept.

The tests are one story, in their order, on one stack.
"""

import httpx
import pytest

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster_tests.demo.running_demo import until
from firehose_dagster_tests.stack.running_stack import RunningStack

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(1500)]

PATIENCE_SECONDS = 600.0
"""A session on two busy cores takes its minute, and the pauses between attempts grow."""


def rows_held(stack: RunningStack) -> int:
    """How far the tables are in the topic, over all partitions."""
    return sum(stack.progress().offsets.values())


def goes_on(stack: RunningStack) -> None:
    """Wait until trades arrived that were not there before."""
    before = rows_held(stack)
    until(lambda: rows_held(stack) > before, "no trade arrived in silver", PATIENCE_SECONDS)


def test_trades_come_from_the_exchange_into_gold(stack: RunningStack) -> None:
    until(lambda: stack.materializations("crypto_gold_minute") > 0, "gold was not materialized", PATIENCE_SECONDS)
    goes_on(stack)


def test_the_executors_are_on_the_worker_of_the_cluster(stack: RunningStack) -> None:
    (application,) = httpx.get(stack.spark_ui, timeout=10).json()["activeapps"]
    assert application["name"] == "firehose"
    assert application["cores"] == 2


def test_every_table_is_files_of_the_bucket(stack: RunningStack) -> None:
    catalog = open_catalog(stack.settings)
    for table in TABLES:
        assert catalog.load_table(table.identifier).location().startswith("s3://lake/warehouse/"), table.name


def test_every_service_passes_the_smoke_check(stack: RunningStack) -> None:
    run = stack.firehose("smoke")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("ok  ") == 3


def test_sql_reads_what_lies_in_the_bucket(stack: RunningStack) -> None:
    query = "select symbol, count(*) as trades, sum(price * qty) as volume from crypto_silver_trades group by symbol"
    run = stack.firehose("sql", query, "--format", "json")
    assert run.returncode == 0, run.stderr
    assert run.stdout.count('"symbol"') == 5


def test_the_read_api_answers_those_who_have_its_token(stack: RunningStack) -> None:
    token = stack.settings.api_token.get_secret_value()
    answer = httpx.get(f"{stack.api_url}/v1/pulse", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 5
    assert httpx.get(f"{stack.api_url}/v1/pulse", timeout=30).status_code == 401


def test_spikes_reach_the_webhook_and_are_recorded(stack: RunningStack) -> None:
    until(lambda: stack.webhooks_verified() > 0, "no webhook arrived", PATIENCE_SECONDS)
    query = "select count(*) as delivered from ops_deliveries where outcome = 'delivered'"
    until(
        lambda: '"delivered": 0' not in stack.firehose("sql", query, "--format", "json").stdout,
        "the delivery was not recorded",
        PATIENCE_SECONDS,
    )


@pytest.mark.parametrize("service", ["s3", "catalog", "spark-worker", "broker", "code-location"])
def test_what_is_killed_and_comes_back_is_used_again(stack: RunningStack, service: str) -> None:
    stack.restart(service)
    goes_on(stack)


@pytest.mark.parametrize(
    "table", ["crypto_bronze_aggtrade", "crypto_silver_trades", "crypto_spikes", "crypto_gold_minute", "ops_audit"]
)
def test_a_commit_whose_answer_is_lost_is_found_by_reading(stack: RunningStack, table: str) -> None:
    stack.catalog_proxy.lose_next_commit(table)
    until(stack.catalog_proxy.has_lost_one, f"nothing was committed to {table}", PATIENCE_SECONDS)
    goes_on(stack)


def test_after_all_this_every_promise_holds(stack: RunningStack) -> None:
    def green() -> bool:
        return stack.firehose("verify").returncode == 0

    # A heal may still be under way when the question is asked first.
    until(green, f"verify is not green: {stack.firehose('verify').stdout}", PATIENCE_SECONDS)
