"""What goes into the history comes out of it, value for value and type for type."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.history.store import DatasetHistory

TIME = pl.Datetime("us", "UTC")
ADDRESS = pl.Struct({"street": pl.String(), "lines": pl.List(pl.String()), "since": pl.Date()})
VALUES: dict[str, tuple[pl.DataType, list[Any]]] = {
    "text": (pl.String(), ["", "æøåÆØÅ", "👩🏽‍🚒 and 𝔘", "a\nb\tc|d\\e\x00f", "x" * 100_000, " ", "null", None]),
    "whole": (pl.Int64(), [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1, None, 42]),
    "number": (pl.Float64(), [0.0, 0.1 + 0.2, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, None, -1.5]),
    "yes": (pl.Boolean(), [True, False, None, True, False, None, True, False]),
    "day": (
        pl.Date(),
        [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date(1582, 10, 10), None, date.min, date.max],
    ),
    "moment": (
        TIME,
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, 0, 1, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, 0, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            None,
            datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
        ],
    ),
    "money": (
        pl.Decimal(38, 10),
        [*map(Decimal, ("0E-10", "9" * 28 + "." + "9" * 10, "-" + "9" * 28 + "." + "9" * 10, "1E-10", "0.1", "1", "-0.5")), None],
    ),
    "bytes": (pl.Binary(), [b"", b"\x00", bytes(range(256)), None, b"\xff\xfe", b"a", b"b", b"c"]),
    "list": (pl.List(pl.Int64()), [[], None, [None], [1, None, 2**63 - 1], [0] * 1000, [1], [2], [3]]),
    "lists": (pl.List(pl.List(pl.String())), [[], [[]], [None], [["a", None], []], None, [[""]], [["å"]], [["a"], ["b"]]]),
    "record": (
        ADDRESS,
        [
            {"street": "Storgata 1", "lines": ["c/o", None], "since": date(1814, 5, 17)},
            {"street": None, "lines": None, "since": None},
            {"street": "", "lines": [], "since": None},
            None,
        ]
        * 2,
    ),
    "records": (
        pl.List(ADDRESS),
        [
            [],
            None,
            [None],
            [{"street": "a", "lines": [""], "since": None}, None],
            [{"street": None, "lines": None, "since": date(1, 1, 1)}],
            [],
            None,
            [],
        ],
    ),
    "nothing": (pl.Decimal(20, 2), [None] * 8),
    "nowhere": (pl.List(pl.Struct({"x": TIME})), [None] * 8),
}  # fmt: skip


@pytest.fixture
def every_type(declare: Callable[..., Any]) -> Any:
    return declare({"id": pl.Int64, **{name: dtype for name, (dtype, _) in VALUES.items()}}, "id")


def rows() -> pl.DataFrame:
    return pl.DataFrame({"id": range(8), **{name: pl.Series(values, dtype=dtype) for name, (dtype, values) in VALUES.items()}})


@pytest.mark.parametrize("name", VALUES)
def test_every_value_of_a_type_is_read_as_it_was_stored(name: str, every_type: Any, store: Callable[..., Any]) -> None:
    store(every_type, {"-": rows()})
    dtype, values = VALUES[name]
    found = dp.scan("shop/sales").sort("id").collect()
    assert found.schema[name] == dtype
    assert found.get_column(name).to_list() == values


def test_pandas_gets_exact_types_and_values_too(every_type: Any, store: Callable[..., Any]) -> None:
    store(every_type, {"-": rows()})
    found = dp.read("shop/sales").sort_values("id")
    for name, (_, values) in VALUES.items():
        got = [None if v is pd.NA else v for v in found[name].tolist()]
        if name == "moment":
            got = [v if v is None else v.to_pydatetime() if hasattr(v, "to_pydatetime") else v for v in got]
        assert got == values, name
    assert str(found["whole"].dtype) == "int64[pyarrow]"
    assert str(found["money"].dtype) == "decimal128(38, 10)[pyarrow]"
    assert str(found["moment"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert str(found["day"].dtype) == "date32[day][pyarrow]"
    assert found["nothing"].isna().all()


@pytest.mark.parametrize("take", [dp.read, lambda name: dp.scan(name).collect(), dp.scan, lambda name: dp.scan(name).collect().to_arrow()])
def test_storing_again_what_was_read_is_no_new_version(take: Any, every_type: Any, store: Callable[..., Any]) -> None:
    store(every_type, {"-": rows()})
    report = store(every_type, {"-": take("shop/sales")})
    assert not report.outcomes["-"].committed.is_new
    assert [v.number for v in dp.versions("shop/sales")] == [1]


def test_a_version_of_every_type_verifies(every_type: Any, store: Callable[..., Any], lake: str) -> None:
    store(every_type, {"a": rows(), "b": rows().head(3), "c": rows().clear()})
    history = DatasetHistory(lake, "shop/sales")
    history.verify(history.versions())
    assert [v.rows for v in history.versions()] == [8, 3, 0]


def test_an_empty_frame_is_a_version_with_the_columns_of_the_contract(every_type: Any, store: Callable[..., Any]) -> None:
    store(every_type, {"-": rows()})
    store(every_type, {"-": rows().clear()})
    assert [v.rows for v in dp.versions("shop/sales")] == [8, 0]
    found = dp.scan("shop/sales").collect()
    assert found.height == 0
    assert dict(found.schema) == dict(every_type.dtypes)
    assert dp.read("shop/sales", version=1).shape == (8, len(VALUES) + 1)


def test_columns_that_are_missing_throughout_keep_their_type(every_type: Any, store: Callable[..., Any]) -> None:
    empty = pl.DataFrame({"id": [1], **{name: pl.Series([None], dtype=pl.Null) for name in VALUES}})
    store(every_type, {"-": empty})
    found = dp.scan("shop/sales").collect()
    assert dict(found.schema) == dict(every_type.dtypes)
    assert found.drop("id").row(0) == (None,) * len(VALUES)


def test_many_rows_come_back_in_many_row_groups(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "day": pl.Date, "names": pl.List(pl.String())}, "id")
    frame = pl.DataFrame({"id": range(300_000)}).with_columns(
        day=pl.lit(date(2026, 1, 1)) + pl.duration(days=pl.col("id") % 1000), names=pl.concat_list(pl.col("id").cast(pl.String))
    )
    store(contract, {"-": frame.with_columns(pl.col("day").cast(pl.Date)).sample(fraction=1, shuffle=True, seed=1)})
    found = dp.scan("shop/sales").collect()
    assert found.get_column("id").to_list() == list(range(300_000))
    assert found.row(299_999) == (299_999, date(2026, 1, 1) + timedelta(999), ["299999"])


SMALL = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=4),
        # but for what may happen to be somebody's number, which is not stored undeclared
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1).filter(lambda n: not 10**7 <= n < 10**12),
        "number": st.none() | st.floats(allow_nan=False).map(lambda x: x + 0.0),  # the two zeros are one content
        "moment": st.none() | st.datetimes(timezones=st.just(UTC)),
        "money": st.none() | st.decimals(-(10**27), 10**27, places=10),
        "lists": st.none() | st.lists(st.none() | st.lists(st.none() | st.text(max_size=2), max_size=2), max_size=2),
        "record": st.none()
        | st.fixed_dictionaries(
            {
                "street": st.none() | st.text(max_size=2),
                "lines": st.none() | st.lists(st.text(max_size=1), max_size=2),
                "since": st.none() | st.dates(),
            }
        ),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=st.lists(SMALL, max_size=5))
def test_any_values_of_any_type_come_back_without_a_key_too(
    given: list[dict[str, Any]], declare: Callable[..., Any], store: Callable[..., Any]
) -> None:
    types = {name: VALUES[name][0] for name in ("text", "whole", "number", "moment", "money", "lists", "record")}
    frame = pl.DataFrame({name: pl.Series([r[name] for r in given], dtype=dtype) for name, dtype in types.items()})
    store(declare(types), {"-": frame})
    found = dp.scan("shop/sales").collect()
    assert dict(found.schema) == types
    assert sorted(map(repr, found.rows())) == sorted(map(repr, frame.rows()))
