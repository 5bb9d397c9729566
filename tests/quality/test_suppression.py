"""Small cells of an aggregate are hidden, and what would give them away too, before anything is stored."""

from __future__ import annotations

import random
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError


class Table(pa.DataFrameModel):
    """Job seekers by place and trade."""

    place: str = dp.column("Where.")
    trade: str = dp.column("What.")
    number: int = dp.column("How many.", nullable=True)
    mean_age: float = dp.column("Their mean age.", nullable=True)


KEY = ("place", "trade")
RULE = dp.Suppression(count="number", threshold=5, columns=["mean_age"], within=["place"])
ROWS = [("n", "cook", 3), ("n", "smith", 9), ("n", "clerk", 7), ("s", "cook", 12), ("s", "smith", 0)]


def table(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame([(p, t, n, 40.0) for p, t, n in rows], schema=["place", "trade", "number", "mean_age"], orient="row")


def shown(frame: pl.DataFrame) -> dict[tuple[str, str], int | None]:
    return {(p, t): n for p, t, n, _ in frame.rows()}


def test_a_small_cell_is_hidden_with_all_that_is_computed_of_it_and_so_is_the_next_smallest_of_its_total() -> None:
    done = RULE.apply(table(ROWS))
    assert (done.primary, done.secondary) == (1, 1)
    assert shown(done.frame) == {
        ("n", "cook"): None,
        ("n", "smith"): 9,
        ("n", "clerk"): None,
        ("s", "cook"): 12,
        ("s", "smith"): 0,
    }
    assert [row[3] for row in done.frame.rows()] == [None, 40.0, None, 40.0, 40.0]


def test_without_totals_only_the_small_cells_are_hidden() -> None:
    rule = dp.Suppression(count="number", threshold=10)
    done = rule.apply(table(ROWS))
    assert [row[2] for row in done.frame.rows()] == [None, None, None, 12, 0]
    assert (done.primary, done.secondary) == (3, 0)


def test_two_small_cells_whose_sum_says_what_each_is_are_joined_by_a_third() -> None:
    done = RULE.apply(table([("n", "cook", 1), ("n", "smith", 1), ("n", "clerk", 8), ("n", "baker", 20)]))
    assert [row[2] for row in done.frame.rows()] == [None, None, None, 20]


def test_a_cell_of_none_protects_only_where_there_is_no_other() -> None:
    assert [n for _, _, n, _ in RULE.apply(table([("n", "a", 2), ("n", "b", 0), ("n", "c", 50)])).frame.rows()] == [None, 0, None]
    assert [n for _, _, n, _ in RULE.apply(table([("n", "a", 2), ("n", "b", 0)])).frame.rows()] == [None, None]


def test_of_equal_cells_the_same_is_hidden_in_whatever_order_rows_come() -> None:
    rows = [("n", trade, n) for trade, n in (("cook", 2), ("smith", 8), ("clerk", 8), ("baker", 8))]
    hidden = {
        tuple(sorted(cell for cell, n in shown(RULE.apply(table(random.Random(seed).sample(rows, 4))).frame).items() if n is None))
        for seed in range(20)
    }
    assert hidden == {(("n", "baker"), ("n", "cook"))}


@pytest.mark.parametrize("seed", range(25))
def test_no_total_gives_a_hidden_cell_away(seed: int) -> None:
    """Random tables with totals both ways: what a total less its visible cells leaves is of two cells or more, and of five units or more."""
    random_ = random.Random(seed)
    print("seed", seed)
    places, trades = [f"p{n}" for n in range(random_.randint(2, 6))], [f"t{n}" for n in range(random_.randint(2, 6))]
    counts = {(p, t): random_.choice([0, 1, 2, 3, 4, 5, 6, 9, 30, 100]) for p in places for t in trades}
    rule = dp.Suppression(count="number", threshold=5, columns=["mean_age"], within=[["place"], ["trade"]])
    done = rule.apply(table([(p, t, n) for (p, t), n in counts.items()]))
    visible = shown(done.frame)
    assert all(n is None or n == 0 or n >= 5 for n in visible.values())
    assert all(n is None or n == counts[cell] for cell, n in visible.items())
    for axis, names in ((0, places), (1, trades)):
        for name in names:
            cells = [cell for cell in counts if cell[axis] == name]
            hidden = [cell for cell in cells if visible[cell] is None]
            everything = len(hidden) == len(cells)
            assert not hidden or everything or (len(hidden) > 1 and sum(counts[cell] for cell in hidden) >= 5)
    assert rule.left(done.frame) is None


LEFT = {
    "a small cell": (table([("n", "a", 3)]), "1 cells of 'number' are above 0 and below 5"),
    "what was computed of it": (
        table([("n", "a", 0)]).with_columns(number=pl.lit(None, pl.Int64)),
        "1 values of 'mean_age' are shown where 'number' is hidden",
    ),
    "a single hidden cell": (
        table([("n", "a", 9), ("n", "b", 9)]).with_columns(
            pl.when(pl.col("trade") == "b").then(pl.col("number")), pl.lit(None, pl.Float64).alias("mean_age")
        ),
        "in 1 groups of place a single cell is hidden, which the total gives away",
    ),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_to_be_seen_is_found_without_telling_it(what: str) -> None:
    frame, expected = LEFT[what]
    assert RULE.left(frame) == expected


def test_what_is_stored_and_shown_in_dagster_has_no_small_cell(product: Any, materialize: Any) -> None:
    told = table(ROWS).with_columns(mean_age=pl.when(pl.col("number") == 3).then(17.25).otherwise(40.0))
    product.dataset(schema=Table, key=KEY, name="seekers", suppression=RULE)(lambda: told)
    run = materialize(product, "seekers")
    assert run.success, run.failure
    assert dp.read("shop/seekers").number.isna().sum() == 2
    assert run.checks["small_cells"].passed
    assert run.events[("shop/seekers", None)]["suppressed"] == {"primary": 1, "secondary": 1}
    assert "40.0" in run.text
    assert "17.25" not in run.text


def test_a_cell_that_would_be_left_is_not_stored(product: Any, materialize: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the hiding itself broken: what is to be stored is looked at again."""
    monkeypatch.setattr(dp.Suppression, "_with_protection", lambda self, frame, counts, small: set())
    product.dataset(schema=Table, key=KEY, name="seekers", suppression=RULE)(lambda: table(ROWS))
    run = materialize(product, "seekers")
    assert run.failure == "shop/seekers: 1 cells of 'number' are above 0 and below 5; nothing was stored"
    assert not run.checks["small_cells"].passed
    assert run.events == {}


def test_a_query_has_its_small_cells_hidden_too(product: Any, materialize: Any) -> None:
    product.dataset(schema=Table, key=KEY, name="all")(lambda: table(ROWS))
    (product.folder / "seekers.sql").write_text("SELECT * FROM {{ all }}")
    product.sql_dataset("seekers.sql", schema=Table, key=KEY, suppression=RULE)
    assert materialize(product, "all", "seekers").success
    assert sorted(dp.read("shop/seekers").number.dropna()) == [0, 9, 12]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such column": ({"count": "numbr"}, "names the column 'numbr', which is not in the schema"),
    "no integer": ({"count": "mean_age"}, "counts by 'mean_age', which is Float64; count by an integer"),
    "never missing": (
        {"count": "number", "columns": ["place"]},
        "hides values of 'place', which is never missing; declare it nullable=True",
    ),
    "hidden and grouped by": ({"count": "number", "within": ["number"]}, "hides 'number' and groups by it; group by other columns"),
    "no threshold": ({"count": "number", "threshold": 1}, "has the threshold 1, below which there is nothing to hide; write 2 or more"),
    "two ways of writing": ({"count": "number", "within": ["place", ["trade"]]}, "write names of columns, or lists of names, not both"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_suppression_that_cannot_be_is_refused_when_the_dataset_is_declared(what: str, product: Any) -> None:
    given, expected = WRONG[what]
    with pytest.raises(DeclarationError) as error:
        product.dataset(schema=Table, key=KEY, name="seekers", suppression=dp.Suppression(**given))(list)
    assert str(error.value).startswith("shop/seekers: suppression ")
    assert expected in str(error.value)


def test_a_quarantine_would_keep_small_cells_and_is_refused(product: Any) -> None:
    with pytest.raises(DeclarationError, match="a quarantine keeps rows as they came, small cells too; leave it out"):
        product.dataset(schema=Table, key=KEY, name="seekers", suppression=RULE, quarantine=True)(list)


def test_another_suppression_is_another_code_version(product: Any) -> None:
    columns = {"place": pa.Column(str), "number": pa.Column(int, nullable=True)}
    versions = []
    for threshold, within in ((3, ()), (5, ()), (5, ["place"]), (5, ("place",))):
        product.datasets.clear()
        made = product.dataset(
            schema=pa.DataFrameSchema(columns), name="counts", suppression=dp.Suppression("number", threshold, within=within)
        )(list)
        versions.append(made.declaration.code_version)
    assert len(set(versions[:3])) == 3
    assert versions[2] == versions[3]
