"""Whoever is erased by a pseudonym is erased under those of before and after a rotation too, and nothing links them any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.errors import ConfigurationError
from dataproducts.quality.links import Links
from tests.erasure.searching import found_in
from tests.quality.test_pseudonyms import CONTRACT, NEW, OLD, PERSONS, VARIABLE, by_python, stored, visit

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
GONE, STAYS = PERSONS[0], PERSONS[1]
FORMER, NEWER = by_python(GONE), by_python(GONE, NEW, "2027")


@pytest.fixture
def rotated(store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Visits of two persons under each of two keys, with the links between."""
    monkeypatch.setenv(VARIABLE, f"2026={OLD}")
    store(CONTRACT, {"2026": [visit(1, GONE), visit(2, STAYS)]})
    monkeypatch.setenv(VARIABLE, f"2027={NEW},2026={OLD}")
    store(CONTRACT, {"2027": [visit(3, GONE), visit(4, STAYS)]})
    return store


def erase(lake: str, pseudonym: str) -> erasing.Report:
    plan = erasing.plan(World(lake), "shop/visits", [("--key", f'{{"person": "{pseudonym}"}}')])
    assert plan.report.keys == 1
    return erasing.erase(plan, reason="asked for it", who="tester")


@pytest.mark.parametrize("named", [FORMER, NEWER])
def test_rows_under_both_pseudonyms_and_the_links_go(rotated: Callable[..., Any], lake: str, named: str) -> None:
    held = found_in(Path(lake), FORMER)
    assert any("/pseudonyms/" in path for path in held)
    report = erase(lake, named)
    assert {p.place: p.removed for p in report.places} == {"shop/visits": 2, "shop/visits, links of pseudonyms": 1}
    for pseudonym in (FORMER, NEWER):
        assert found_in(Path(lake), pseudonym) == []
    assert Links(lake, "shop/visits").all().rows() == [(by_python(STAYS), by_python(STAYS, NEW, "2027"))]

    rotated(CONTRACT, {"2027": [visit(3, GONE), visit(4, STAYS)], "2028": [visit(5, GONE), visit(6, STAYS)]})
    assert stored(lake)["id"].to_list() == [2, 4, 6]
    for pseudonym in (FORMER, NEWER):
        assert found_in(Path(lake), pseudonym) == []


def test_who_was_erased_before_a_rotation_does_not_come_back_after_it(
    store: Callable[..., Any], lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"2026={OLD}")
    store(CONTRACT, {"2026": [visit(1, GONE), visit(2, STAYS)]})
    erase(lake, FORMER)
    monkeypatch.setenv(VARIABLE, f"2027={NEW},2026={OLD}")
    report = store(CONTRACT, {"2027": [visit(3, GONE), visit(4, STAYS)]})
    assert report.outcomes["2027"].committed.version.note["erased"] == {"count": 1}
    monkeypatch.setenv(VARIABLE, f"2027={NEW}")  # the period is over: only the registry knows
    store(CONTRACT, {"2028": [visit(5, GONE), visit(6, STAYS)]})
    assert stored(lake)["id"].to_list() == [2, 4, 6]
    for pseudonym in (FORMER, NEWER):
        assert found_in(Path(lake), pseudonym) == []


class Person(pa.DataFrameModel):
    fnr: str = dp.column("Number", personal="directly_identifying")
    name: str = dp.column("Name", personal="directly_identifying")


class Visit(pa.DataFrameModel):
    id: int = dp.column("Visit", personal="none", source="id")
    who: str = dp.column("Who", source="fnr", pseudonym=dp.Pseudonym("person", digits=11))


class Known(pa.DataFrameModel):
    who: str = dp.column("Who", personal="possibly_identifying")


@pytest.fixture
def clinic(facts_file: Callable[..., Path]) -> Any:
    """Persons by number, visits by their pseudonyms, and who has been there."""
    product = dp.DataProduct(facts_file())
    options: dict[str, Any] = {"personal": "directly_identifying", "access": "restricted", "partitions": DAYS}

    @product.dataset(schema=Person, key="fnr", **options)
    def persons() -> list[dict[str, str]]:
        return [{"fnr": GONE, "name": "Kari"}, {"fnr": STAYS, "name": "Ola"}]

    @product.dataset(schema=Visit, key="id", **options)
    def visits(persons: pl.DataFrame) -> pl.DataFrame:
        return persons.select("fnr", id=pl.int_range(pl.len()))

    @product.dataset(schema=Known, key="who", **options)
    def known(visits: pl.LazyFrame) -> pl.LazyFrame:
        return visits.select("who")

    return product


def test_a_raw_key_is_followed_into_its_pseudonyms_under_every_key(
    clinic: Any, materialize: Any, lake: str, monkeypatch: pytest.MonkeyPatch, instance: Any
) -> None:
    days = ("2026-01-01", "2026-01-02")
    for day, keys in zip(days, (f"2026={OLD}", f"2027={NEW},2026={OLD}"), strict=True):
        monkeypatch.setenv(VARIABLE, keys)
        for name in ("persons", "visits", "known"):
            run = materialize(clinic, name, partition=day)
            assert run.success, run.failure
    former, newer = by_python(GONE), by_python(GONE, NEW, "2027")
    assert found_in(Path(lake), former)
    assert found_in(Path(lake), newer)
    plan = erasing.plan(World(lake, {"shop": clinic}, instance), "shop/persons", [("--key", GONE)])
    report = erasing.erase(plan, reason="asked for it", who="tester")
    assert {p.place: p.removed for p in report.places[:4]} == {
        "shop/persons": 2, "shop/visits": 2, "shop/visits, links of pseudonyms": 1, "shop/known": 2
    }  # fmt: skip
    for value in (GONE, former, newer):
        assert found_in(Path(lake), value) == []
    for name in ("persons", "visits", "known"):
        assert materialize(clinic, name, partition="2026-01-03").success
    assert dp.read("shop/known", "2026-01-03")["who"].tolist() == [by_python(STAYS, NEW, "2027")]
    for value in (GONE, former, newer):
        assert found_in(Path(lake), value) == []


def test_without_the_key_of_the_pseudonyms_nothing_is_erased(
    clinic: Any, materialize: Any, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"2026={OLD}")
    assert materialize(clinic, "persons", partition="2026-01-01").success
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigurationError, match=f"shop/visits: {VARIABLE} is not set"):
        erasing.plan(World(lake, {"shop": clinic}), "shop/persons", [("--key", GONE)])
