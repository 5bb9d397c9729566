"""Whoever is erased by a pseudonym is erased under those of before and after a rotation too, and nothing links them any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.quality.links import Links
from tests.erasure.searching import found_in
from tests.quality.test_pseudonyms import CONTRACT, NEW, OLD, PERSONS, VARIABLE, by_python, stored, visit

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
