"""A restore never brings somebody back: the registry keeps all it knew, and what is restored obeys it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataproducts.backup.restoring import restore
from dataproducts.backup.taking import back_up
from dataproducts.catalog.database import Database
from dataproducts.catalog.erasure import erase as erase_from_catalog
from dataproducts.catalog.store import Store
from dataproducts.contract import Contract
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.errors import ConfigurationError
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.messages import ColumnFigures
from tests.catalog.conftest import LATE
from tests.catalog.lived import exported
from tests.catalog.messages import check, dataset, delivery, product

NAME, GONE, OTHER = "shop/sales", "kari-nordmann-7731", "ola-nordmann-1204"


@pytest.fixture
def contract(declare: Callable[..., Any]) -> Contract:
    return declare({"who": str, "amount": int}, "who", dataset=NAME)  # type: ignore[no-any-return]


@pytest.fixture
def filled(lake: str, contract: Contract, use: Callable[[str], str], tmp_path: Path) -> str:
    """A lake and a catalog that know of both; the catalog's URL."""
    rows = pl.DataFrame({"who": [GONE, OTHER], "amount": [1, 2]})
    DatasetHistory(lake, NAME).commit([Draft.of("2026-11-01", rows, contract), Draft.of("2026-11-02", rows[1:], contract)], contract)
    url = use(f"sqlite:///{tmp_path}/catalog.db")
    database = Database(url)
    both = (ColumnFigures(name="who", nulls=0, distinct=2, smallest=GONE, largest=OTHER),)
    other = (ColumnFigures(name="who", nulls=0, distinct=1, smallest=OTHER, largest=OTHER),)
    Store(database, lambda: LATE).apply(
        [
            product(),
            dataset(),
            delivery(profile=both, facts={"said": f"{GONE} left"}),
            delivery(partition="2026-11-02", hours=2, profile=other),
            check(facts={"examples": f"{OTHER}, {GONE}"}),
        ]
    )
    database.close()
    return url


def erase(lake: str) -> None:
    report = erasing.erase(erasing.plan(World(lake), NAME, [("--key", GONE)]), reason="asked", who="kari")
    assert not report.unfinished


def held(lake: str) -> set[str]:
    history = DatasetHistory(lake, NAME)
    return set(history.scan(history.versions()).collect()["who"])


def test_who_was_erased_after_the_backup_is_taken_out_of_what_is_restored(filled: str, lake: str, tmp_path: Path) -> None:
    back_up(tmp_path / "backup")
    assert GONE in exported(filled)
    erase(lake)
    done = restore(tmp_path / "backup", replace=True)
    after = exported(filled)
    assert done.erased == 3
    assert GONE not in after
    assert after.count(OTHER) == 3  # the figures of the version that only has the other, and what the check says of him
    assert not any(GONE.encode() in path.read_bytes() for path in tmp_path.glob("catalog.db*"))


def test_a_lake_that_is_older_than_the_backup_is_told_of_the_erasure_and_resume_carries_it_out(
    filled: str, lake: str, tmp_path: Path
) -> None:
    shutil.copytree(lake, tmp_path / "older")
    back_up(tmp_path / "early")
    erase(lake)
    database = Database(filled)
    erased = Registry(lake).refresh().erased(NAME)
    assert erased is not None
    erase_from_catalog(database, {NAME: erased}, {NAME: {("2026-11-01", 1)}})
    database.close()
    back_up(tmp_path / "backup")
    shutil.rmtree(lake)
    shutil.copytree(tmp_path / "older", lake)
    for name in ("backup", "early"):  # that of before the erasure too, while it is not carried out yet
        restore(tmp_path / name, replace=True)
        assert GONE not in exported(filled)
    assert len(Registry(lake).refresh().open()) == 1
    assert held(lake) == {GONE, OTHER}
    (report,) = erasing.resume(World(lake))
    assert not report.unfinished
    assert held(lake) == {OTHER}


def test_the_registry_is_only_ever_added_to_and_the_same_backup_adds_nothing_twice(filled: str, lake: str, tmp_path: Path) -> None:
    back_up(tmp_path / "before")
    erase(lake)
    back_up(tmp_path / "after")
    lines = list(Registry(lake).refresh().lines)
    assert len(lines) == 2
    for name in ("before", "after", "after"):
        assert restore(tmp_path / name, replace=True).lines == 0
        assert list(Registry(lake).refresh().lines) == lines
    shutil.rmtree(f"{lake}/_erasures")
    assert restore(tmp_path / "after", replace=True).lines == 1
    assert list(Registry(lake).refresh().lines) == lines[:1]


def test_where_a_lake_is_lost_no_figure_stays_in_which_somebody_erased_may_be(filled: str, lake: str, tmp_path: Path) -> None:
    back_up(tmp_path / "early")
    erase(lake)
    back_up(tmp_path / "late")
    shutil.rmtree(lake)
    restore(tmp_path / "late", replace=True)
    restore(tmp_path / "early", replace=True)
    assert GONE not in exported(filled)
    assert '"smallest"' not in exported(filled)


def test_another_key_than_the_hashes_were_made_with_is_refused_before_anything_changes(
    filled: str, lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase(lake)
    made = back_up(tmp_path / "backup")
    before = exported(filled)
    shutil.rmtree(f"{lake}/_erasures")
    monkeypatch.setenv("DATAPRODUCTS_ERASURE_KEY", "5e" * 32)
    with pytest.raises(ConfigurationError, match=f"were written with the key {made.erasure_key}, and the one at hand is"):
        restore(tmp_path / "backup", replace=True)
    assert exported(filled) == before
    assert not Path(f"{lake}/_erasures").exists()
