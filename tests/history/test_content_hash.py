"""The content hash is the identity of a version: the same for the same content for ever, another for any other."""

from __future__ import annotations

import copy
import math
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataproducts.history.content import canonical_order, content_hash

TIME = pl.Datetime("us", "UTC")
MONEY = pl.Decimal(38, 4)
PERSON = pl.Struct({"name": pl.String(), "born": pl.Date(), "children": pl.List(pl.String())})

# what a frame of each type has hashed to since the first release; a change here would make every re-run a new version
GOLDEN: dict[str, tuple[pl.DataType, list[Any], str]] = {
    "text": (pl.String(), ["", "a", None, "æøå", "🦆", "x" * 1000], "6cffd5e0c29255eb086a087131573c9b30c1e9a38d54ca09b84cc77c34ffb38a"),
    "int": (pl.Int64(), [0, -1, None, 2**63 - 1, -(2**63)], "98a8fa22c70bc91086a05afed7a5ec68cb51fe26169e4189af49894ecc8eb289"),
    "float": (
        pl.Float64(),
        [0.0, 1.5, None, math.inf, -math.inf, math.nan, 5e-324],
        "011e4cf981ead0d08e561e55e82f0aa96247f4c46e235e5765e36990bf50d8a9",
    ),
    "bool": (pl.Boolean(), [True, False, None], "f78a37e366c12e6d7bc2ec979737ddf3ed9cf91690a93ae86de0384bfd4e94b5"),
    "date": (
        pl.Date(),
        [date(1, 1, 1), date(9999, 12, 31), None, date(1970, 1, 1)],
        "b51299d4e96f2635039166e523fae47cf2a8da7238ca345eaf698e3aa7fb7b1e",
    ),
    "time": (
        TIME,
        [datetime(1, 1, 1, tzinfo=UTC), None, datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)],
        "3fb1a58000d6e56ab09e17e47cbda3d28c6c20e15103fb7a1bdd8200e2c53e4a",
    ),
    "decimal": (
        MONEY,
        [Decimal("0.0000"), None, Decimal("-1.5000"), Decimal(10**34 - 1)],
        "1bc58a8072c8f2f64d8a521713f748ea283e8f83a6dffaf3671232671de5d19d",
    ),
    "binary": (pl.Binary(), [b"", b"\x00\xff", None], "95d4adae1847fd120e0206a1996ae551c518930b3d03bc642efc27bd5d9ed672"),
    "list": (pl.List(pl.Int64()), [[], [1, 2], None, [None]], "71774d3ed328ffdc5a3d61e49ed96f12bbcbc09376583e013b648b6bfeb47bc3"),
    "lists": (
        pl.List(pl.List(pl.String())),
        [[], [[]], None, [["a"], ["b", None]], [None]],
        "9e5cda3f990529e60b5f59d765b187feb8d0bb8c5dab8b5a41cb8e7cc0f3389d",
    ),
    "struct": (
        PERSON,
        [{"name": "Ada", "born": date(2000, 2, 29), "children": ["Bo"]}, None, {"name": None, "born": None, "children": None}],
        "9e5ecd00dc1878f2ff1b75a605c3d07f18419bd833e4e359c4ca4e402613ffbb",
    ),
}


def hashed(values: list[Any], dtype: Any) -> str:
    """The hash of a frame of one column, rows as given."""
    frame = pl.DataFrame({"v": pl.Series(values, dtype=dtype)})
    return content_hash([frame], dict(frame.schema))


def whole(frame: pl.DataFrame, key: tuple[str, ...] = ()) -> str:
    return content_hash([canonical_order(frame, key)], dict(frame.schema))


@pytest.mark.parametrize("name", GOLDEN)
def test_a_hash_is_what_it_was_when_the_first_versions_were_stored(name: str) -> None:
    dtype, values, digest = GOLDEN[name]
    assert hashed(values, dtype) == digest


