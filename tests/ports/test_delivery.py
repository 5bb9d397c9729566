"""Delivering to a port: in batches that are planned before they go, once each, whoever dies or comes in between."""

from __future__ import annotations

import json
import multiprocessing
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.errors import HistoryError, PortError, PortUnavailable
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import Overtaken
from dataproducts.ports.delivery import deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.port import Batch
from tests.ports.shelf import Shelf, Standing


class Sale(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number of the receipt.")


CONTRACT = Contract.of(Sale, dataset="shop/sales", key="id")


def commit(history: DatasetHistory, *partitions: str, start: int = 0) -> None:
    drafts = [Draft.of(p, pl.DataFrame({"id": [start + i]}, schema={"id": pl.Int64}), CONTRACT) for i, p in enumerate(partitions)]
    history.commit(drafts, CONTRACT)


@pytest.fixture
def history(home: Path) -> DatasetHistory:
    return DatasetHistory(settings.lake(), "shop/sales")


def journal() -> Journal:
    return Journal(settings.lake(), "shop/sales", "shelf")


def shelf(home: Path, **more: Any) -> Shelf:
    home.mkdir(parents=True, exist_ok=True)
    return Shelf(str(home / "shelf.jsonl"), **more)


def standing(shelf: Shelf) -> list[tuple[str, int]]:
    return [(one["partition"], one["number"]) for one in map(json.loads, Path(shelf.path).read_text().splitlines())]


def run(shelf: Shelf, history: DatasetHistory, partitions: list[str] | None = None) -> list[tuple[str, int]]:
    report = deliver(Standing(shelf, history), journal(), history, partitions, "run")
    return [(v.partition, v.number) for v in report.versions]


def test_every_version_arrives_once_and_only_those_asked_for(home: Path, history: DatasetHistory) -> None:
    commit(history, "a", "b", "c")
    commit(history, "a", start=10)
    port = shelf(home)
    assert run(port, history, ["a"]) == [("a", 1), ("a", 2)]
    assert run(port, history, ["a"]) == []
    assert run(port, history) == [("b", 1), ("c", 1)]
    assert standing(port) == [("a", 1), ("a", 2), ("b", 1), ("c", 1)]
    assert [(line.batch, line.state) for line in journal().refresh().lines] == [
        (1, "planned"),
        (1, "delivered"),
        (2, "planned"),
        (2, "delivered"),
    ]


def test_a_batch_left_open_is_finished_by_the_next_run_as_it_was_planned(home: Path, history: DatasetHistory) -> None:
    commit(history, "a", "b")

    def die(batch: Batch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(shelf(home, after=die), history)
    commit(history, "a", start=10)  # in the meantime there is more to deliver
    port = shelf(home)
    assert run(port, history, ["b"]) == [("a", 1), ("b", 1)]  # what was open is finished, whatever is asked for
    assert run(port, history) == [("a", 2)]
    assert standing(port) == [("a", 1), ("b", 1), ("a", 2)]


def test_what_certainly_did_not_arrive_is_given_up_and_planned_anew(home: Path, history: DatasetHistory) -> None:
    commit(history, "a")

    def refuse(batch: Batch) -> None:
        raise PortError("shop/sales: the shelf takes no such thing; offer another")

    with pytest.raises(PortError, match="takes no such thing"):
        run(shelf(home, before=refuse), history)
    assert [line.state for line in journal().refresh().lines] == ["planned", "given up"]
    commit(history, "a", start=10)
    assert run(shelf(home), history) == [("a", 1), ("a", 2)]


def test_where_it_is_not_known_what_arrived_the_batch_stays_open(home: Path, history: DatasetHistory) -> None:
    commit(history, "a")

    def hang_up(batch: Batch) -> None:
        raise PortUnavailable("shop/sales: the shelf does not answer; run again")

    with pytest.raises(PortUnavailable):
        run(shelf(home, after=hang_up), history)
    assert journal().refresh().open == 1
    port = shelf(home)
    assert run(port, history) == [("a", 1)]
    assert standing(port) == [("a", 1)]


def test_only_one_writer_writes_the_next_line(home: Path, history: DatasetHistory) -> None:
    commit(history, "a", "b")
    one, other = journal(), journal()
    one.refresh(), other.refresh()
    versions = history.versions()
    one.plan(versions[:1], "one")
    with pytest.raises(Overtaken):
        other.plan(versions[1:], "other")
    other.refresh()
    assert other.planned(other.open or 0) == [("a", 1)]
    other.deliver(1, "other", {})
    one.deliver(1, "one", {"rows": 3})  # says nothing new
    one.give_up(1, "one", "no")
    assert [(line.number, line.state, line.run) for line in one.refresh().lines] == [(1, "planned", "one"), (2, "delivered", "other")]


def test_a_journal_that_names_what_the_dataset_does_not_have_is_refused(home: Path, history: DatasetHistory) -> None:
    commit(history, "a")
    journal().refresh().plan(history.versions(), "run")
    other = DatasetHistory(str(home / "restored"), "shop/sales")
    commit(other, "b")
    with pytest.raises(HistoryError, match=r"names version 1 of partition 'a', which the dataset does not have; restore"):
        deliver(Standing(shelf(home), other), journal(), other, None, "run")


def test_a_damaged_journal_is_one_sentence(home: Path, history: DatasetHistory) -> None:
    commit(history, "a")
    run(shelf(home), history)
    for file in Path(journal().url).glob("*.parquet"):
        file.write_bytes(b"PAR1")
    with pytest.raises(HistoryError, match=r"shop/sales: the journal of port shelf at .* cannot be used: .*; nothing more was delivered"):
        run(shelf(home), history)


def _publisher(home: str, seed: int) -> None:
    import os
    import time

    os.environ["DATAPRODUCTS_HOME"] = home
    rng = random.Random(seed)

    def dawdle(batch: Batch) -> None:
        time.sleep(rng.random() * 0.01)

    history = DatasetHistory(settings.lake(), "shop/sales")
    run(shelf(Path(home), before=dawdle, after=dawdle, per_batch=rng.randint(1, 3)), history)


def test_publishers_at_once_deliver_each_version_once(home: Path, history: DatasetHistory) -> None:
    commit(history, *(f"p{i:02}" for i in range(24)))
    port = shelf(home)
    spawn = multiprocessing.get_context("spawn")
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    publishers = [spawn.Process(target=_publisher, args=(str(home), seed + i)) for i in range(3)]
    for one in publishers:
        one.start()
    for one in publishers:
        one.join()
    assert [one.exitcode for one in publishers] == [0, 0, 0]
    assert sorted(standing(port)) == [(f"p{i:02}", 1) for i in range(24)]
    assert [line.number for line in journal().refresh().lines] == list(range(1, len(journal().refresh().lines) + 1))


def test_a_long_journal_lies_in_few_files_and_says_the_same(home: Path, history: DatasetHistory) -> None:
    commit(history, *(f"p{i:03}" for i in range(70)))
    written, reader = journal(), journal()
    for version in history.versions():
        number = written.refresh().plan([version], "run")
        written.deliver(number, "run", {})
        reader.refresh()  # one that saw the files before they were put together
    for one in (written, reader, journal()):
        assert [line.number for line in one.refresh().lines] == list(range(1, 141))
        assert len(one.delivered(history.versions()).batches) == 70
    from deltalake import DeltaTable

    assert len(DeltaTable(written.url).file_uris()) < 80


def test_a_batch_is_known_by_what_it_carries(history: DatasetHistory) -> None:
    commit(history, "a", "b")
    a, b = history.versions()
    assert Batch(1, (a, b)).identity == Batch(1, (b, a)).identity
    assert len({Batch(1, (a,)).identity, Batch(2, (a,)).identity, Batch(1, (b,)).identity}) == 3
    assert datetime.now(UTC) >= a.known_at
