"""A session of the BigQuery port: what `port.Session` asks for."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery import erasing, loading, provisioning
from dataproducts.ports.bigquery.columns import BATCH, HASH, PARTITION, ROWS, VERSION
from dataproducts.ports.bigquery.comparing import Arrived, compare
from dataproducts.ports.bigquery.connection import Connection, told
from dataproducts.ports.bigquery.tables import Target, day_of, target
from dataproducts.ports.port import Batch, Comparison, Delivered, Facts, Offered, Removed

if TYPE_CHECKING:
    from google.cloud import bigquery

    from dataproducts.erasure.subjects import Erased
    from dataproducts.ports.bigquery.declaration import BigQuery

MOST_ROWS = 2_000_000
MOST_CELLS = 40_000_000  # rows x columns, about a gigabyte of Parquet
MOST_DAYS = 2_000  # BigQuery takes 4,000 in one job
MOST_VERSIONS = 5_000
_ATTEMPTS = 5


class BigQuerySession:
    """The port opened for one run. A version has arrived when the table of versions has it, which is loaded after its rows."""

    def __init__(self, port: BigQuery, offered: Offered, history: DatasetHistory, connection: Connection) -> None:
        self._port = port
        self._offered = offered
        self._history = history
        self._connection = connection
        self._location = connection.location
        self._day = day_of(offered.partitions)
        self._tables: dict[int, tuple[Target, bigquery.Table, bigquery.Table]] = {}
        self._arrived: dict[int, Arrived] = {}

    def prepare(self) -> None:
        """Create or widen dataset, tables, view and function."""
        from google.api_core.exceptions import PreconditionFailed

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._prepare()
                break
            except PortUnavailable as error:  # another run changed the same thing in between: look again
                if not isinstance(error.__cause__, PreconditionFailed) or attempt == _ATTEMPTS:
                    raise
                time.sleep(random.uniform(0, 0.2 * attempt))

    def _prepare(self) -> None:
        major = self._offered.contract.version.major
        wanted = self._target(major)
        self._location = provisioning.dataset_location(self._connection, wanted.names, dict(wanted.labels))
        self._tables.clear()
        self._arrived.clear()
        self._ready(major)
        self._lead_readers(major)

    def next_batch(self, delivered: Delivered, versions: Sequence[Version]) -> Sequence[Version]:
        """The versions of one major that have not arrived, as many as one load job should take. Delivered once and since dropped counts."""
        open_ = [v for v in versions if (v.partition, v.number) not in delivered.versions]
        gone = [v for v in versions if (v.partition, v.number) in delivered.versions and not self._has(v)]
        if gone:  # or delivered by another run since we looked
            self._arrived.clear()
            gone = [v for v in gone if not self._has(v)]
        found: list[Version] = []
        rows = cells = 0
        days = set()
        for version in sorted([*open_, *gone], key=lambda v: (v.major, v.known_at, v.partition, v.number)):
            rows += version.rows
            cells += version.rows * len(self._offered.contract.columns)
            days.add(self._day(version))
            is_much = rows > MOST_ROWS or cells > MOST_CELLS or len(days) > MOST_DAYS or len(found) >= MOST_VERSIONS
            if found and (is_much or version.major != found[0].major):
                break
            found.append(version)
        return found

    def deliver(self, batch: Batch, delivered: Delivered) -> Facts:
        """Two load jobs: the rows, then the versions, with which they become visible. Either is done once, whoever does it."""
        major = batch.versions[0].major
        with told(self._connection, "when preparing the tables", undecided=True):
            wanted, rows, ledger = self._ready(major)
            self._arrived.pop(major, None)
            missing = [v for v in batch.versions if not self._has(v)]
        facts: Facts = {"table": wanted.names.rows, "versions": len(batch.versions), "rows": sum(v.rows for v in batch.versions)}
        if missing:
            name = batch.identity[:16]
            filled = [v for v in missing if v.rows]
            if filled:
                facts["load job"] = loading.load(
                    self._connection,
                    rows,
                    self._location,
                    loading.job_id(rows, batch.identity),
                    lambda path: loading.write_rows(
                        self._history, filled, wanted, [f.to_api_repr() for f in rows.schema], self._day, name, path
                    ),
                    wanted.labels,
                    undecided=False,
                )
            loading.load(
                self._connection,
                ledger,
                self._location,
                loading.job_id(ledger, batch.identity),
                lambda path: loading.write_versions(missing, [f.to_api_repr() for f in ledger.schema], self._day, name, path),
                wanted.labels,
                undecided=bool(filled),
            )
            self._arrived.pop(major, None)
        with told(self._connection, "when making the views", undecided=True):
            self._lead_readers(major)
        return facts

    def compare(self, versions: Sequence[Version], full: bool) -> Comparison:
        """Counts of every version's rows against the dataset's; contents too where `full`, which reads every row back."""
        majors = sorted({v.major for v in versions} | {self._offered.contract.version.major})
        there = {m: self._target(m) for m in majors}
        return compare(self._connection, self._history, there, versions, self._day, full)

    def erase(self, erased: Erased) -> Removed:
        """Delete their rows of every version and major, and say of each version what it is now."""
        rows = 0
        for major in sorted({v.major for v in self._history.refresh().versions()}):
            rows += erasing.erase(self._connection, self._target(major), erased, [v for v in self._history.versions() if v.major == major])
        self._arrived.clear()
        return Removed(rows, erasing.later(datetime.now(UTC)) if rows else "")

    def _ready(self, major: int) -> tuple[Target, bigquery.Table, bigquery.Table]:
        """The tables of a major version, as they are to be."""
        if major not in self._tables:
            wanted = self._target(major)
            rows = provisioning.rows_table(self._connection, wanted)
            ledger = provisioning.versions_table(self._connection, wanted)
            self._tables[major] = (wanted, rows, ledger)
        return self._tables[major]

    def _lead_readers(self, major: int) -> None:
        """Point the view at the present major once something of it has arrived, and mark older ones."""
        own = self._offered.contract.version.major
        if major > own:
            return
        wanted = self._ready(own)[0]
        is_filled = bool(self._of(own))
        provisioning.readers(self._connection, wanted, is_filled)
        for older in sorted({v.major for v in self._history.versions()} - {own}):
            if is_filled and older < own:
                provisioning.supersede(self._connection, self._target(older), wanted)

    def _has(self, version: Version) -> bool:
        """Whether a version has arrived. PortError where another content has, under its number."""
        found = self._of(version.major).get((version.partition, version.number))
        # a version that lost rows to an erasure has its former hash until that has come here too
        if found is not None and found[0][HASH] not in (version.content_hash, *version.void_hashes):
            raise PortError(
                f"{version.dataset}: BigQuery has another content as version {version.number} of partition {version.partition!r}, so the "
                "dataset is not the one that was published; restore it, or declare another table of the port"
            )
        return found is not None

    def _of(self, major: int) -> Arrived:
        if major not in self._arrived:
            wanted = self._target(major)
            with told(self._connection, f"when reading {wanted.names.versions}"):
                exists = major in self._tables or self._connection.found_table(wanted.names.versions) is not None
                listed = self._connection.listed(wanted.names.versions, [PARTITION, VERSION, BATCH, ROWS, HASH]) if exists else []
            found: Arrived = {}
            for row in listed:
                found.setdefault((row[PARTITION], row[VERSION]), []).append(row)
            self._arrived[major] = found
        return self._arrived[major]

    def _target(self, major: int) -> Target:
        return target(self._port, self._offered, self._port.names(self._offered, major), self._history)