def test_a_frame_of_every_type_hashes_as_it_did_when_the_first_versions_were_stored() -> None:
    frame = pl.DataFrame({name: pl.Series(values[:2], dtype=dtype) for name, (dtype, values, _) in GOLDEN.items()})
    assert content_hash([frame], dict(frame.schema)) == "00767e832852f8f160461b3c75faaf88821e6cf591b0cd34cc98226bca257d7e"
    assert content_hash([frame.clear()], dict(frame.schema)) == "dfcf8756c0da384497d043c34f60666af9e0cbd656cdd5cda2fe857d3b8c2bf7"


SCALARS = st.one_of(st.none(), st.text(max_size=3))
ROW = st.fixed_dictionaries(
    {
        "n": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "f": st.one_of(st.none(), st.floats()),
        "t": SCALARS,
        "b": st.one_of(st.none(), st.booleans()),
        "d": st.one_of(st.none(), st.dates()),
        "m": st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)),
        "l": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.lists(SCALARS, max_size=2)), max_size=3)),
        "s": st.one_of(st.none(), st.fixed_dictionaries({"x": SCALARS, "y": st.lists(SCALARS, max_size=2)})),
    }
)
TYPES: dict[str, Any] = {
    "n": pl.Int64(),
    "f": pl.Float64(),
    "t": pl.String(),
    "b": pl.Boolean(),
    "d": pl.Date(),
    "m": MONEY,
    "l": pl.List(pl.List(pl.String())),
    "s": pl.Struct({"x": pl.String(), "y": pl.List(pl.String())}),
}


def framed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame({name: pl.Series([r[name] for r in rows], dtype=dtype) for name, dtype in TYPES.items()})


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=8), cuts=st.lists(st.integers(0, 8), max_size=4))
def test_the_cut_into_chunks_leaves_no_trace(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    frame = framed(rows)
    bounds = [0, *sorted(min(c, frame.height) for c in cuts), frame.height]
    chunks = [frame[low:high] for low, high in pairwise(bounds)]
    once = content_hash([frame], TYPES)
    assert content_hash(chunks, TYPES) == once
    assert content_hash([pl.concat(chunks, rechunk=False)], TYPES) == once


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=6), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_leaves_no_trace(rows: list[dict[str, Any]], shuffle: random.Random) -> None:
    frame = framed(rows)
    mixed = copy.copy(rows)
    shuffle.shuffle(mixed)
    names = list(TYPES)
    shuffle.shuffle(names)
    assert whole(framed(mixed).select(names)) == whole(frame)


def plain(value: Any) -> Any:
    """What counts as the same value: every NaN is one, and so are the two zeros."""
    if isinstance(value, float):
        return "nan" if value != value else value + 0.0
    if isinstance(value, dict):
        return tuple(plain(value[name]) for name in sorted(value))
    return tuple(plain(v) for v in value) if isinstance(value, list) else value


