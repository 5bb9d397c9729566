"""A dataset as its page shows it, now or at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from dataproducts.catalog.reading.definitions import definitions
from dataproducts.catalog.reading.events import ArrivalRow, CheckRow, FailureRow, recent_events
from dataproducts.catalog.reading.figures import open_figures
from dataproducts.catalog.reading.lineage import Neighbor, neighbors
from dataproducts.catalog.reading.partitions import PartitionRow, newest_of, newest_partitions, partitions_then
from dataproducts.catalog.reading.remarks import Voices
from dataproducts.catalog.reading.states import State
from dataproducts.messages import ColumnFigures, DatasetBody, ProductBody


@dataclass(frozen=True)
class DatasetPage:
    """All that a dataset's page shows. `product` is None until its code location has published it."""

    body: DatasetBody
    product: ProductBody | None
    rendered: Mapping[str, str]
    location: str
    since: datetime
    changed: datetime
    state: State
    profile: tuple[ColumnFigures, ...]
    newest: PartitionRow | None
    partitions: tuple[PartitionRow, ...]  # newest keys first, at most CALENDAR
    checks: tuple[CheckRow, ...]  # newest first
    failures: tuple[FailureRow, ...]
    arrivals: Mapping[str, ArrivalRow]  # by port
    voices: Voices
    neighbors: tuple[Neighbor, ...]
    as_of: datetime | None

    @property
    def product_name(self) -> str:
        """Name of the product that offers it."""
        return self.body.name.split("/")[0]

    @property
    def figures(self) -> dict[str, ColumnFigures]:
        """The newest version's profile by column."""
        return {figures.name: figures for figures in self.profile}


def dataset(connection: sa.Connection, name: str, as_of: datetime | None = None) -> DatasetPage | None:
    """A dataset as it is, or was; None where it is not declared. Four queries."""
    own, its_product = f"dataset:{name}", f"product:{name.split('/')[0]}"
    found = definitions(connection, [own, its_product], as_of)
    row = found.get(own)
    if row is None or row["body"] is None:
        return None
    body = DatasetBody.model_validate(row["body"])
    held = found.get(its_product)
    if as_of is None:
        partitions, profile = newest_partitions(connection, name), row["profile"]
    else:
        partitions, profile = partitions_then(connection, body, as_of)
    checks, failures, arrivals, voices = recent_events(connection, own, [port.name for port in body.ports if port.kind != "lake"], as_of)
    newest = newest_of(body, partitions)
    if as_of is None:
        state = State(**{name: row[name] for name in State.__dataclass_fields__}) if row["freshness"] else State()
    else:
        state = _state_then(body, partitions, checks, failures, newest, as_of)
    return DatasetPage(
        body=body,
        product=ProductBody.model_validate(held["body"]) if held is not None and held["body"] is not None else None,
        rendered=row["rendered"] or {},
        location=row["location"],
        since=row["since"],
        changed=row["changed"],
        state=state,
        profile=open_figures(profile, row["body"]),
        newest=newest,
        partitions=partitions,
        checks=checks,
        failures=failures,
        arrivals=arrivals,
        voices=voices,
        neighbors=neighbors(connection, own, as_of),
        as_of=as_of,
    )


def _state_then(
    body: DatasetBody,
    partitions: Sequence[PartitionRow],
    results: Sequence[CheckRow],
    failures: Sequence[FailureRow],
    newest: PartitionRow | None,
    as_of: datetime,
) -> State:
    latest: dict[str, CheckRow] = {}
    for one in results:  # newest first
        latest.setdefault(one.check, one)
    declared = [one for name, one in latest.items() if name in body.checks]
    delivered = max((p.at for p in partitions), default=None)
    failed_at = next((failure.at for failure in failures if not failure.port), None)
    failing = any(not one.passed and one.severity == "error" for one in declared)
    failing = failing or (failed_at is not None and (delivered is None or failed_at > delivered))
    until = newest.at + timedelta(seconds=body.freshness_seconds) if newest and body.freshness_seconds else None
    return State(
        partitions=len(partitions),
        rows=sum(p.rows for p in partitions),
        refused=sum(p.refused for p in partitions),
        newest_partition=newest.partition if newest else None,
        newest_at=newest.at if newest else None,
        delivered_at=delivered,
        failed_at=failed_at,
        fresh_until=until,
        freshness="none" if not body.freshness_seconds else "never" if until is None else "fresh" if until >= as_of else "late",
        quality="failing" if failing else "warning" if any(not o.passed for o in declared) else "passing" if declared else "unchecked",
        checks_passed=sum(o.passed for o in declared),
        checks_failed=sum(not o.passed for o in declared),
    )
