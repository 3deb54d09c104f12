"""The promises as asset checks: one run of `firehose verify`, judged on the tables that they are about."""

from collections.abc import Iterator

import dagster as dg

from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.defs.held_state import held_if_long
from firehose_dagster.defs.maintenance_pool import ENDS_IN_TIME, POOL, run_unless_one_is_unfinished
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.maintenance.compaction.priority import beside_the_stream
from firehose_dagster.verification.verify import verify

_PROMISES: dict[str, tuple[str, str]] = {
    "silver_has_no_duplicates": (SILVER.name, "Each (symbol, agg_id) stands once."),
    "silver_is_contiguous": (SILVER.name, "No id is missing between a symbol's first and last."),
    "silver_values_are_valid": (SILVER.name, "Prices and quantities are positive, every value is in its range."),
    "silver_equals_bronze": (SILVER.name, "Every row equals the Kafka record it came from."),
    "bronze_offsets_are_contiguous": (BRONZE.name, "Every offset of the topic stands once."),
    "rows_are_conserved": (BRONZE.name, "bronze = silver + quarantine + duplicates."),
    "rest_is_duplicates": (BRONZE.name, "What is in neither silver nor quarantine equals a row of silver."),
    "quarantine_is_explained": (QUARANTINE.name, "Every row names the rules it broke, and is in bronze."),
    "gold_equals_recomputation": (GOLD.name, "Every row equals an independent recomputation from silver."),
    "spikes_have_their_events": (SPIKES.name, "Every flag has its event, and every event stands once."),
    "audit_adds_up": (OPS_AUDIT.name, "Every batch accounts for its rows, and no offset is left out."),
    "completeness_equals_recomputation": (
        OPS_COMPLETENESS.name,
        "Every hour's figures equal a recomputation from silver, and every seal is earned.",
    ),
    "data_files_are_listed_once": (BRONZE.name, "No table lists a data file twice."),
}


@dg.multi_asset_check(
    name="promises",
    specs=[
        dg.AssetCheckSpec(name, asset=dg.AssetKey([table]), description=statement)
        for name, (table, statement) in _PROMISES.items()
    ],
    # With expiry in turns: the silver that gold names may be old where gold stood still. It cannot be pinned then
    # (`readers.py`), and expiry takes it as soon as gold goes on: a check would be red on a good lake.
    pool=POOL,
    # Materialize on one layer brings that layer's checks along.
    can_subset=True,
    description="Runs `firehose verify` on one pinned state of the lake; it may run while the stream writes.",
)
def promises(context: dg.AssetCheckExecutionContext, firehose: FirehoseResource) -> Iterator[dg.AssetCheckResult]:
    settings = firehose.settings()
    # An interruption waits for the end of the verification, which writes nothing.
    report = beside_the_stream(lambda _: verify(settings, holding=lambda lake: held_if_long(settings, lake)))
    for check in report.checks:
        table, _ = _PROMISES[check.name]
        if dg.AssetCheckKey(dg.AssetKey([table]), check.name) not in context.selected_asset_check_keys:
            continue
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=dg.AssetKey([table]),
            passed=check.ok,
            metadata={
                **check.figures,
                "breaches": check.breaches,
                **(
                    {"examples": dg.MetadataValue.md("\n".join(f"- {each}" for each in check.examples))}
                    if check.examples
                    else {}
                ),
            },
        )


verify_promises = dg.define_asset_job(
    "verify_promises",
    selection=dg.AssetSelection.checks(promises),
    executor_def=dg.in_process_executor,
    description="Judges every promise on what the lake holds.",
    tags=ENDS_IN_TIME,
)


@dg.sensor(
    job=verify_promises,
    name="verify_what_was_materialized",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Verifies the lake once after each materialization of gold: each quarter of an hour while it streams.",
)
def verify_what_was_materialized(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    newest = context.instance.get_latest_materialization_event(dg.AssetKey([GOLD.name]))
    if newest is None:
        return dg.SkipReason("gold was never materialized")
    last = context.instance.get_run_records(dg.RunsFilter(job_name=verify_promises.name), limit=1)
    if last and last[0].create_timestamp.timestamp() > newest.timestamp:
        return dg.SkipReason("verified since gold was materialized")
    return run_unless_one_is_unfinished(context.instance, verify_promises.name)