@settings(max_examples=150, deadline=None)
@given(one=st.lists(ROW, max_size=3), other=st.lists(ROW, max_size=3))
def test_hashes_are_equal_only_for_equal_content(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    same = plain(one) == plain(other)
    assert (content_hash([framed(one)], TYPES) == content_hash([framed(other)], TYPES)) == same


L, LL, S = pl.List(pl.String()), pl.List(pl.List(pl.String())), pl.Struct({"a": pl.String(), "b": pl.String()})


@pytest.mark.parametrize(
    ("dtype", "one", "other"),
    [
        (L, [["a"], ["b"]], [["a", "b"], []]),
        (L, [["ab"]], [["a", "b"]]),
        (L, [None], [[]]),
        (L, [[]], [[None]]),
        (L, [None], [[None]]),
        (L, [[""]], [[None]]),
        (L, [["a", None]], [[None, "a"]]),
        (LL, [[["a"], ["b"]]], [[["a", "b"]]]),
        (LL, [[["a"]], [["b"]]], [[["a"], ["b"]], []]),
        (LL, [[[]]], [[]]),
        (LL, [[None]], [[[]]]),
        (LL, [[[], ["a"]]], [[["a"], []]]),
        (S, [None], [{"a": None, "b": None}]),
        (S, [{"a": "x", "b": None}], [{"a": None, "b": "x"}]),
        (S, [{"a": "xy", "b": ""}], [{"a": "x", "b": "y"}]),
        (pl.String(), [""], [None]),
        (pl.String(), ["ab", "c"], ["a", "bc"]),
        (pl.String(), ["a", None], [None, "a"]),
        (pl.String(), ["\x00"], [""]),
        (pl.String(), ["å"], ["a\u030a"]),  # as the source wrote it: no normal form is forced on names
        (pl.Binary(), [b"\x00"], [b"\x00\x00"]),
        (pl.Float64(), [math.nan], [None]),
        (pl.Float64(), [0.1 + 0.2], [0.3]),
        (pl.Boolean(), [False], [None]),
        (pl.Int64(), [0], [None]),
        (pl.Int64(), [1, 1], [1]),
        (MONEY, [Decimal("1.0001")], [Decimal("1.0010")]),
        (TIME, [datetime(2026, 1, 1, tzinfo=UTC)], [datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]),
        (pl.Date(), [date(2026, 1, 1)], [date(2026, 1, 2)]),
    ],
)
def test_values_that_look_alike_hash_apart(dtype: Any, one: list[Any], other: list[Any]) -> None:
    assert hashed(one, dtype) != hashed(other, dtype)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pl.Int64(), pl.String()),
        (pl.Int64(), pl.Float64()),
        (pl.Boolean(), pl.Int64()),
        (pl.Date(), TIME),
        (pl.Binary(), pl.String()),
        (pl.Decimal(20, 2), pl.Decimal(20, 3)),
        (pl.Decimal(20, 2), pl.Decimal(21, 2)),
        (pl.List(pl.Int64()), pl.List(pl.String())),
        (pl.Struct({"a": pl.Int64}), pl.Struct({"b": pl.Int64})),
        (pl.Struct({"a": pl.Int64}), pl.Int64()),
        (pl.List(pl.List(pl.Int64())), pl.List(pl.Int64())),
    ],
)
def test_the_type_is_part_of_the_content_even_where_all_values_are_missing(one: Any, other: Any) -> None:
    assert hashed([None, None], one) != hashed([None, None], other)
    assert hashed([], one) != hashed([], other)


def test_the_name_of_a_column_is_part_of_the_content() -> None:
    assert whole(pl.DataFrame({"a": [1], "b": [2]})) != whole(pl.DataFrame({"a": [2], "b": [1]}))
    assert whole(pl.DataFrame({"a": [1]})) != whole(pl.DataFrame({"c": [1]}))


def test_minus_zero_is_zero_and_every_nan_is_one() -> None:
    odd = math.copysign(math.nan, -1)
    assert hashed([-0.0, math.nan], pl.Float64()) == hashed([0.0, odd], pl.Float64())
    nested = pl.List(pl.Struct({"x": pl.Float64}))
    assert hashed([[{"x": -0.0}, {"x": math.nan}]], nested) == hashed([[{"x": 0.0}, {"x": odd}]], nested)


def test_rows_that_differ_in_the_sign_of_zero_sort_alike() -> None:
    one = pl.DataFrame({"a": [-0.0, 0.0, 0.0], "b": [2, 1, 3]})
    other = pl.DataFrame({"a": [0.0, -0.0, -0.0], "b": [3, 2, 1]})
    assert whole(one) == whole(other)


def test_slices_of_a_larger_frame_hash_as_frames_of_their_own() -> None:
    frame = framed(
        [
            {"n": i, "f": i / 3, "t": f"t{i}", "b": i % 2 == 0, "d": date(2026, 1, 1) + timedelta(i), "m": Decimal(i),
             "l": [[f"l{i}"]] * (i % 3), "s": {"x": f"x{i}", "y": [f"y{i}"]}}
            for i in range(50)
        ]
    )  # fmt: skip
    part = frame[7:19]
    assert content_hash([part], TYPES) == content_hash([framed(part.to_dicts())], TYPES)
