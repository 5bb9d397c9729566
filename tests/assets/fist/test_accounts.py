"""What is made of the books by SQL is what a plain reading of the synthetic system gives, as it stood on the day in question."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import dataproducts as dp
from assets.enhetsregisteret.datasets import enheter
from assets.enhetsregisteret.sandbox import World as Register
from assets.fist import checks
from assets.fist.datasets import product
from assets.fist.sandbox.world import OSLO, World
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.materialization import Limits, Materializer
from tests.assets.fist.books import CHECKS, ENTRIES, STATES, Books, Rows, names, newest
from tests.conftest import Recorded

FIRST, EVE, LATE = "2026-11-01", "2026-11-16", "2026-11-17"
"""The first day kept, and two days on the later of which something is posted into October, which is closed."""
MADE = ["manedssaldo", "budsjett_mot_faktisk", "forbruk_per_naering", "dim_kostnadssted"]
NOUGHT = Decimal(0)


@dataclass
class Kept:
    """The lake that the tests of this module only read, and the books it is made of."""

    lake: Path
    world: World
    between: datetime
    runs: list[Recorded]
    unregistered: str


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The books until LATE, and what is made of them for EVE and LATE, each made when it was the newest day."""
    home = tmp_path_factory.mktemp("books")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("DATAPRODUCTS_HOME", str(home))
        books = Books.at(EVE, instance)
        patch.setenv("FIST_DATABASE_URL", books.sandbox.url)
        bought = [row["organisasjonsnummer"] for row in newest(books.sandbox.world, "leverandor", EVE, "leverandornummer").values()]
        known = [unit for unit in register() if unit["organisasjonsnummer"] in bought[1:]]
        store_units(home / "lake", known)
        runs = [
            books.make(*STATES, day=EVE),
            books.make(*ENTRIES, "posteringer", day=FIRST, until=EVE),
            books.make(*MADE, day=EVE),
        ]
        between = datetime.now(UTC)
        books.sandbox.travel(date.fromisoformat(LATE))
        runs += [books.make(*STATES, day=LATE), books.make(*ENTRIES, "posteringer", *MADE, day=LATE)]
        assert all(run.success for run in runs), [run.failure for run in runs if not run.success]
        yield Kept(home / "lake", books.sandbox.world, between, runs, bought[0])
        books.sandbox.stop()


@cache
def register() -> tuple[Any, ...]:
    return tuple(Register().bulk("enheter"))


def store_units(lake: Path, units: list[Any]) -> None:
    for day in (EVE, LATE):
        materializer = Materializer(str(lake), enheter.contract, Limits(refused_share=0.5), run="test", log=logging.getLogger("test"))
        report = materializer.materialize([day], lambda _: units)
        assert not report.failed, report.failed


