"""Authors return what they like to work with; it means the same rows in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dataproducts as dp

ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "a", "amount": Decimal("1.50"), "day": date(2026, 1, 1)},
    {"id": 2, "name": None, "amount": None, "day": None},
    {"id": 3, "name": "å", "amount": Decimal("0.10"), "day": date(2026, 1, 3)},
]
FRAME = pl.DataFrame(ROWS, schema={"id": pl.Int64, "name": pl.String, "amount": pl.Decimal(9, 2), "day": pl.Date})


def parts() -> Iterator[Any]:
    yield FRAME.head(1)
    yield FRAME[1:2].to_arrow()
    yield ROWS[2:]


WAYS: dict[str, Callable[[], Any]] = {
    "polars": lambda: FRAME,
    "polars lazy": lambda: FRAME.lazy().filter(pl.col("id") > 0),
    "pandas with Arrow types": lambda: FRAME.to_pandas(use_pyarrow_extension_array=True),
    "pandas with objects": lambda: pd.DataFrame(ROWS).iloc[::-1],
    "an Arrow table": FRAME.to_arrow,
    "an Arrow batch": lambda: FRAME.rechunk().to_arrow().to_batches()[0],
    "a DuckDB relation": lambda: duckdb.connect().from_arrow(FRAME.to_arrow()),
    "records": lambda: [dict(r) for r in ROWS],
    "a generator": parts,
    "a tuple": lambda: (FRAME.head(2), FRAME.tail(1)),
    "a list of frames": lambda: [FRAME.head(2), FRAME.tail(1).to_pandas()],
}


@pytest.fixture
def contract(declare: Callable[..., Any]) -> Any:
    return declare({"id": pl.Int64, "name": pl.String, "amount": pl.Decimal(9, 2), "day": pl.Date}, "id")


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_frame_stores_the_same_content(way: str, contract: Any, store: Callable[..., Any]) -> None:
    store(contract, {"-": FRAME})
    report = store(contract, {"-": WAYS[way]()})
    assert not report.outcomes["-"].committed.is_new
    assert dp.scan("shop/sales").collect().rows() == FRAME.rows()
    assert report.outcomes["-"].received == 3


def test_whole_numbers_with_gaps_survive_pandas(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "n": pl.Int64, "f": pl.Float64, "t": pl.String}, "id")
    frame = pd.DataFrame(
        {"id": [1, 2, 3], "n": [7, None, 9], "f": [1.0, float("nan"), 3.0], "t": ["x", float("nan"), None]}, index=[9, 9, 9]
    )
    store(contract, {"-": frame})
    assert dp.scan("shop/sales").collect().rows() == [(1, 7, 1.0, "x"), (2, None, None, None), (3, 9, 3.0, None)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "the function returned nothing; return a pandas or polars frame"),
        ("rows", "the function returned a str; return"),
        ({"id": [1]}, "the function returned a dict; return"),
        (7, "the function returned an int; return"),
        (iter([7]), "the function returned an int; return"),
        (pd.DataFrame({"id": [1, "x"], "name": "a", "amount": None, "day": None}), "the pandas frame returned cannot be read"),
        (pd.DataFrame([[1, 2]], columns=["id", "id"]), "the pandas frame returned cannot be read"),
        (pa.table([[1], [2]], names=["id", "id"]), "the pyarrow frame returned cannot be read"),
        (pl.Series([1]), "the function returned an int; return"),
    ],
    ids=["nothing", "text", "dict", "int", "iterator", "mixed pandas", "doubled pandas", "doubled Arrow", "series"],
)
def test_anything_else_is_refused_in_one_sentence_and_stores_nothing(
    value: Any, said: str, contract: Any, store: Callable[..., Any]
) -> None:
    report = store(contract, {"-": value}, lenient=True)
    error = report.outcomes["-"].error
    assert error.startswith(f"shop/sales: {said}")
    assert "\n" not in error
    with pytest.raises(dp.DataProductsError):
        dp.read("shop/sales")
