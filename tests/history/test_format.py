"""Tables of the lake state their format; one of a newer format is neither read nor written, and one that states none is of the first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.erasure.registry import Line, Registry
from dataproducts.errors import HistoryError
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import FORMAT, FORMAT_VERSION
from dataproducts.ports.journal import Journal

NAME = "shop/sales"
LINE = Line("e", "begun", datetime(2026, 11, 1, tzinfo=UTC), "kari", "", "asked", NAME, NAME, (("id", "id"),), "0" * 64, "k")


@pytest.fixture
def contract(declare: Callable[..., Any]) -> Contract:
    return declare({"id": int}, "id", dataset=NAME)  # type: ignore[no-any-return]


def commit(lake: str, contract: Contract, value: int) -> None:
    DatasetHistory(lake, NAME).commit([Draft.of("2026-11-01", pl.DataFrame({"id": [value]}), contract)], contract)


def state(url: str, form: str) -> None:
    DeltaTable(url).alter.set_table_properties({FORMAT: form}, raise_if_not_exists=False)


def test_every_kind_of_table_states_the_format(lake: str, contract: Contract) -> None:
    commit(lake, contract, 1)
    Registry(lake).add([LINE])
    Journal(lake, NAME, "kafka").refresh().plan(DatasetHistory(lake, NAME).versions(), "run")
    tables = sorted(Path(lake).rglob("_delta_log"))
    assert len(tables) == 3
    assert {DeltaTable(str(one.parent)).metadata().configuration[FORMAT] for one in tables} == {str(FORMAT_VERSION)}


@pytest.mark.parametrize("form", ["2", "tomorrow"])
def test_a_newer_format_is_refused_in_one_sentence_by_whoever_reads_or_writes(lake: str, contract: Contract, form: str) -> None:
    commit(lake, contract, 1)
    Registry(lake).add([LINE])
    journal = Journal(lake, NAME, "kafka").refresh()
    journal.plan(DatasetHistory(lake, NAME).versions(), "run")
    held = DatasetHistory(lake, NAME)
    assert len(held.versions()) == 1
    tables = [str(one.parent) for one in Path(lake).rglob("_delta_log")]
    for url in tables:
        state(url, form)
    before = [DeltaTable(url).version() for url in tables]
    sentence = (
        f"is of lake format {form}, and this version of dataproducts knows {FORMAT_VERSION} at most; use the newer version that wrote it"
    )
    attempts: list[Callable[[], Any]] = [
        lambda: dp.read(NAME),
        lambda: dp.versions(NAME),
        lambda: commit(lake, contract, 2),
        lambda: held.commit([Draft.of("2026-11-02", pl.DataFrame({"id": [2]}), contract)], contract),
        lambda: Registry(lake).refresh(),
        lambda: Registry(lake).add([LINE]),
        lambda: Journal(lake, NAME, "kafka").refresh(),
    ]
    for attempt in attempts:
        with pytest.raises(HistoryError, match=sentence) as raised:
            attempt()
        assert "\n" not in str(raised.value)
    assert [DeltaTable(url).version() for url in tables] == before


def test_a_table_that_states_no_format_is_of_the_first(lake: str, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.history import table

    monkeypatch.setattr(table, "_PROPERTIES", {name: value for name, value in table._PROPERTIES.items() if name != FORMAT})
    commit(lake, contract, 1)
    assert FORMAT not in DeltaTable(DatasetHistory(lake, NAME).tables()[0].url).metadata().configuration
    commit(lake, contract, 2)
    assert [v.number for v in dp.versions(NAME)] == [1, 2]
