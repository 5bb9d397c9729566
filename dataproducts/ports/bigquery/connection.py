"""The connection to BigQuery: one client, how long it is patient, and what it may raise, as sentences."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from dataproducts.errors import PortError, PortUnavailable

if TYPE_CHECKING:
    from google.cloud import bigquery

EMULATOR = "BIGQUERY_EMULATOR_HOST"
_ANSWER = 60.0  # seconds for one answer; the client's own default is to wait for ever
_PATIENCE = 60.0  # seconds in which a failing request is repeated; the client's own default is ten minutes
_UPLOADS = 3


@dataclass(frozen=True)
class Connection:
    """A client with the project that holds the tables. Methods raise google's errors; `told` makes sentences of them."""

    client: bigquery.Client
    dataset: str
    project: str
    location: str

    def found_dataset(self, name: str) -> bigquery.Dataset | None:
        """A BigQuery dataset, None where there is none."""
        from google.api_core.exceptions import NotFound

        try:
            return self.client.get_dataset(f"{self.project}.{name}", **self._patience())
        except NotFound as error:
            if "project" in _said(error).lower() and name not in _said(error):
                raise
            return None

    def found_table(self, name: str) -> bigquery.Table | None:
        """A table or view by its full name, None where there is none."""
        from google.api_core.exceptions import NotFound

        try:
            return self.client.get_table(name, **self._patience())
        except NotFound:
            return None

    def found_routine(self, name: str) -> bigquery.Routine | None:
        """A function by its full name, None where there is none."""
        from google.api_core.exceptions import NotFound

        try:
            return self.client.get_routine(name, **self._patience())
        except NotFound:
            return None

    def found_job(self, job: str, location: str) -> Any:
        """A job by its id, None where there is none."""
        from google.api_core.exceptions import NotFound

        try:
            return self.client.get_job(job, location=location, **self._patience())
        except NotFound:
            return None

    def create_dataset(self, dataset: bigquery.Dataset) -> bigquery.Dataset:
        """Create, or find created by another run."""
        return self.client.create_dataset(dataset, exists_ok=True, **self._patience())

    def create_table(self, table: bigquery.Table) -> bigquery.Table:
        """Create, or find created by another run."""
        return self.client.create_table(table, exists_ok=True, **self._patience())

    def change_table(self, table: bigquery.Table, what: Sequence[str]) -> bigquery.Table:
        """Change these properties of a table or view."""
        return self.client.update_table(table, list(what), **self._patience())

    def put_routine(self, routine: bigquery.Routine, exists: bool) -> None:
        """Create or change a function."""
        if not exists:
            self.client.create_routine(routine, exists_ok=True, **self._patience())
        else:
            self.client.update_routine(routine, ["type_", "language", "arguments", "body", "description"], **self._patience())

    def load(self, file: IO[bytes], size: int, table: str, job: str, location: str, config: bigquery.LoadJobConfig) -> Any:
        """Begin a load job. Raises Conflict where there has been one of this id."""
        return self.client.load_table_from_file(
            file,
            table,
            rewind=True,
            size=size,
            num_retries=_UPLOADS,
            job_id=job,
            location=location,
            job_config=config,
            timeout=_ANSWER * 5,
        )

    def reload(self, job: Any) -> None:
        """Ask how far a job has come."""
        job.reload(**self._patience())

    def listed(self, table: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """All rows of a small table: read without a job, so it costs nothing."""
        found = self.client.get_table(table, **self._patience())
        wanted = [f for f in found.schema if f.name in names]
        return [dict(row.items()) for row in self.client.list_rows(found, selected_fields=wanted, **self._patience())]

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The rows of a query."""
        from google.cloud.bigquery import QueryJobConfig

        job = self.client.query(sql, job_config=QueryJobConfig(query_parameters=list(parameters)), job_retry=None, **self._patience())
        return job.result(retry=self._patience()["retry"], job_retry=None)

    def compute(self, sql: str, config: bigquery.QueryJobConfig) -> Any:
        """The rows of a query job that may take its time, where its tables are."""
        job = self.client.query(sql, job_config=config, job_retry=None, **self._patience())
        return job.result(retry=self._patience()["retry"], job_retry=None)

    @staticmethod
    def _patience() -> Mapping[str, Any]:
        from google.cloud.bigquery.retry import DEFAULT_RETRY

        return {"retry": DEFAULT_RETRY.with_timeout(_PATIENCE), "timeout": _ANSWER}


@contextmanager
def connected(resource: Any, dataset: str, project: str, location: str) -> Iterator[Connection]:
    """A connection with the resource's client. An emulator asks for no credentials.

    `resource` is a client, a dagster-gcp BigQueryResource, or what Dagster makes of that in a run, a generator that gives the client.
    """
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery

    if not project:
        raise PortError(f"{dataset}: BIGQUERY_PROJECT is not set; set it to the project that holds the tables")
    if resource is None:
        raise PortError(f"{dataset}: the code location has no resource 'bigquery'; give it dagster_gcp.BigQueryResource(project=...)")
    with ExitStack() as stack:
        try:
            if os.environ.get(EMULATOR):
                client = bigquery.Client(project=project, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
            elif isinstance(resource, bigquery.Client):
                client = resource
            elif hasattr(resource, "get_client"):
                own = resource if resource.project else resource.model_copy(update={"project": project})
                client = stack.enter_context(own.get_client())
            else:
                client = next(resource)
                stack.callback(resource.close)
        except (GoogleAuthError, OSError, ValueError) as error:  # none, or a file of credentials that is missing or garbled
            raise _no_credentials(dataset, error) from error
        if client is not resource:
            stack.callback(client.close)
        yield Connection(client, dataset, project, location)


@contextmanager
def told(connection: Connection, doing: str, remedy: str = "", undecided: bool = False) -> Iterator[None]:
    """What google's libraries raise, as one sentence. Where a batch may have arrived (`undecided`) everything is PortUnavailable."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except PortUnavailable:
        raise
    except PortError as error:
        if undecided:
            raise PortUnavailable(str(error)) from error
        raise
    except (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError, requests.RequestException, OSError) as error:
        raised, text = _judged(connection, error, doing, remedy)
        raise (PortUnavailable if undecided else raised)(text) from error


def _judged(connection: Connection, error: Exception, doing: str, remedy: str) -> tuple[type[PortError], str]:
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    who = f"{connection.dataset}: BigQuery"
    cause: Exception = error
    if isinstance(error, api.RetryError) and isinstance(error.cause, Exception):
        cause = error.cause
    if isinstance(cause, auth.TransportError | requests.RequestException | OSError | api.RetryError):
        return PortUnavailable, f"{who} at {_host(connection)} did not answer ({type(cause).__name__}) {doing}; run again when it does"
    if isinstance(cause, auth.GoogleAuthError):
        return PortError, str(_no_credentials(connection.dataset, cause))
    said = _said(cause)
    reason = _reason(cause)
    if isinstance(cause, api.PreconditionFailed):
        return PortUnavailable, f"{who} was changed by another run at the same moment {doing}; run again"
    if isinstance(cause, api.ServerError | api.TooManyRequests) or "quota" in reason.lower() or "ratelimit" in reason.lower():
        return PortUnavailable, f"{who} was not able to answer {doing} ({said}); run again later"
    if isinstance(cause, api.Unauthorized):
        return (
            PortError,
            f"{who} does not accept the credentials {doing} ({said}); give the run a service account that may, or log in again",
        )
    if isinstance(cause, api.Forbidden):
        help_ = remedy or f"give the run's service account roles/bigquery.dataEditor and roles/bigquery.jobUser in {connection.project}"
        return PortError, f"{who} gives no permission {doing} ({said}); {help_}"
    if isinstance(cause, api.NotFound) and "project" in said.lower():
        return PortError, f"{who} has no project {connection.project!r} {doing} ({said}); correct BIGQUERY_PROJECT"
    return PortError, f"{who} refused {doing} ({said}){'; ' + remedy if remedy else ''}"


def _no_credentials(dataset: str, error: Exception) -> PortError:
    first = str(error.args[0]) if error.args else type(error).__name__
    return PortError(
        f"{dataset}: there are no usable credentials for BigQuery ({_line(first)}); run as a service account with access, "
        "or locally `gcloud auth application-default login`"
    )


def _said(error: Exception) -> str:
    found = getattr(error, "errors", None) or []
    message = next((e["message"] for e in found if isinstance(e, Mapping) and e.get("message")), None)
    return _line(message or getattr(error, "message", None) or str(error) or type(error).__name__)


def _reason(error: Exception) -> str:
    found = getattr(error, "errors", None) or []
    return next((str(e["reason"]) for e in found if isinstance(e, Mapping) and e.get("reason")), "")


def _line(text: str) -> str:
    """One line without addresses, tokens or the client's own trailer."""
    first = " ".join(text.split("\n\nLocation:")[0].split())
    first = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) \S+: ", "", first)
    return first[:297] + "..." if len(first) > 300 else first.rstrip(".")


def _host(connection: Connection) -> str:
    return str(os.environ.get(EMULATOR) or "bigquery.googleapis.com")
