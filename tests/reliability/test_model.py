"""Random histories against a model that fits on a page: materialize, re-run, change the contract, refuse, replay, erase, look back.

An erasure takes rows, or values of rows that stay.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.errors import UnknownDataset
from dataproducts.history.ledger import newest
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import HistoryTable
from dataproducts.materialization import Limits, Materializer
from dataproducts.quality.quarantine import Quarantine

NAME = "shop/sales"


class Strict(pa.DataFrameModel):
    number: int = dp.column("Number")
    amount: int = dp.column("Amount", nullable=True, ge=0)


class Wide(Strict):
    shop: str = dp.column("Shop", nullable=True)


class Lenient(pa.DataFrameModel):
    number: int = dp.column("Number")
    amount: int = dp.column("Amount", nullable=True, ge=-3)
    shop: str = dp.column("Shop", nullable=True)


CONTRACTS = [
    Contract.of(model, dataset=NAME, key="number", version=version)
    for model, version in ((Strict, "1.0.0"), (Wide, "1.1.0"), (Lenient, "1.2.0"))
]
LEAST = [0, 0, -3]
Rows = dict[int, tuple[int | None, str | None]]

rows_of_a_day = st.dictionaries(
    st.integers(0, 6), st.tuples(st.none() | st.integers(-5, 4), st.sampled_from([None, "north", "south"])), max_size=6
)
days = st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"])


class Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...


def _dies(*_: Any) -> None:
    raise ZeroDivisionError


class Histories(RuleBasedStateMachine):
    """`versions` is the model: per day every content in order, with when it became known."""

    @initialize()
    def begin(self) -> None:
        self.lake = tempfile.mkdtemp()
        self.stage = 0
        self.versions: dict[str, list[tuple[datetime, Rows, int]]] = {}
        self.refused: dict[str, Rows] = {}
        self.erased: set[int] = set()
        self.emptied: set[int] = set()
        self.environment = pytest.MonkeyPatch()
        self.environment.setenv("DATAPRODUCTS_ERASURE_KEY", "5e" * 32)

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, "lake", ""), ignore_errors=True)
        if hasattr(self, "environment"):
            self.environment.undo()

    @property
    def contract(self) -> Contract:
        return CONTRACTS[self.stage]

    def frame(self, rows: Rows, seed: int = 0) -> pl.DataFrame:
        order = list(rows)
        random.Random(seed).shuffle(order)
        wide = {"number": order, "amount": [rows[n][0] for n in order], "shop": [rows[n][1] for n in order]}
        names = list(self.contract.names)
        random.Random(seed + 1).shuffle(names)
        return pl.DataFrame(wide, schema={"number": pl.Int64, "amount": pl.Int64, "shop": pl.String}).select(names)

    def good(self, rows: Rows) -> Rows:
        seen = {n: (a, s if self.stage and n not in self.emptied else None) for n, (a, s) in rows.items() if n not in self.erased}
        return {n: r for n, r in seen.items() if r[0] is None or r[0] >= LEAST[self.stage]}

    def expect(self, day: str, rows: Rows, known_at: datetime) -> bool:
        """Note a content in the model; whether it is a new version. A wider contract makes equal rows a new content."""
        held = self.versions.setdefault(day, [])
        columns = len(self.contract.names)
        if held and held[-1][1] == rows and held[-1][2] == columns:
            return False
        held.append((known_at, rows, columns))
        return True

    @rule(day=days, rows=rows_of_a_day, seed=st.integers(0, 99))
    def materialize(self, day: str, rows: Rows, seed: int) -> None:
        limits = Limits(refused_share=1.0, row_change=None)
        materializer = Materializer(self.lake, self.contract, limits, run="run", log=Silent())
        outcome = materializer.materialize([day], lambda _: self.frame(rows, seed)).outcomes[day]
        assert outcome.error is None
        good = self.good(rows)
        assert outcome.committed.is_new == self.expect(day, good, outcome.committed.version.known_at)
        refused = rows.keys() - good.keys() - self.erased
        left_out = len(self.erased & rows.keys()) + len(self.emptied & refused)
        assert outcome.committed.version.rows + outcome.refused + left_out == outcome.received == len(rows)
        self.refused[day] = {n: (rows[n][0], rows[n][1] if self.stage else None) for n in refused - self.emptied}

    @rule(day=days, rows=rows_of_a_day, hours=st.integers(-48, 2))
    def commit_with_a_skewed_clock(self, day: str, rows: Rows, hours: int) -> None:
        good = self.good(rows)
        history = DatasetHistory(self.lake, NAME)
        now = datetime.now(UTC) + timedelta(hours=hours)
        draft = Draft.of(day, self.frame({n: rows[n] for n in good}), self.contract)  # with what has been emptied since
        (done,) = history.commit([draft], self.contract, now=now)
        assert done.is_new == self.expect(day, good, done.version.known_at)

    @precondition(lambda self: self.stage < len(CONTRACTS) - 1)
    @rule()
    def change_the_contract(self) -> None:
        self.stage += 1

    @precondition(lambda self: any(self.refused.values()))
    @rule()
    def replay(self) -> None:
        history = DatasetHistory(self.lake, NAME)
        for done in Quarantine(self.lake, NAME).replay(history, self.contract):
            day = done.partition
            waiting = self.refused[day]
            now_good = {n: r for n, r in self.good(waiting).items() if n not in self.versions[day][-1][1]}
            assert done.passed == len(now_good)
            if now_good:
                version = next(v for v in history.refresh().versions(day) if v.number == done.version)
                self.expect(day, {**self.versions[day][-1][1], **now_good}, version.known_at)
                self.refused[day] = {n: r for n, r in waiting.items() if n not in now_good}
            assert done.remaining == len(self.refused[day])

    def _erase(self, plan: Any, killed: bool) -> None:
        """Carry a plan out, or begin it, be killed, and resume."""
        with pytest.MonkeyPatch.context() as patch:
            if killed:
                patch.setattr(HistoryTable, "replace", _dies)
            with suppress(ZeroDivisionError):
                erasing.erase(plan, reason="asked for it", who="tester")
        if killed:
            erasing.resume(World(self.lake))

    @rule(number=st.integers(0, 6), killed=st.booleans())
    def erase(self, number: int, killed: bool) -> None:
        held = [rows for of_day in self.versions.values() for _, rows, _ in of_day] + list(self.refused.values())
        keys = [("--key", str(number))]
        if not any(number in rows for rows in held):
            if number not in self.erased:
                with pytest.raises(UnknownDataset):
                    erasing.plan(World(self.lake), NAME, keys)
            return
        plan = erasing.plan(World(self.lake), NAME, keys)
        self._erase(plan, killed)
        self.erased.add(number)
        for rows in held:
            rows.pop(number, None)

    @rule(number=st.integers(0, 6), killed=st.booleans())
    def empty(self, number: int, killed: bool) -> None:
        """Rows of a number lose their shop and stay; refused ones go."""
        held = [rows for of_day in self.versions.values() for _, rows, _ in of_day]
        if not any(number in rows for rows in [*held, *self.refused.values()]):
            return
        plan = erasing.plan(World(self.lake), NAME, [("--key", str(number))])
        plan = replace(plan, empties={NAME: (("shop", "null"),)}, read={})
        self._erase(plan, killed)
        self.emptied.add(number)
        for rows in held:
            if number in rows:
                rows[number] = (rows[number][0], None)
        for rows in self.refused.values():
            rows.pop(number, None)

    @invariant()
    def an_emptied_value_never_comes_back(self) -> None:
        for version in DatasetHistory(self.lake, NAME).versions() if getattr(self, "emptied", None) else ():
            assert not [n for n, (_, shop) in self.read(version).items() if n in self.emptied and shop is not None]

    @invariant()
    def an_erased_key_never_comes_back(self) -> None:
        if not getattr(self, "erased", None):
            return
        history, quarantine = DatasetHistory(self.lake, NAME), Quarantine(self.lake, NAME)
        for version in history.versions():
            assert not self.erased & self.read(version).keys()
        for received in quarantine.rows().get_column("received") if quarantine.history.tables() else ():
            assert json.loads(received)["number"] not in self.erased
        assert all(table.is_append_only for table in history.tables())

    def read(self, version: Any) -> Rows:
        frame = DatasetHistory(self.lake, NAME).collect([version])
        return {row["number"]: (row["amount"], row.get("shop")) for row in frame.iter_rows(named=True)}

    @invariant()
    def every_version_reads_as_it_was_written(self) -> None:
        if not any(getattr(self, "versions", {}).values()):
            return
        history = DatasetHistory(self.lake, NAME)
        found = history.versions()
        history.verify(found)
        for day, expected in self.versions.items():
            mine = [v for v in found if v.partition == day]
            assert [v.number for v in mine] == list(range(1, len(expected) + 1))
            assert [v.known_at for v in mine] == [known_at for known_at, _, _ in expected]
            assert all(a.known_at < b.known_at for a, b in zip(mine, mine[1:], strict=False))
            assert [self.read(v) for v in mine] == [rows for _, rows, _ in expected]

    @precondition(lambda self: any(self.versions.values()))
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        instants = sorted({known_at for held in self.versions.values() for known_at, _, _ in held})
        at = data.draw(st.sampled_from(instants)) + timedelta(microseconds=data.draw(st.sampled_from([-1, 0, 1])))
        found = newest(DatasetHistory(self.lake, NAME).versions(), at)
        expected = {}
        for day, held in self.versions.items():
            known = [rows for known_at, rows, _ in held if known_at <= at]
            if known:
                expected[day] = known[-1]
        assert {day: self.read(v) for day, v in found.items()} == expected


Histories.TestCase.settings = settings(
    max_examples=25 if os.environ.get("CI") else 10,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
test_random_histories_agree_with_the_model = Histories.TestCase
