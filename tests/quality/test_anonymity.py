"""k-anonymity: a combination that too few share stops the partition, and which one it is stays untold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError


class Resident(pa.DataFrameModel):
    """Somebody, coarsely."""

    id: int = dp.column("Number.")
    place: str = dp.column("Where.", nullable=True)
    age: str = dp.column("Ten years of age.")


def residents(*groups: tuple[str | None, str, int]) -> pl.DataFrame:
    rows = [(place, age) for place, age, count in groups for _ in range(count)]
    return pl.DataFrame(
        {"id": range(len(rows)), "place": [p for p, _ in rows], "age": [a for _, a in rows]}, schema_overrides={"place": pl.String}
    )


def declare(product: Any, make: Callable[..., Any], **settings: Any) -> None:
    anonymity = dp.KAnonymity(k=5, columns=["place", "age"])
    product.dataset(schema=Resident, key="id", name="residents", k_anonymity=anonymity, **settings)(make)


def test_five_of_each_are_stored(product: Any, materialize: Callable[..., Any]) -> None:
    declare(product, lambda: residents(("north", "30-39", 5), ("north", "40-49", 7), (None, "30-39", 5)))
    run = materialize(product, "residents")
    assert run.success
    assert run.checks["k_anonymity"].passed
    assert run.checks["k_anonymity"].metadata["k"].value == 5


def test_fewer_stop_the_partition_with_counts_and_no_values(product: Any, materialize: Callable[..., Any]) -> None:
    declare(product, lambda: residents(("north", "30-39", 5), ("hamlet", "90-99", 1), (None, "30-39", 3)))
    run = materialize(product, "residents")
    assert not run.success
    assert run.failure == (
        "shop/residents: 2 combinations of place, age (4 rows) occur fewer than 5 times; nothing was stored: "
        "make the values coarser, or leave those rows out"
    )
    assert run.warned == {"k_anonymity": "ERROR"}
    assert run.checks["k_anonymity"].blocking
    assert "hamlet" not in run.text
    assert "90-99" not in run.text


def test_each_partition_has_its_own_crowd(product: Any, materialize: Callable[..., Any]) -> None:
    days = dg.DailyPartitionsDefinition("2026-01-01")
    declare(product, lambda partition: residents(("north", "30-39", 5 if partition < "2026-01-03" else 4)), partitions=days)
    run = materialize(product, "residents", span=("2026-01-01", "2026-01-03"))
    assert "partition '2026-01-03': 1 combination of place, age (4 rows) occurs fewer than 5 times" in run.failure
    assert len(run.events) == 2


def test_rows_on_disk_are_counted_together(monkeypatch: pytest.MonkeyPatch, store: Callable[..., Any]) -> None:
    from dataproducts.quality import spool

    monkeypatch.setattr(spool, "WHOLE_CELLS", 20)
    monkeypatch.setattr(spool, "RUN_BYTES", 0)
    monkeypatch.setattr(spool, "RUN_CELLS", 20)
    contract = dp.Contract.of(Resident, dataset="shop/residents", key="id")
    rows = residents(*[("north", "30-39", 1), ("south", "30-39", 1)] * 20)
    k = dp.KAnonymity(20, ["place"])
    store(contract, {"-": iter([rows.slice(at, 10) for at in range(0, 40, 10)])}, anonymity=k)
    report = store(contract, {"-": iter([rows.slice(at, 10) for at in range(0, 30, 10)])}, anonymity=k, lenient=True)
    assert "2 combinations of place (30 rows) occur fewer than 20 times" in report.outcomes["-"].error


@pytest.mark.parametrize(
    ("k", "columns", "said"),
    [(1, ["place"], "with k=1 promises nothing"), (5, [], "names no columns"), (5, ["plaec"], "names 'plaec', which is no column")],
)
def test_a_promise_of_nothing_is_refused(product: Any, k: int, columns: list[str], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        product.dataset(schema=Resident, key="id", name="residents", k_anonymity=dp.KAnonymity(k, columns))(lambda: None)


def test_the_promise_stands_in_the_contract(product: Any) -> None:
    from dataproducts.promise import document

    declare(product, lambda: residents())
    (table,) = document(product.datasets["residents"])["schema"]
    assert {"property": "kAnonymity", "value": {"k": 5, "columns": ["place", "age"]}} in table["customProperties"]


def test_a_replay_may_not_bring_in_the_one_who_stands_out(store: Callable[..., Any], lake: str) -> None:
    from dataproducts.errors import ContractBreach
    from dataproducts.history.store import DatasetHistory
    from dataproducts.quality.quarantine import Quarantine

    class Known(Resident):
        place: str = dp.column("Where.", isin=["north"])

    k = dp.KAnonymity(5, ["place"])
    strict = dp.Contract.of(Known, dataset="shop/residents", key="id")
    store(strict, {"-": residents(("north", "30-39", 5), ("south", "30-39", 1))}, anonymity=k, refused_share=1.0)
    wider = dp.Contract.of(Resident, dataset="shop/residents", key="id", version="1.1.0")
    history = DatasetHistory(lake, "shop/residents")
    with pytest.raises(ContractBreach, match=r"1 combination of place \(1 row\) occurs fewer than 5 times; .* the rows stay in quarantine"):
        Quarantine(lake, "shop/residents").replay(history, wider, anonymity=k)
    assert [v.number for v in history.refresh().versions()] == [1]
