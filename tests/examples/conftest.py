"""A small sandbox: a register and three days of job ads, in a lake that the tests of examples share and only read."""

from __future__ import annotations

import logging
from datetime import date
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
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.materialization import Limits, Materializer
from tests.assets.arbeidsplassen.messages import EPOCH, rows

DAYS = [date(2026, 11, day) for day in (2, 3, 4)]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake with the datasets of both products that examples read."""
    lake = tmp_path_factory.mktemp("published")
    world = World(units=250, epoch=EPOCH)
    with Sandbox(world) as sandbox, Register(sandbox.url) as register:
        _store(lake, organisasjonsformer, "-", register.organization_forms())
    for dataset in (enheter, underenheter):
        _store(lake, dataset, EPOCH.isoformat(), list(world.bulk(dataset.declaration.name)))
    _ads(lake, world)
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


def _commit(lake: Path, dataset: Any, day: date, frame: Any) -> None:
    DatasetHistory(str(lake), dataset.contract.dataset).commit([Draft.of(day.isoformat(), frame, dataset.contract)], dataset.contract)


def _store(lake: Path, dataset: Any, partition: str, records: list[Any]) -> None:
    materializer = Materializer(str(lake), dataset.contract, Limits(refused_share=0.5), run="test", log=logging.getLogger("test"))
    report = materializer.materialize([partition], lambda _: records)
    assert not report.failed, report.failed


@pytest.fixture
def sandbox_lake(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared lake in use."""
    monkeypatch.setenv("DATAPRODUCTS_LAKE", str(published))
    return published
