"""`BigQuery(...)`: what a dataset's author declares of its tables at BigQuery."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from dataproducts.errors import DeclarationError
from dataproducts.history.store import DatasetHistory
from dataproducts.messages import PortFacts
from dataproducts.ports.bigquery import columns, view
from dataproducts.ports.bigquery.tables import Names, clustered, day_is
from dataproducts.ports.port import Offered, OutputPort, Session

PROJECT = "BIGQUERY_PROJECT"
_MOST_DAYS = 10_000  # partitions of a table


@dataclass(frozen=True)
class BigQuery(OutputPort):
    """Every version of the dataset as rows of `<table>_history`, and what is current as the view `<table>`.

    `dataset` is BigQuery's (default: the product's name) and `table` the name readers use there (default: the dataset's). A BigQuery
    dataset that does not exist is created in `location`. Rows lie by their day (`_dp_day`), by "month" or "year" where a table would
    have more than 10,000 days: the day of the partition, which is what readers of a part ask for, or where time does not divide the
    dataset the day on which a version became known. `cluster_by` names up to four columns (default: partition, version, then the
    key). `policy_tags` maps a personal-data class to the resource name of the policy tag that columns of it get. `labels` come
    beside the port's own. Nothing expires.
    """

    kind: ClassVar[Literal["bigquery", "kafka", "file"]] = "bigquery"
    partitions_per_run: ClassVar[int | None] = 1_000  # a load job carries them all, and BigQuery counts load jobs
    takes_views: ClassVar[bool] = True
    empties: ClassVar[bool] = True

    dataset: str | None = None
    table: str | None = None
    location: str = "europe-north1"
    partition_by: Literal["day", "month", "year"] = "day"
    cluster_by: Sequence[str] | None = None
    policy_tags: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def check(self, offered: Offered) -> None:
        """Raise DeclarationError where BigQuery has no such name, type, label or clustering."""
        columns.check(offered.contract)
        names = self.names(offered)
        if offered.view is not None:
            view.check(offered)
        if not re.fullmatch(r"[A-Za-z0-9_]{1,1024}", names.dataset):
            raise DeclarationError(f"{offered.dataset}: {names.dataset!r} is no name of a BigQuery dataset; use letters, digits and '_'")
        if not re.fullmatch(r"[A-Za-z0-9_]{1,1000}", names.table):
            raise DeclarationError(f"{offered.dataset}: {names.table!r} is no name of a BigQuery table; use letters, digits and '_'")
        self._check_layout(offered)
        personal = {c.personal for c in offered.contract.columns}
        for classed, tag in self.policy_tags.items():
            if not re.fullmatch(r"projects/[^/]+/locations/[^/]+/taxonomies/[^/]+/policyTags/[^/]+", tag):
                raise DeclarationError(
                    f"{offered.dataset}: {tag!r} is no policy tag; write projects/P/locations/L/taxonomies/T/policyTags/N"
                )
            if classed not in personal:
                raise DeclarationError(f"{offered.dataset}: no column is classed {classed!r}, which has a policy tag; correct the class")
        for name, value in self.labels.items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                raise DeclarationError(
                    f"{offered.dataset}: BigQuery refuses the label {name!r}: {value!r}; use small letters, digits, '_' and '-', at most 63"
                )

    def facts(self, offered: Offered) -> PortFacts:
        """Addresses and layout; the address is the view, which people query."""
        names = self.names(offered)
        if offered.view is not None:
            shown = {"view": _short(names.view), "location": self.location}
            return PortFacts(
                name=self.name, kind="bigquery", address=_short(names.view), title=f"BigQuery {_short(names.view)}", facts=shown
            )
        shown = {
            "current": _short(names.view),
            "as of": f"SELECT * FROM `{_short(names.function)}`(TIMESTAMP '2026-01-31 12:00:00+00')",
            "every version": _short(names.rows),
            "versions": _short(names.versions),
            "partitioned by": f"{columns.DAY} ({self.partition_by}). {day_is(offered.partitions)} Queries of every version filter on it.",
            "clustered by": ", ".join(clustered(self, offered.contract)),
            "location": self.location,
        }
        return PortFacts(name=self.name, kind="bigquery", address=_short(names.view), title=f"BigQuery {_short(names.view)}", facts=shown)

    def remedy(self, offered: Offered) -> str:
        """All is loaded again into tables that are not there, with their versions."""
        again = f"materialize {offered.dataset}/{self.name}"
        if offered.view is not None:
            return again
        names = self.names(offered)
        removed = " and ".join(f"`bq rm -t {name.replace('.', ':', 1)}`" for name in (names.rows, names.versions))
        return f"remove both tables of the major that differs, as {removed}, and {again}, which loads every version again"

    def resources(self) -> Mapping[str, Any]:
        """dagster-gcp's resource "bigquery", which has client and credentials."""
        from dagster_gcp import BigQueryResource

        return {"bigquery": BigQueryResource(project=os.environ.get(PROJECT) or None)}

    def idle(self) -> str | None:
        """Without a project there is nowhere to write."""
        if os.environ.get(PROJECT):
            return None
        return f"{PROJECT} is not set, so nothing is written to BigQuery; set it to the project that holds the tables"

    def open(self, offered: Offered, history: DatasetHistory, resources: Mapping[str, Any], run: str) -> AbstractContextManager[Session]:
        """Connect with the resource "bigquery". Raises PortError where there are no credentials."""
        return self._opened(offered, history, resources)

    @contextmanager
    def _opened(self, offered: Offered, history: DatasetHistory, resources: Mapping[str, Any]) -> Iterator[Session]:
        from dataproducts.ports.bigquery.connection import connected
        from dataproducts.ports.bigquery.session import BigQuerySession

        names = self.names(offered)
        with connected(resources.get("bigquery"), offered.dataset, names.project, self.location) as connection:
            if offered.view is not None:
                yield view.ViewSession(self, offered, history, connection)
                return
            yield BigQuerySession(self, offered, history, connection)

    def names(self, offered: Offered, major: int | None = None) -> Names:
        """Where the dataset is, under one major version of its contract (default: the present one)."""
        product = offered.dataset.split("/")[0]
        return Names(
            project=os.environ.get(PROJECT, ""),
            dataset=self.dataset or product,
            table=self.table or offered.name,
            major=offered.contract.version.major if major is None else major,
        )

    def _check_layout(self, offered: Offered) -> None:
        contract = offered.contract
        if self.partition_by not in ("day", "month", "year"):
            raise DeclarationError(
                f"{offered.dataset}: partition_by is {self.partition_by!r}; BigQuery's tables lie by 'day', 'month' or 'year'"
            )
        start = getattr(offered.partitions, "start", None)
        if self.partition_by == "day" and isinstance(start, datetime) and (datetime.now(UTC) - start.astimezone(UTC)).days > _MOST_DAYS:
            raise DeclarationError(
                f"{offered.dataset}: its partitions begin on {start.date()}, and a table at BigQuery holds at most {_MOST_DAYS} days; "
                "declare partition_by='month'"
            )
        chosen = clustered(self, contract)
        if not 1 <= len(chosen) <= 4:
            raise DeclarationError(
                f"{offered.dataset}: cluster_by names {len(chosen)} columns, and BigQuery takes one to four; leave some out"
            )
        for name in chosen:
            if name in (f["name"] for f in columns.STAMPS):
                continue
            if name not in contract.by_name:
                raise DeclarationError(
                    f"{offered.dataset}: cluster_by names {name!r}, which is no column; its columns are {', '.join(contract.names)}"
                )
            if not columns.can_cluster(contract.by_name[name].dtype):
                raise DeclarationError(
                    f"{offered.dataset}: BigQuery does not cluster by {contract.by_name[name].dtype}, the type of {name!r}; leave it out"
                )


def _short(name: str) -> str:
    """A full name without a project that is not known."""
    return name.removeprefix(".")
