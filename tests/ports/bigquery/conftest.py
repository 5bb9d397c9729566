"""Datasets with a BigQuery port, on the emulator behind its gateway, each test with BigQuery datasets of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.ports.bigquery import BigQuery, connection
from dataproducts.ports.delivery import Report, deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.port import Comparison, Offered
from tests import bigquery as bq

DAILY = dg.DailyPartitionsDefinition(start_date="2026-01-01")


@pytest.fixture(scope="session")
def bigquery_server() -> Iterator[bq.Gateway]:
    """The session's emulator and gateway."""
    if bq.environment() is None:
        pytest.skip(bq.NOT_THERE)
    with bq.server() as gateway:
        yield gateway


@pytest.fixture
def gateway(bigquery_server: bq.Gateway, monkeypatch: pytest.MonkeyPatch) -> bq.Gateway:
    """The gateway, with nothing of other tests, as what the environment says is BigQuery."""
    bigquery_server.reset()
    monkeypatch.setenv("BIGQUERY_PROJECT", bq.PROJECT)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_server.url)
    monkeypatch.setattr(connection, "_UPLOADS", 0)  # google's client repeats a lost upload itself, after seconds
    monkeypatch.setattr(connection, "_PATIENCE", 0.2)
    return bigquery_server


@dataclass
class Published:
    """A dataset in a lake of its own with a port to a BigQuery dataset of its own."""

    lake: str
    offered: Offered
    port: BigQuery
    contract: Contract
    history: DatasetHistory = field(init=False)

    def __post_init__(self) -> None:
        self.history = DatasetHistory(self.lake, self.contract.dataset)

    @property
    def dataset(self) -> str:
        """BigQuery's dataset."""
        assert self.port.dataset is not None
        return self.port.dataset

    def commit(self, **partitions: Any) -> None:
        """Store rows of partitions, given by name ("d2026_01_01" or "-" as "whole")."""
        drafts = []
        for name, rows in partitions.items():
            key = "-" if name == "whole" else name.removeprefix("d").replace("_", "-")
            frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema=dict(self.contract.dtypes), orient="row")
            drafts.append(Draft.of(key, frame, self.contract))
        self.history.commit(drafts, self.contract)

    def deliver(self, partitions: Sequence[str] | None = None, run: str = "run") -> Report:
        """One run of the port."""
        history = DatasetHistory(self.lake, self.contract.dataset)
        with self.port.open(self.offered, history, self.port.resources(), run) as session:
            return deliver(session, Journal(self.lake, self.contract.dataset, self.port.name), history, partitions, run)

    def compare(self, full: bool = True) -> Comparison:
        """Reconcile."""
        history = DatasetHistory(self.lake, self.contract.dataset)
        with self.port.open(self.offered, history, self.port.resources(), "run") as session:
            return session.compare(history.versions(), full)


@pytest.fixture
def publish(tmp_path: Path, declare: Callable[..., Contract]) -> Callable[..., Published]:
    """Declare a dataset with a port: columns and key as `declare` takes them."""

    def made(
        columns: dict[str, Any] | None = None,
        key: Any = (),
        *,
        partitions: Any = None,
        lake: Path | None = None,
        port: dict[str, Any] | None = None,
        contract: Contract | None = None,
        **more: Any,
    ) -> Published:
        contract = contract or declare(columns or {"number": int, "amount": int}, key or ("number" if columns is None else ()), **more)
        named = BigQuery(**{"dataset": f"d{uuid.uuid4().hex[:10]}", **(port or {})})
        found = offered(contract, partitions)
        named.check(found)
        return Published(str(lake or tmp_path / "lake"), found, named, contract)

    return made


def offered(contract: Contract, partitions: Any = None, *, access: str = "internal", personal: str = "none") -> Offered:
    """A dataset as its product offers it. The facts are not looked at."""
    facts: Any = None
    return Offered(facts, contract, "Sales", "What was sold.", access, personal, partitions)


__all__ = ["DAILY", "Published", "dp", "offered"]
