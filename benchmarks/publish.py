"""Publish 10,000 materializations of 3,000 datasets to a catalog on SQLite, and the tick that finds nothing new.

Floor: reading the same payloads from Dagster's event log in one query, and asking it once for what is new.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers

DATASETS = {"small": 20, "full": 3_000}
MATERIALIZATIONS = {"small": 60, "full": 10_000}
COLUMNS, IDLE_TICKS = 30, 20
_FACTS = """\
name: bench
title: {nb: Butikk}
description: {nb: Salget i butikkene.}
status: active
team: team-shop
contact: {name: Team Shop, email: team-shop@example.com}
personal_data: {class: none, reason: Only amounts.}
access: {level: internal}
license: CC_BY_4_0
publisher: {name: NAV, organization_number: "889640782"}
themes: [ECON]
periodicity: DAILY
"""


def _catalog(folder: Path) -> Any:
    """An empty catalog on SQLite."""
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.store import EmbeddedTarget, Store

    return EmbeddedTarget(Store(Database(f"sqlite:///{folder}/catalog.db")))


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """From an empty cursor until all is published; then idle ticks."""
    import dagster as dg

    with (
        scratch() as folder,
        dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}) as instance,
    ):
        product = _product(folder, DATASETS[size])
        _fill(instance, product, MATERIALIZATIONS[size])
        longest: list[float] = []
        cursors: list[str] = []
        publication = by_turns(
            rounds,
            {"ours": lambda: _publish(instance, product, MATERIALIZATIONS[size], longest, cursors), "floor": lambda: _read(instance)},
        )
        idle = by_turns(rounds, {"ours": lambda: _idle(instance, product, cursors[-1]), "floor": lambda: _ask(instance)})
    of = f"{MATERIALIZATIONS[size]:,} materializations of {DATASETS[size]:,} datasets with {COLUMNS} columns each"
    return [
        Comparison(
            name="publish",
            what=f"publish the declarations and {of}; longest tick {max(longest):.1f} s, the cursor {len(cursors[-1]) / 1000:.0f} kB",
            ours=publication["ours"],
            floor=publication["floor"],
            floor_is="read the payloads from the event log",
            target=300.0,
            target_is_seconds=True,
            rounds=rounds,
        ),
        Comparison(
            name="publish idle",
            what=f"a tick with nothing new, {DATASETS[size]:,} datasets",
            ours=idle["ours"],
            floor=idle["floor"],
            floor_is="ask the event log once what is new",
            target=0.02,
            target_is_seconds=True,
            rounds=rounds,
        ),
    ]


def _product(folder: Path, datasets: int) -> Any:
    import dagster as dg
    import pandera.polars as pa
    import polars as pl

    import dataproducts as dp

    (folder / "bench").mkdir()
    (folder / "bench" / "product.yaml").write_text(_FACTS, encoding="utf-8")
    product = dp.DataProduct(folder / "bench")
    columns = {f"column_{n}": pa.Column(pl.String, nullable=True, description="What the column holds.") for n in range(COLUMNS)}
    schema = pa.DataFrameSchema(columns)
    days = dg.DailyPartitionsDefinition("2026-01-01")
    for number in range(datasets):

        @product.dataset(schema=schema, name=f"dataset_{number}", partitions=days)
        def made(partition: str) -> pl.DataFrame:
            raise NotImplementedError

    return product


def _fill(instance: Any, product: Any, count: int) -> None:
    """Events as runs would log them; put in at once, since one by one takes Dagster 50 ms each."""
    from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
    from dagster._core.events.log import EventLogEntry
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    from dataproducts.dataset import materialization
    from dataproducts.history.ledger import Version
    from dataproducts.history.store import Committed
    from dataproducts.materialization import Outcome
    from dataproducts.quality.profile import ColumnProfile

    began = datetime(2026, 1, 1, tzinfo=UTC)
    figures = [ColumnProfile(f"column_{n}", 3, 40, "a", "z", (("a", 20), ("b", 10), ("c", 5))) for n in range(COLUMNS)]
    datasets = list(product.datasets.values())
    storage, rows = instance.event_log_storage, []
    for number in range(count):
        d = datasets[number % len(datasets)].declaration
        day = f"{began + timedelta(days=number // len(datasets)):%Y-%m-%d}"
        at = began + timedelta(seconds=number)
        version = Version(d.contract.dataset, day, 1, at, "1.0.0", 100, f"{number:064x}")
        outcome = Outcome(day, Committed(version, True), received=100, figures=figures, profile="p", sample="s")
        said = StepMaterializationData(materialization(d, outcome))
        event = DagsterEvent(DagsterEventType.ASSET_MATERIALIZATION.value, "bench", event_specific_data=said)
        rows.append(storage._event_to_row(EventLogEntry(None, 20, "", "run", at.timestamp(), job_name="bench", dagster_event=event)))
    with storage.index_connection() as connection:
        connection.execute(SqlEventLogStorageTable.insert(), rows)


def _publish(instance: Any, product: Any, count: int, longest: list[float], cursors: list[str]) -> float:
    from dataproducts.publication.sensor import Publication

    cursor = None
    with scratch() as folder:
        catalog = _catalog(folder)
        publication = Publication({"bench": product}, catalog, "bench")
        start = perf_counter()
        while True:
            began = perf_counter()
            ticked = publication.tick(instance, cursor)
            longest.append(perf_counter() - began)
            cursor = ticked.cursor
            if not ticked.sent:
                break
        seconds = perf_counter() - start
        assert sum(map(len, catalog.newest("bench").values())) == count
    assert json.loads(cursor)["low"] >= count
    cursors.append(cursor)
    return seconds


def _idle(instance: Any, product: Any, cursor: str) -> float:
    from dataproducts.publication.sensor import Publication

    with scratch() as folder:
        publication = Publication({"bench": product}, _catalog(folder), "bench")
        cursor = publication.tick(instance, cursor).cursor  # the first of a process works out what is declared
        start = perf_counter()
        for _ in range(IDLE_TICKS):
            assert publication.tick(instance, cursor).sent == 0
        return (perf_counter() - start) / IDLE_TICKS


def _read(instance: Any) -> float:
    from dagster import DagsterEventType, EventRecordsFilter

    start = perf_counter()
    instance.event_log_storage.get_event_records(EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION))
    return perf_counter() - start


def _ask(instance: Any) -> float:
    from dagster import DagsterEventType

    start = perf_counter()
    for _ in range(IDLE_TICKS):
        instance.get_asset_event_summary_records(DagsterEventType.ASSET_MATERIALIZATION, after_storage_id=10**9, ascending=True, limit=500)
    return (perf_counter() - start) / IDLE_TICKS
