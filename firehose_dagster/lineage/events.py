"""Run events in the form of OpenLineage: one function for all jobs of this project. Pure but for the clock."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    documentation_job,
    error_message_run,
    job_type_job,
    parent_run,
)
from openlineage.client.uuid import generate_new_uuid

PRODUCER = "https://github.com/crypto-firehose/crypto-firehose"
_LONGEST_MESSAGE_CHARACTERS = 4_000

Processing = Literal["STREAMING", "BATCH", "SERVICE"]


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run of a job, as every event of it names it."""

    namespace: str
    job: str
    run_id: str
    parent: "RunKey | None" = None

    def child(self, job: str) -> "RunKey":
        """A new run of `job` within this one."""
        return RunKey(self.namespace, job, str(generate_new_uuid()), self)


def run_event(
    key: RunKey,
    state: RunState,
    processing: Processing,
    *,
    doc: str = "",
    inputs: Sequence[InputDataset] = (),
    outputs: Sequence[OutputDataset] = (),
    error: str | None = None,
    at: datetime | None = None,
) -> RunEvent:
    """One event. `at` is UTC, now where it is not given; `error` says why a run failed."""
    run_facets: dict[str, RunFacet] = {}
    if key.parent is not None:
        run_facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=key.parent.run_id),
            job=parent_run.Job(namespace=key.parent.namespace, name=key.parent.job),
        )
    if error is not None:
        run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=error[:_LONGEST_MESSAGE_CHARACTERS], programmingLanguage="PYTHON"
        )
    job_facets: dict[str, JobFacet] = {
        "jobType": job_type_job.JobTypeJobFacet(processingType=processing, integration="DAGSTER", jobType="JOB")
    }
    if doc:
        job_facets["documentation"] = documentation_job.DocumentationJobFacet(description=doc)
    return RunEvent(
        eventTime=(at or datetime.now(UTC)).isoformat(),
        producer=PRODUCER,
        run=Run(runId=str(uuid.UUID(key.run_id)), facets=run_facets),
        job=Job(namespace=key.namespace, name=key.job, facets=job_facets),
        eventType=state,
        inputs=list(inputs),
        outputs=list(outputs),
    )