@pytest.fixture(autouse=True)
def read_only(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAPRODUCTS_LAKE", str(kept.lake))


# A plain reading of the system


def lines(world: World, day: str) -> list[dict[str, Any]]:
    """Every line with its entry."""
    entries = newest(world, "bilag", day, "bilagsnummer")
    return [{**entries[number,], **line} for (number, _), line in newest(world, "bilagslinje", day, "bilagsnummer", "linjenummer").items()]


def summed(rows: list[dict[str, Any]], *key: str) -> dict[tuple[Any, ...], Decimal]:
    sums: dict[tuple[Any, ...], Decimal] = defaultdict(lambda: NOUGHT)
    for row in rows:
        sums[tuple(row[k] for k in key)] += row["belop"]
    return dict(sums)


def read(dataset: str, day: str, *key: str) -> Rows:
    """The rows of a partition by key."""
    rows = dp.scan(f"fist/{dataset}", day).collect().to_dicts()
    return {tuple(row[k] for k in key): row for row in rows}


# It agrees


def test_every_check_has_run_and_passes(kept: Kept) -> None:
    assert set().union(*(run.checks for run in kept.runs)) >= names(CHECKS)
    assert [run.warned for run in kept.runs] == [{}] * 5


def test_postings_are_the_lines_with_what_holds_for_their_entry(kept: Kept) -> None:
    got = dp.scan("fist/posteringer").collect()
    ours = {(row["bilagsnummer"], row["linjenummer"]): row for row in got.to_dicts()}
    expected = {(line["bilagsnummer"], line["linjenummer"]): {name: line[name] for name in got.columns} for line in lines(kept.world, LATE)}
    assert ours == expected


@pytest.mark.parametrize("day", [EVE, LATE])
def test_balances_are_what_was_posted_until_the_day(kept: Kept, day: str) -> None:
    posted, accounts = lines(kept.world, day), newest(kept.world, "konto", day, "kontonummer")
    got = read("manedssaldo", day, "periode", "kontonummer")
    assert set(got) == {(line["periode"], line["kontonummer"]) for line in posted}
    assert len({period for period, _ in got}) == 3
    for (period, account), row in got.items():
        here = [line for line in posted if line["kontonummer"] == account]
        moved = [line["belop"] for line in here if line["periode"] == period]
        assert row == {
            "periode": period,
            "kontonummer": account,
            "konto": accounts[account,]["navn"],
            "kontotype": accounts[account,]["kontotype"],
            "debet": sum((m for m in moved if m > 0), NOUGHT),
            "kredit": -sum((m for m in moved if m < 0), NOUGHT),
            "bevegelse": sum(moved),
            "saldo": sum(line["belop"] for line in here if line["periode"] <= period),
            "linjer": len(moved),
        }


@pytest.mark.parametrize("day", [EVE, LATE])
def test_nothing_planned_or_spent_is_lost_beside_the_other(kept: Kept, day: str) -> None:
    key = ("periode", "kontonummer", "kostnadssted")
    spent = summed([line for line in lines(kept.world, day) if line["kostnadssted"]], *key)
    planned = {k: row["belop"] for k, row in newest(kept.world, "budsjett", day, *key).items()}
    assert spent.keys() - planned.keys(), "some was spent without a budget"
    assert planned.keys() - spent.keys(), "and some of the budget was not spent"
    got = read("budsjett_mot_faktisk", day, *key)
    expected = {k: (spent.get(k, NOUGHT), planned.get(k, NOUGHT)) for k in spent.keys() | planned.keys()}
    assert {k: (row["faktisk"], row["budsjett"]) for k, row in got.items()} == expected
    assert all(row["avvik"] == row["faktisk"] - row["budsjett"] for row in got.values())


def purchases(kept: Kept, day: str) -> dict[tuple[str, str], tuple[set[str], Decimal]]:
    """Vendors and amount by month and industry, before anything is hidden."""
    industries = {
        unit["organisasjonsnummer"]: unit["naeringskode1"]["kode"][:2]
        for unit in register()
        if unit.get("naeringskode1") and unit["organisasjonsnummer"] != kept.unregistered
    }
    vendors = newest(kept.world, "leverandor", day, "leverandornummer")
    found: dict[tuple[str, str], tuple[set[str], Decimal]] = defaultdict(lambda: (set(), NOUGHT))
    for line in lines(kept.world, day):
        if line["leverandornummer"] and line["kostnadssted"]:
            industry = industries.get(vendors[line["leverandornummer"],]["organisasjonsnummer"], "ukjent")
            them, amount = found[line["periode"], industry]
            found[line["periode"], industry] = (them | {line["leverandornummer"]}, amount + line["belop"])
    return dict(found)


def test_purchases_are_summed_per_industry_and_too_few_vendors_are_hidden(kept: Kept) -> None:
    expected = purchases(kept, LATE)
    got = read("forbruk_per_naering", LATE, "periode", "naering")
    assert got.keys() == expected.keys()
    shown = {k: row for k, row in got.items() if row["leverandorer"] is not None}
    assert {k: (row["leverandorer"], row["belop"]) for k, row in shown.items()} == {k: (len(expected[k][0]), expected[k][1]) for k in shown}
    assert all(row["belop"] is None for k, row in got.items() if k not in shown)
    few = {k for k, (them, _) in expected.items() if len(them) < 3}
    assert few
    assert shown
    assert not few & shown.keys()
    for period in {period for period, _ in got}:
        hidden = [len(expected[k][0]) for k in got.keys() - shown.keys() if k[0] == period]
        assert not hidden or (len(hidden) > 1 and sum(hidden) >= 3), "what is hidden cannot be told from the total of the month"


def test_vendors_that_the_register_does_not_know_are_of_unknown_industry(kept: Kept) -> None:
    vendors = newest(kept.world, "leverandor", LATE, "leverandornummer").values()
    abroad = {v["leverandornummer"] for v in vendors if v["land"] != "NO"}
    unregistered = {v["leverandornummer"] for v in vendors if v["organisasjonsnummer"] == kept.unregistered}
    unknown = set().union(*(them for (_, industry), (them, _) in purchases(kept, LATE).items() if industry == "ukjent"))
    assert unknown & abroad
    assert unknown & unregistered
    assert unknown <= abroad | unregistered


def test_cost_centers_name_the_one_above_them(kept: Kept) -> None:
    centers = newest(kept.world, "kostnadssted", LATE, "kostnadssted")
    got = read("dim_kostnadssted", LATE, "kostnadssted")
    above = {code: row["overordnet"] or code[0] for code, row in centers.items()}
    assert {code: (row["hovedsted"], row["hovedsted_navn"]) for code, row in got.items()} == {
        code: (parent, centers[parent,]["navn"]) for code, parent in above.items()
    }
    assert all(row["apent"] for row in got.values())


# As it was known


def test_a_late_posting_changes_a_closed_month_from_the_day_it_came(kept: Kept) -> None:
    late = [
        line for line in lines(kept.world, LATE) if line["art"] == "EP" and line["registrert"].astimezone(OSLO).date().isoformat() == LATE
    ]
    assert {line["periode"] for line in late} == {"2026-10"}
    before, after = (read("manedssaldo", day, "periode", "kontonummer") for day in (EVE, LATE))
    changed = {k: after[k]["bevegelse"] - before.get(k, {"bevegelse": NOUGHT})["bevegelse"] for k in after if k[0] < "2026-11"}
    assert {k: moved for k, moved in changed.items() if moved} == summed(late, "periode", "kontonummer")


def test_what_was_known_before_is_still_read(kept: Kept) -> None:
    for dataset in ("manedssaldo", "budsjett_mot_faktisk"):
        then = dp.read(f"fist/{dataset}", as_of=kept.between)
        assert then.equals(dp.read(f"fist/{dataset}", EVE)), dataset
        assert not then.equals(dp.read(f"fist/{dataset}")), dataset


def test_what_is_reversed_sums_to_nothing(kept: Kept) -> None:
    rows = dp.scan("fist/posteringer").collect().to_dicts()
    reversals = {row["bilagsnummer"]: row["gjelder_bilag"] for row in rows if row["art"] == "TI"}
    assert len(reversals) > 10
    for number, about in reversals.items():
        left = summed([row for row in rows if row["bilagsnummer"] in (number, about)], "kontonummer", "kostnadssted")
        assert set(left.values()) == {NOUGHT}, (number, about)


# Books that do not tie


def changed(rows: pl.DataFrame, where: pl.Expr, **by: int) -> pl.DataFrame:
    """Amounts of the first row that fits, raised by so many kroner."""
    first = pl.int_range(pl.len()) == rows.select(where.arg_max()).item()
    raised = [(pl.col(name) + pl.when(first).then(Decimal(more)).otherwise(NOUGHT)).cast(rows.schema[name]) for name, more in by.items()]
    return rows.with_columns(raised)


def of(month: str, account: str) -> pl.Expr:
    return (pl.col("periode") == month) & (pl.col("kontonummer") == account)


def an_account_left_out(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(~of("2026-10", "2400"))


def an_amount_moved_to_another_account(rows: pl.DataFrame) -> pl.DataFrame:
    more = changed(rows, of("2026-10", "6790"), debet=100, bevegelse=100)
    return changed(more, of("2026-10", "2400"), kredit=100, bevegelse=-100)


def a_movement_that_is_not_debit_less_credit(rows: pl.DataFrame) -> pl.DataFrame:
    return changed(rows, of("2026-10", "2400"), bevegelse=1)


def a_row_less(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.filter(pl.col("periode") == "2026-10").head(1).pipe(lambda one: rows.join(one, on=rows.columns, how="anti", nulls_equal=True))
    )


PERIODS, BUDGET = checks.periods_tie_to_the_journal, checks.budget_ties
NOT_THE_JOURNAL, NOT_BOTH = "do not tie to the journal", "do not tie to the budget or the postings"
BROKEN = [
    (PERIODS, "manedssaldo", an_account_left_out, f"2026-10 on {LATE} {NOT_THE_JOURNAL}"),
    (PERIODS, "manedssaldo", an_amount_moved_to_another_account, f"2026-10 on {LATE} {NOT_THE_JOURNAL}"),
    (PERIODS, "manedssaldo", a_movement_that_is_not_debit_less_credit, f"2026-10 on {LATE} {NOT_THE_JOURNAL}"),
    (PERIODS, "bilagslinjer", lambda rows: rows.head(-1), f"2026-11 on {LATE} {NOT_THE_JOURNAL}"),
    (PERIODS, "bilag", lambda rows: rows.head(-1), f"2026-11 on {LATE}, without an entry on {LATE} {NOT_THE_JOURNAL}"),
    (
        BUDGET,
        "budsjett_mot_faktisk",
        lambda rows: changed(rows, pl.col("periode") == "2026-10", faktisk=1),
        f"2026-10 on {LATE} {NOT_BOTH}",
    ),
    (BUDGET, "budsjett_mot_faktisk", lambda rows: rows.filter(pl.col("periode") != "2027-12"), f"2027-12 on {LATE} {NOT_BOTH}"),
    (BUDGET, "budsjett", a_row_less, f"2026-10 on {LATE} {NOT_BOTH}"),
    (BUDGET, "posteringer", lambda rows: rows.filter(pl.col("art") != "EP"), f"2026-10 on {LATE} {NOT_BOTH}"),
]


@pytest.mark.parametrize(("check", "dataset", "change", "told"), BROKEN)
def test_books_that_do_not_tie_fail_their_check(
    check: Any, dataset: str, change: Any, told: str, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the lake in which LATE is stored otherwise in one dataset; EVE, which is looked at too, is as it was."""
    lake = tmp_path / "lake"
    shutil.copytree(kept.lake / "fist", lake / "fist")
    contract, history = product.datasets[dataset].contract, DatasetHistory(str(lake), f"fist/{dataset}")
    rows = change(history.collect([history.current()[LATE]], contract.names))
    history.commit([Draft.of(LATE, rows, contract)], contract)
    monkeypatch.setenv("DATAPRODUCTS_LAKE", str(lake))
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(asset_checks=[check]).resolve_implicit_global_asset_job_def()
        (said,) = Recorded(job.execute_in_process(instance=instance).run_id, instance).checks.values()
    assert not said.passed
    assert said.metadata["wrong"].value == told
