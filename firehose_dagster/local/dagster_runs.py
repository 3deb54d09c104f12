"""The runs of the Dagster UI, as an installation ends them: through the webserver's GraphQL, never by signal."""

import logging
import time

import httpx
import msgspec
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from firehose_dagster.errors import ExplainedError
from firehose_dagster.settings import Settings

_LOGGER = logging.getLogger(__name__)

GATEWAY_JOB = "gateway"
STREAMS_JOB = "streams"
STOPPED_BY_TAG = "firehose/stopped_by"
STOPPED_BY_INSTALLATION = "installation"
"""A cancelled run with this tag was ended by a stop of everything, not by a person: the next start launches it anew."""

_HTTP_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.5
_GOING_ON = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")

_HAD_A_PROCESS = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
"""One that is queued had none yet: the daemon launches it."""

_RUNS_QUERY = """
query Runs($jobs: RunsFilter!) {
  runsOrError(filter: $jobs) { __typename ... on Runs { results { runId status } } }
}"""
_TERMINATE_MUTATION = """
mutation Terminate($ids: [String!]!) {
  terminateRuns(runIds: $ids, terminatePolicy: SAFE_TERMINATE) {
    __typename
    ... on TerminateRunsResult {
      terminateRunResults { __typename ... on TerminateRunFailure { message } }
    }
  }
}"""


def close_lost_runs(settings: Settings) -> tuple[str, ...]:
    """Call where no process of the home lives: runs that go on by Dagster's word are lost. Returns their ids.

    Left as they are, they would keep their schedules, their place in the pool and among the runs for hours. One that
    was being terminated ends as canceled, so that it stays off where a person wanted it off; the others as failed.
    """
    with DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        lost = [each.dagster_run for each in instance.get_run_records(RunsFilter(statuses=_HAD_A_PROCESS))]
        for run in lost:
            if run.status == DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, "its process is gone")
            else:
                instance.report_run_failed(run, "its process ended with the installation or the machine")
            _LOGGER.info("lost run closed run=%s job=%s was=%s", run.run_id, run.job_name, run.status.value)
    return tuple(run.run_id for run in lost)


class _Run(msgspec.Struct, frozen=True, rename={"run_id": "runId"}):
    run_id: str
    status: str


class DagsterUnreachableError(ExplainedError):
    """The webserver does not answer GraphQL as it should."""


class DagsterRuns:
    """Runs of one installation. Methods raise `DagsterUnreachableError`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = f"http://127.0.0.1:{settings.ui_port}/graphql"

    def going_on(self, job: str) -> tuple[str, ...]:
        """Ids of the job's runs that are not finished."""
        data = self._ask(_RUNS_QUERY, {"jobs": {"pipelineName": job, "statuses": list(_GOING_ON)}})
        results = data.get("runsOrError", {}).get("results", [])
        return tuple(run.run_id for run in msgspec.convert(results, list[_Run]))

    def end(self, job: str, patience_seconds: float) -> tuple[str, ...]:
        """Terminate the job's runs and wait for their end. Returns their ids; those still going on are logged."""
        run_ids = self.going_on(job)
        if not run_ids:
            return ()
        self._ask(_TERMINATE_MUTATION, {"ids": list(run_ids)})
        deadline = time.monotonic() + patience_seconds
        while remaining := self.going_on(job):
            if time.monotonic() > deadline:
                _LOGGER.warning("runs not ended job=%s after_seconds=%.0f runs=%s", job, patience_seconds, remaining)
                break
            time.sleep(_POLL_SECONDS)  # between two looks at another process
        return run_ids

    def mark_as_ours(self, run_ids: tuple[str, ...]) -> None:
        """Tag the runs as ended by the installation. The daemon is stopped before, else a sensor starts them again."""
        with DagsterInstance.from_config(str(self._settings.dagster_home)) as instance:
            for run_id in run_ids:
                instance.add_run_tags(run_id, {STOPPED_BY_TAG: STOPPED_BY_INSTALLATION})

    def location_error(self) -> str | None:
        """Why the code location did not load, None where it did."""
        data = self._ask(
            "{ workspaceOrError { ... on Workspace { locationEntries { "
            "locationOrLoadError { __typename ... on PythonError { message } } } } } }",
            {},
        )
        for entry in data.get("workspaceOrError", {}).get("locationEntries", []):
            loaded = entry.get("locationOrLoadError") or {}
            if loaded.get("__typename") == "PythonError":
                return str(loaded.get("message"))
        return None

    def _ask(
        self, query: str, variables: dict[str, object]
    ) -> dict[str, dict[str, list[dict[str, dict[str, object]]]]]:
        try:
            answer = httpx.post(
                self._url, json={"query": query, "variables": variables}, timeout=_HTTP_TIMEOUT_SECONDS
            ).json()
        except (httpx.HTTPError, ValueError) as error:
            raise DagsterUnreachableError(f"{self._url} does not answer: {error}") from error
        if answer.get("errors"):
            raise DagsterUnreachableError(f"{self._url} refused a query: {answer['errors'][0].get('message')}")
        return dict(answer["data"])
