"""A dataset fed by an input port, without Dagster: partitions are read, and what is stored is looked at."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from dataproducts.contract import Contract
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Materializer, Report
from dataproducts.source import InputPort
from tests.postgres import Postgres, server

DAYS = dg.DailyPartitionsDefinition("2026-01-01", timezone="UTC")


@dataclass
class Fed:
    """The dataset shop/sales, fed by a port."""

    lake: str
    model: Any
    source: InputPort
    partitions: Any = None
    kind: Any = "table"
    key: Any = ()
    limits: Limits = field(default_factory=lambda: Limits(row_change=None))
    faults: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def contract(self) -> Contract:
        made = Contract.of(self.model, dataset="shop/sales", kind=self.kind, key=self.key)
        return self.source.promised(made, self.partitions)

    @property
    def history(self) -> DatasetHistory:
        return DatasetHistory(self.lake, "shop/sales")

    def run(self, *partitions: str, function: Callable[[Any], Any] = lambda rows: rows) -> Report:
        """Materialize partitions in one run."""
        log = logging.getLogger("test")
        contract = self.contract
        materializer = Materializer(self.lake, contract, self.limits, run="run", log=log)
        intake = self.source.open(contract, self.partitions, self.limits, materializer.history, lambda _: None, log)
        asked = list(partitions) or [UNPARTITIONED]
        report = materializer.materialize(asked, lambda p: intake.result(p, function(intake.give(p))))
        self.faults = {check: dict(found) for check, found in intake.faults.items() if found}
        return report

    def store(self, *partitions: str, function: Callable[[Any], Any] = lambda rows: rows) -> list[Version]:
        """As `run`, where none may fail; gives the versions."""
        report = self.run(*partitions, function=function)
        assert not report.failed, [o.error for o in report.failed]
        return [o.committed.version for o in report.outcomes.values() if o.committed]

    def refused(self, *partitions: str, function: Callable[[Any], Any] = lambda rows: rows) -> str:
        """As `run`, where all fail and nothing is stored; gives the first sentence."""
        before = len(self.history.versions())
        report = self.run(*partitions, function=function)
        assert len(report.failed) == len(report.outcomes), report.outcomes
        assert len(self.history.refresh().versions()) == before
        return report.failed[0].error or ""

    def rows(self, partition: str = UNPARTITIONED, version: int | None = None) -> pl.DataFrame:
        """What is stored of a partition, in the order of its first column."""
        history = self.history
        chosen = [v for v in history.versions(partition) if version is None or v.number == version][-1:]
        return history.collect(chosen, self.contract.names).sort(self.contract.names[0])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server; without one (apt: postgresql) its tests are skipped, but never in CI."""
    from tests.postgres import binaries

    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with server() as running:
        yield running


@dataclass(frozen=True)
class Source:
    """A database that somebody else writes to."""

    url: str

    def execute(self, *statements: str) -> None:
        """Run statements, each committed."""
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    @property
    def is_postgres(self) -> bool:
        return self.url.startswith("postgresql")


@pytest.fixture
def sqlite(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Source:
    """An empty SQLite database, named by SHOP_URL."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    monkeypatch.setenv("SHOP_URL", url)
    return Source(url)


@pytest.fixture
def pg(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Source:
    """An empty PostgreSQL database, named by SHOP_URL."""
    url = postgres.new()
    monkeypatch.setenv("SHOP_URL", url)
    return Source(url)


@pytest.fixture(params=["sqlite", "pg"])
def database(request: pytest.FixtureRequest) -> Source:
    """Each of both in turn."""
    found: Source = request.getfixturevalue(request.param)
    return found
