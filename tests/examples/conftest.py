"""A small sandbox: a register, three days of job ads and two of accounts, in a lake that the tests of examples share and only read."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.arbeidsplassen import ads
from assets.arbeidsplassen.datasets import stillinger, stillinger_per_naering
from assets.arbeidsplassen.sandbox import World as Ads
from assets.enhetsregisteret.datasets import enheter, organisasjonsformer, underenheter
from assets.enhetsregisteret.register import Register
from assets.enhetsregisteret.sandbox import Sandbox, World
from assets.fist.accounts import budsjett_mot_faktisk, dim_kostnadssted, forbruk_per_naering, manedssaldo, posteringer
from assets.fist.datasets import bilag, bilagslinjer, budsjett, kontoplan, kostnadssteder, leverandorer
from assets.fist.sandbox import World as Accounts
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.materialization import Limits, Materializer
from dataproducts.port_asset import offered
from dataproducts.ports.delivery import deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.package import Package
from tests.assets.arbeidsplassen.messages import EPOCH, rows
from tests.assets.fist.books import newest

DAYS = [date(2026, 11, day) for day in (2, 3, 4)]
LATE = date(2026, 11, 17)
"""A day on which something is posted into October, which is closed."""
TABLES = [
    (kontoplan, "konto", ("kontonummer",)),
    (kostnadssteder, "kostnadssted", ("kostnadssted",)),
    (leverandorer, "leverandor", ("leverandornummer",)),
    (budsjett, "budsjett", ("periode", "kontonummer", "kostnadssted")),
    (bilag, "bilag", ("bilagsnummer",)),
    (bilagslinjer, "bilagslinje", ("bilagsnummer", "linjenummer")),
]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake with the datasets of the products that examples read, and beside it what their packages publish."""
    lake = tmp_path_factory.mktemp("published")
    world = World(units=250, epoch=EPOCH)
    with Sandbox(world) as sandbox, Register(sandbox.url) as register:
        _store(lake, organisasjonsformer, "-", register.organization_forms())
    for dataset in (enheter, underenheter):
        _store(lake, dataset, EPOCH.isoformat(), list(world.bulk(dataset.declaration.name)))
    _ads(lake, world)
    _accounts(lake)
    return lake


def _ads(lake: Path, register: World) -> None:
    units = DatasetHistory(str(lake), underenheter.contract.dataset)
    held = units.scan(list(units.current().values()))
    before = pl.LazyFrame(schema=dict(stillinger.contract.dtypes))
    for day, events in rows(Ads(epoch=EPOCH, births=20), DAYS).items():
        state = ads.at_end_of(day, before, events).select(stillinger.contract.names).collect()
        before = state.lazy()
        _commit(lake, stillinger, day, state)
        counted = ads.per_industry(day, before, held).select(stillinger_per_naering.contract.names).collect()
        _commit(lake, stillinger_per_naering, day, counted)


def _accounts(lake: Path) -> None:
    """The day before a late posting and the day it came: raw rows of the synthetic system, and what the queries make of them."""
    books = Accounts(epoch=EPOCH)
    books.advance(LATE)
    bought = {row["organisasjonsnummer"] for row in newest(books, "leverandor", LATE.isoformat(), "leverandornummer").values()}
    units = [unit for unit in World().bulk("enheter") if unit["organisasjonsnummer"] in bought]
    _store(lake / "register", enheter, LATE.isoformat(), units)
    register = _held(lake / "register", enheter)
    for day in (LATE - timedelta(days=1), LATE):
        for dataset, table, key in TABLES:
            _store(lake, dataset, day.isoformat(), list(newest(books, table, day.isoformat(), *key).values()))
        frames = {dataset.declaration.name: _held(lake, dataset, day) for dataset, _, _ in TABLES} | {"enheter": register}
        for dataset in (posteringer, dim_kostnadssted, manedssaldo, budsjett_mot_faktisk, forbruk_per_naering):
            rows = dataset(partition=day.isoformat(), **{name: frames[name] for name in dataset.declaration.inputs})
            _store(lake, dataset, day.isoformat(), rows)
            frames[dataset.declaration.name] = _held(lake, dataset, day)
    history, to = DatasetHistory(str(lake), "fist/manedssaldo"), Package(to=str(lake.with_name(f"{lake.name}-packages")))
    with to.open(offered(manedssaldo.declaration), history, {}, "test") as session:
        deliver(session, Journal(str(lake), "fist/manedssaldo", to.name), history, None, "test")


def _held(lake: Path, dataset: Any, day: date | None = None) -> pl.DataFrame:
    history = DatasetHistory(str(lake), dataset.contract.dataset)
    current = history.current()
    return history.collect([current[day.isoformat() if day else max(current)]], dataset.contract.names)


def _commit(lake: Path, dataset: Any, day: date, frame: Any) -> None:
    DatasetHistory(str(lake), dataset.contract.dataset).commit([Draft.of(day.isoformat(), frame, dataset.contract)], dataset.contract)


def _store(lake: Path, dataset: Any, partition: str, records: Any) -> None:
    limits = Limits(refused_share=0.5, suppression=dataset.declaration.limits.suppression)
    materializer = Materializer(str(lake), dataset.contract, limits, run="test", log=logging.getLogger("test"))
    report = materializer.materialize([partition], lambda _: records)
    assert not report.failed, report.failed


@pytest.fixture
def sandbox_lake(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared lake in use."""
    monkeypatch.setenv("DATAPRODUCTS_LAKE", str(published))
    monkeypatch.setenv("DATAPRODUCTS_PACKAGES", f"{published}-packages")
    return published
