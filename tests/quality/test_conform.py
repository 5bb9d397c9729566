"""Rows in the contract's names and types: what is lossless is cast, what is not is refused, and nothing is lost without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import ContractBreach
from dataproducts.quality.conform import Conformed, conform, to_json

TIME = pl.Datetime("us", "UTC")
MONEY = pl.Decimal(9, 2)


class Refusal:
    def __repr__(self) -> str:
        return "refused"


REFUSED = Refusal()


def column(dtype: Any, source: str | None = "v", **facts: Any) -> pa.Column:
    return pa.Column(dtype, nullable=True, metadata={"dataproducts": {"source": source, **facts}})


@pytest.fixture
def one(declare: Callable[..., Any]) -> Callable[..., Any]:
    """What becomes of one value of a source: the value stored, or REFUSED."""

    def given(value: Any, dtype: Any, *, frame: Any = None, **facts: Any) -> Any:
        contract = declare({"id": column(pl.Int64, "nr"), "value": column(dtype, **facts)})
        rows: Any = [{"nr": 1, "v": value}]
        if frame is not None:
            rows = pl.DataFrame({"nr": [1], "v": pl.Series([value], dtype=frame)})
        found = conform(rows, contract)
        assert found.frame.height + len(found.refused) == 1
        assert found.frame.schema == pl.Schema(contract.dtypes)
        if found.frame.height:
            return found.frame.get_column("value").to_list()[0]
        assert found.refused.rules == [["value_type"]]
        return REFUSED

    return given


# --- every kind of value against every type ---------------------------------------------------------------------------

T0 = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
RECORDS: list[tuple[Any, Any, Any]] = [
    # text
    ("x", pl.String(), "x"),
    ("", pl.String(), ""),
    (None, pl.String(), None),
    (7, pl.String(), "7"),
    (Decimal("1.50"), pl.String(), "1.50"),
    (True, pl.String(), REFUSED),
    (["x"], pl.String(), REFUSED),
    ({"x": 1}, pl.String(), REFUSED),
    ("\ud800", pl.String(), REFUSED),
    # whole numbers
    (7, pl.Int64(), 7),
    (2**63 - 1, pl.Int64(), 2**63 - 1),
    (2**63, pl.Int64(), REFUSED),
    (-(2**63) - 1, pl.Int64(), REFUSED),
    (10**400, pl.Int64(), REFUSED),
    (7.0, pl.Int64(), 7),
    (Decimal("7.00"), pl.Int64(), 7),
    (Decimal("7E2"), pl.Int64(), 700),
    (1.5, pl.Int64(), REFUSED),
    (Decimal("1.5"), pl.Int64(), REFUSED),
    (float("nan"), pl.Int64(), REFUSED),
    (float("inf"), pl.Int64(), REFUSED),
    (True, pl.Int64(), REFUSED),
    ([1], pl.Int64(), REFUSED),
    ("7", pl.Int64(), 7),
    ("-7", pl.Int64(), -7),
    ("+7", pl.Int64(), 7),
    ("007", pl.Int64(), 7),
    ("7.0", pl.Int64(), 7),
    ("", pl.Int64(), None),
    ("1.5", pl.Int64(), REFUSED),
    ("1_000", pl.Int64(), REFUSED),
    ("1 000", pl.Int64(), REFUSED),
    (" 7", pl.Int64(), REFUSED),
    ("٣", pl.Int64(), REFUSED),
    ("0x1F", pl.Int64(), REFUSED),
    ("x", pl.Int64(), REFUSED),
    ("9223372036854775808", pl.Int64(), REFUSED),
    # numbers
    (1.5, pl.Float64(), 1.5),
    (7, pl.Float64(), 7.0),
    (2**53 + 1, pl.Float64(), REFUSED),
    (Decimal("0.1"), pl.Float64(), 0.1),
    (float("nan"), pl.Float64(), None),
    (float("inf"), pl.Float64(), float("inf")),
    ("1.5", pl.Float64(), 1.5),
    ("1e3", pl.Float64(), 1000.0),
    ("1,5", pl.Float64(), REFUSED),
    ("nan", pl.Float64(), REFUSED),
    ("inf", pl.Float64(), REFUSED),
    ("1e999", pl.Float64(), REFUSED),
    ("1_0", pl.Float64(), REFUSED),
    ("", pl.Float64(), None),
    (False, pl.Float64(), REFUSED),
    # decimals
    (Decimal("1.50"), MONEY, Decimal("1.50")),
    (Decimal("1.500"), MONEY, Decimal("1.50")),
    (7, MONEY, Decimal("7.00")),
    (1.25, MONEY, Decimal("1.25")),
    ("1.5", MONEY, Decimal("1.50")),
    ("1.500", MONEY, Decimal("1.50")),
    ("15e-1", MONEY, Decimal("1.50")),
    ("9999999.99", MONEY, Decimal("9999999.99")),
    ("-9999999.99", MONEY, Decimal("-9999999.99")),
    ("", MONEY, None),
    (Decimal("1.005"), MONEY, REFUSED),
    (1.005, MONEY, REFUSED),
    ("1.005", MONEY, REFUSED),
    (10_000_000, MONEY, REFUSED),
    ("10000000.00", MONEY, REFUSED),
    (Decimal("NaN"), MONEY, REFUSED),
    (Decimal("Infinity"), MONEY, REFUSED),
    ("1,50", MONEY, REFUSED),
    (True, MONEY, REFUSED),
    # truth values
    (True, pl.Boolean(), True),
    ("true", pl.Boolean(), True),
    ("false", pl.Boolean(), False),
    ("", pl.Boolean(), None),
    ("True", pl.Boolean(), REFUSED),
    ("J", pl.Boolean(), REFUSED),
    (1, pl.Boolean(), REFUSED),
    (0.0, pl.Boolean(), REFUSED),
    # dates
    ("2026-01-02", pl.Date(), date(2026, 1, 2)),
    ("0001-01-01", pl.Date(), date.min),
    ("9999-12-31", pl.Date(), date.max),
    (date(2026, 1, 2), pl.Date(), date(2026, 1, 2)),
    (datetime(2026, 1, 2), pl.Date(), date(2026, 1, 2)),
    ("", pl.Date(), None),
    ("2026-02-29", pl.Date(), REFUSED),
    ("0000-01-01", pl.Date(), REFUSED),
    ("2026-1-2", pl.Date(), REFUSED),
    ("20260102", pl.Date(), REFUSED),
    ("2026-W01-1", pl.Date(), REFUSED),
    ("02.01.2026", pl.Date(), REFUSED),
    ("2026-01-02T00:00:00", pl.Date(), REFUSED),
    (datetime(2026, 1, 2, 3), pl.Date(), REFUSED),
    (T0, pl.Date(), REFUSED),
    (20260102, pl.Date(), REFUSED),
    # times
    ("2026-01-02T03:04:05.678901Z", TIME, T0),
    ("2026-01-02T04:04:05.678901+01:00", TIME, T0),
    ("2026-01-02T04:04:05.678901+0100", TIME, T0),
    ("2026-01-02 03:04:05.678901Z", TIME, T0),
    ("2026-01-02T03:04:05.678901000Z", TIME, T0),
    ("2026-01-02T03:04Z", TIME, T0.replace(second=0, microsecond=0)),
    ("0001-01-01T00:00:00Z", TIME, datetime.min.replace(tzinfo=UTC)),
    ("9999-12-31T23:59:59.999999Z", TIME, datetime.max.replace(tzinfo=UTC)),
    (T0, TIME, T0),
    (T0.astimezone(timezone(timedelta(hours=9))), TIME, T0),
    ("", TIME, None),
    ("2026-01-02T03:04:05.6789012Z", TIME, REFUSED),
    ("2026-01-02T03:04:05", TIME, REFUSED),
    ("2026-01-02T25:00:00Z", TIME, REFUSED),
    ("2026-01-02", TIME, REFUSED),
    (datetime(2026, 1, 2), TIME, REFUSED),
    (date(2026, 1, 2), TIME, REFUSED),
    (1_767_323_045, TIME, REFUSED),
    # bytes: hex is how JSON carries them
    (b"\x00\xff", pl.Binary(), b"\x00\xff"),
    ("00ff", pl.Binary(), b"\x00\xff"),
    ("xyz", pl.Binary(), REFUSED),
    (7, pl.Binary(), REFUSED),
    # lists and records
    ([1, None, 3], pl.List(pl.Int64()), [1, None, 3]),
    ([], pl.List(pl.Int64()), []),
    (["7", ""], pl.List(pl.Int64()), [7, None]),
    ([1.5], pl.List(pl.Int64()), REFUSED),
    (["x"], pl.List(pl.Int64()), REFUSED),
    (7, pl.List(pl.Int64()), REFUSED),
    ({"0": 7}, pl.List(pl.Int64()), REFUSED),
    ([["a"], []], pl.List(pl.List(pl.String())), [["a"], []]),
    ({"a": 1, "b": "x"}, pl.Struct({"a": pl.Int64(), "b": pl.String()}), {"a": 1, "b": "x"}),
    ({"b": "x"}, pl.Struct({"a": pl.Int64(), "b": pl.String()}), {"a": None, "b": "x"}),
    ({"a": "x"}, pl.Struct({"a": pl.Int64()}), REFUSED),
    ([1], pl.Struct({"a": pl.Int64()}), REFUSED),
    ([{"t": "2026-01-02T03:04:05.678901Z"}], pl.List(pl.Struct({"t": TIME})), [{"t": T0}]),
    ([{"t": "2026-01-02T03:04:05"}], pl.List(pl.Struct({"t": TIME})), REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("value", "dtype", "stored"), RECORDS, ids=repr)
def test_a_value_of_a_record_is_stored_exactly_or_refused(value: Any, dtype: Any, stored: Any, one: Callable[..., Any]) -> None:
    found = one(value, dtype)
    assert found is REFUSED if stored is REFUSED else (found == stored and type(found) is type(stored))


@pytest.mark.parametrize(("value", "dtype", "stored"), [r for r in RECORDS if isinstance(r[0], str) and r[0] != "\ud800"], ids=repr)
def test_text_in_a_frame_is_read_as_text_in_a_record_is(value: str, dtype: Any, stored: Any, one: Callable[..., Any]) -> None:
    found = one(value, dtype, frame=pl.String)
    assert found is REFUSED if stored is REFUSED else found == stored


TEXTS = st.one_of(
    st.text(alphabet="0123456789.-+eE_ ", max_size=8),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.floats().map(repr),
    st.dates().map(str),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3))])).map(datetime.isoformat),
    st.datetimes().map(datetime.isoformat),
    st.sampled_from(["", "true", "false", "None", "null", "[]", '[{"a": 1}]', "{}", "2026-03-29T02:30:00", "2026-10-25T02:30:00"]),
)
ALL = [pl.Int64(), pl.Float64(), MONEY, pl.Decimal(38, 0), pl.Boolean(), pl.Date(), TIME, pl.List(pl.Int64())]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=6), odd=st.sampled_from([None, 7, [1]]))
@example(texts=["1e5", "1E5", ".5", "5.", "-0", "00", "+1.50", "1e-2", "12345678901234567890123456789012345678"], odd=None)
def test_a_text_means_the_same_alone_among_others_and_in_a_frame(texts: list[str], odd: Any, declare: Callable[..., Any]) -> None:
    for dtype in ALL:
        contract = declare({"id": column(pl.Int64, "nr"), "value": column(dtype, time_zone="Europe/Oslo")})

        def told(found: Conformed) -> dict[int, Any]:
            return dict(found.frame.rows())

        records = [{"nr": n, "v": text} for n, text in enumerate(texts)]
        alone: dict[int, Any] = {}
        for record in records:
            alone |= told(conform([record], contract))
        if dtype.is_nested():  # text of a frame is JSON there; a record has the list itself
            records = [{"nr": n, "v": v} for n, text in enumerate(texts) if (v := _loaded(text)) is not REFUSED]
            frame = pl.DataFrame({"nr": range(len(texts)), "v": texts})
            assert told(conform(frame, contract)) == told(conform(records, contract))
            continue
        among = told(conform([*records, {"nr": -1, "v": odd}], contract))
        assert {n: v for n, v in among.items() if n >= 0} == alone
        assert told(conform(pl.DataFrame({"nr": range(len(texts)), "v": texts}), contract)) == alone


def _loaded(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return REFUSED


# --- typed frames -----------------------------------------------------------------------------------------------------

FRAMES: list[tuple[Any, Any, Any, Any]] = [
    (7, pl.Int8, pl.Int64(), 7),
    (7, pl.UInt64, pl.Int64(), 7),
    (2**63, pl.UInt64, pl.Int64(), REFUSED),
    (7.0, pl.Float64, pl.Int64(), 7),
    (1.5, pl.Float64, pl.Int64(), REFUSED),
    (float("nan"), pl.Float64, pl.Int64(), REFUSED),
    (1e300, pl.Float64, pl.Int64(), REFUSED),
    (True, pl.Boolean, pl.Int64(), ContractBreach),
    (True, pl.Boolean, pl.String(), ContractBreach),
    (7, pl.Int64, pl.Boolean(), ContractBreach),
    (7, pl.Int64, pl.String(), "7"),
    (0.5, pl.Float32, pl.Float64(), 0.5),
    (float("nan"), pl.Float64, pl.Float64(), None),
    (2**53, pl.Int64, pl.Float64(), float(2**53)),
    (2**53 + 1, pl.Int64, pl.Float64(), REFUSED),
    (1.25, pl.Float64, MONEY, Decimal("1.25")),
    (1.005, pl.Float64, MONEY, REFUSED),
    (Decimal("1.250"), pl.Decimal(20, 3), MONEY, Decimal("1.25")),
    (Decimal("1.255"), pl.Decimal(20, 3), MONEY, REFUSED),
    (Decimal("12345678.00"), pl.Decimal(20, 2), MONEY, REFUSED),
    (datetime(2026, 1, 2), pl.Datetime("ms"), pl.Date(), date(2026, 1, 2)),
    (datetime(2026, 1, 2, 3), pl.Datetime("ms"), pl.Date(), REFUSED),
    (T0, TIME, pl.Date(), ContractBreach),
    (T0, pl.Datetime("us", "Europe/Oslo"), TIME, T0),
    (T0, pl.Datetime("ns", "UTC"), TIME, T0),
    (datetime(2026, 1, 2), pl.Datetime("us"), TIME, ContractBreach),
    (date(2026, 1, 2), pl.Date, TIME, ContractBreach),
    ("x", pl.Categorical, pl.String(), "x"),
    ("7", pl.Categorical, pl.Int64(), 7),
    ([1, 2], pl.List(pl.Int32), pl.List(pl.Int64()), [1, 2]),
    ([1.5], pl.List(pl.Float64), pl.List(pl.Int64()), REFUSED),
    ({"b": 1, "a": 2}, pl.Struct({"b": pl.Int64, "a": pl.Int64}), pl.Struct({"a": pl.Int64(), "b": pl.Int64()}), {"a": 2, "b": 1}),
    ({"a": 1, "c": 2}, pl.Struct({"a": pl.Int64, "c": pl.Int64}), pl.Struct({"a": pl.Int64()}), REFUSED),
    (timedelta(1), pl.Duration, pl.Int64(), ContractBreach),
    (b"x", pl.Binary, pl.String(), ContractBreach),
    ("x", pl.String, pl.String(), "x"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "have", "want", "stored"), FRAMES, ids=repr)
def test_a_column_of_a_frame_is_cast_exactly_or_refused(value: Any, have: Any, want: Any, stored: Any, one: Callable[..., Any]) -> None:
    if stored is ContractBreach:
        with pytest.raises(ContractBreach, match=r"shop/sales: column 'value' is .* and contract 1.0.0 promises .*; return that type"):
            one(value, want, frame=have)
        return
    found = one(value, want, frame=have)
    assert found is REFUSED if stored is REFUSED else (found == stored and type(found) is type(stored))


def test_nanoseconds_are_not_cut_in_silence(declare: Callable[..., Any]) -> None:
    contract = declare({"value": column(TIME, time_zone="Europe/Oslo")})
    for zone in ("UTC", None):
        values = pl.Series("v", [1_767_323_045_000_000_001, 1_767_323_045_000_001_000], dtype=pl.Int64).cast(pl.Datetime("ns", zone))
        found = conform(values.to_frame(), contract)
        assert (found.frame.height, found.refused.rules) == (1, [["value_type"]])


# --- times without an offset ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
        ("2026-07-02T03:04:05", datetime(2026, 7, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-03-29T01:59:59.999999", datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-03-29T02:30:00", REFUSED),  # the hour that is skipped in spring
        ("2026-03-29T03:00:00", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-10-25T01:59:59", datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        ("2026-10-25T02:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # the hour that comes twice: the first
        ("2026-10-25T03:00:00", datetime(2026, 10, 25, 2, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
def test_local_times_are_read_in_the_zone_the_column_declares(local: str, utc: Any, one: Callable[..., Any]) -> None:
    ways = [one(local, TIME, time_zone="Europe/Oslo"), one(local, TIME, time_zone="Europe/Oslo", frame=pl.String)]
    nested = one([local], pl.List(TIME), time_zone="Europe/Oslo")
    ways.append(nested if nested is REFUSED else nested[0])
    if "+" not in local:
        naive = datetime.fromisoformat(local)
        ways.append(one(naive, TIME, time_zone="Europe/Oslo"))
        ways += [one(naive, TIME, time_zone="Europe/Oslo", frame=pl.Datetime(unit)) for unit in ("us", "ns")]
    assert ways == [utc] * len(ways)


# --- rename, unknown fields ---------------------------------------------------------------------------------------------


@pytest.fixture
def nested(declare: Callable[..., Any]) -> Any:
    return declare(
        {
            "number": column(pl.String, "orgnr"),
            "town": column(pl.String, "address.town.name"),
            "lines": column(pl.List(pl.String()), "address.lines"),
            "people": column(pl.List(pl.Struct({"name": pl.String(), "roles": pl.List(pl.Struct({"kind": pl.String()}))})), "people"),
            "rest": column(pl.String, dp.REST, ignore=("_links", "address.map")),
        }
    )


def kept(found: Conformed) -> Any:
    text = found.frame.item(0, "rest")
    return None if text is None else json.loads(text)


def test_fields_are_found_by_their_path_and_renamed(nested: Any) -> None:
    record = {"orgnr": "1", "address": {"town": {"name": "Bø"}, "lines": ["a", None]}, "people": [{"name": "x", "roles": [{"kind": "k"}]}]}
    found = conform([record, {"orgnr": "2", "address": None}, {"orgnr": "3"}, {}], nested)
    assert found.frame.row(0) == ("1", "Bø", ["a", None], [{"name": "x", "roles": [{"kind": "k"}]}], None)
    assert found.frame.rows()[1:] == [("2", None, None, None, None), ("3", None, None, None, None), (None,) * 5]
    assert not found.unknown_fields


def test_what_no_column_names_is_kept_as_json_with_its_place(nested: Any) -> None:
    record = {
        "orgnr": "1",
        "new": Decimal("1.10"),
        "empty": None,
        "address": {"town": {"name": "x", "code": "0301"}, "map": {"lat": 1}, "country": {"iso": "NO"}},
        "people": [{"name": "a"}, {"name": "b", "age": 7, "roles": [{"kind": "k", "since": "2026"}]}],
        "_links": {"self": "http://x"},
    }
    found = conform([record], nested)
    left = kept(found)
    assert left["new"] == 1.1
    assert left["address"] == {"town": {"code": "0301"}, "country": {"iso": "NO"}}
    assert left["people"] == [{}, {"age": 7, "roles": [{"since": "2026"}]}]
    assert "_links" not in left
    assert found.unknown_fields >= {"new", "address.town.code", "address.country.iso", "people"}


def test_without_a_column_for_the_rest_an_unknown_field_is_a_breach(declare: Callable[..., Any]) -> None:
    contract = declare({"number": column(pl.String, "orgnr")})
    with pytest.raises(ContractBreach, match="has 'name', which the contract does not name"):
        conform([{"orgnr": "1"}, {"orgnr": "2", "name": "x"}], contract)


def test_a_field_of_another_kind_than_its_path_says_refuses_that_record_alone(nested: Any) -> None:
    found = conform([{"orgnr": "1", "address": "Storgata 1"}, {"orgnr": "2", "people": {"name": "x"}}, {"orgnr": "3"}], nested)
    assert found.frame["number"].to_list() == ["3"]
    assert [sorted(r) for r in found.refused.rules] == [["lines_type", "town_type"], ["people_type"]]
    assert [json.loads(r)["orgnr"] for r in found.refused.row] == ["1", "2"]


@pytest.mark.parametrize("stray", ["text", 7, None, True, [1, 2], ["a"], 1.5, "\ud800"], ids=repr)
def test_a_record_that_is_no_object_is_refused_as_it_came(stray: Any, nested: Any) -> None:
    found = conform([{"orgnr": "1"}, stray, {"orgnr": "2"}], nested)
    assert found.frame["number"].to_list() == ["1", "2"]
    assert found.refused.rules == [["not_an_object"]]
    assert json.loads(found.refused.row[0]) == stray


def test_one_garbled_record_does_not_lose_the_others(nested: Any) -> None:
    rows = [{"orgnr": str(n)} for n in range(100)]
    rows[50] = {"orgnr": "50\ud83d", "people": [{"name": "\udc00"}]}
    found = conform(rows, nested)
    assert found.frame.height == 99
    assert json.loads(found.refused.row[0]) == rows[50]
    found.refused.row[0].encode()


def test_all_rules_a_record_breaks_are_told_together(declare: Callable[..., Any]) -> None:
    contract = declare({"a": column(pl.Int64, "a"), "b": column(pl.Date, "b"), "c": column(pl.String, "c")})
    found = conform([{"a": "x", "b": "y", "c": "z"}], contract)
    assert found.refused.rules == [["a_type", "b_type"]]


def test_a_frame_of_a_source_keeps_unknown_columns_and_may_lack_nullable_ones(declare: Callable[..., Any]) -> None:
    contract = declare({"number": column(pl.String, "orgnr"), "town": column(pl.String, "town"), "rest": column(pl.String, dp.REST)})
    found = conform(pl.DataFrame({"orgnr": ["1", "2"], "new": [Decimal("1.5"), None]}), contract)
    assert found.frame.rows() == [("1", None, '{"new":1.5}'), ("2", None, None)]
    assert found.unknown_fields == {"new"}


# --- frames under the contract's own names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (pl.DataFrame({"id": [1]}), "shop/sales: what the function returned lacks 'name'; contract 1.0.0 has the columns id, name"),
        (
            pl.DataFrame({"id": [1], "name": ["x"], "more": [1], "most": [2]}),
            "shop/sales: what the function returned has 'more', 'most', which the contract does not name; "
            "contract 1.0.0 has the columns id, name",
        ),
        (
            pl.DataFrame({"id": ["1"], "name": ["x"]}),
            "shop/sales: column 'id' is String and contract 1.0.0 promises Int64; return that type, nothing is cast in silence",
        ),
        (
            pl.DataFrame({"id": pl.Series([2**63], dtype=pl.UInt64), "name": ["x"]}),
            "shop/sales: column 'id' holds 9223372036854775808, which is no whole number; return the contract's type",
        ),
        (
            [{"id": 1, "name": 2}],
            "shop/sales: column 'name' is Int64 and contract 1.0.0 promises String; return that type, nothing is cast in silence",
        ),
        (
            [{"id": 1, "name": "x"}, 5],
            "shop/sales: the function returned a list with a value of type int; return records (dicts) with the contract's names",
        ),
        (
            [(1, "x")],
            "shop/sales: the function returned a list with a value of type tuple; return records (dicts) with the contract's names",
        ),
    ],
)
def test_a_frame_of_another_shape_is_refused_in_one_sentence(rows: Any, sentence: str, declare: Callable[..., Any]) -> None:
    with pytest.raises(ContractBreach) as told:
        conform(rows, declare({"id": pl.Int64, "name": pl.String}))
    assert str(told.value) == sentence


def test_records_that_make_no_frame_are_refused_in_one_sentence(declare: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "name": pl.String})
    for rows in ([{"id": 1, "name": "\ud800"}], [{"id": 1, "name": "x"}, {"id": {1}, "name": "y"}]):
        with pytest.raises(ContractBreach, match=r"^shop/sales: [^\n]*return (values of )?the contract's types?"):
            conform(rows, contract)


def test_the_value_of_a_personal_column_is_in_no_message(declare: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "wage": pa.Column(pl.Int64, metadata={"dataproducts": {"personal": "confidential"}})})
    with pytest.raises(ContractBreach) as told:
        conform(pl.DataFrame({"id": [1], "wage": pl.Series([2**63 + 4711], dtype=pl.UInt64)}), contract)
    assert str(2**63 + 4711) not in str(told.value)


# --- JSON of rows as received -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.5"),
        (Decimal("7"), "7"),
        (Decimal("0.1"), "0.1"),
        (Decimal("12345678901234567890.123456789"), '"12345678901234567890.123456789"'),
        (Decimal("1E-30"), "1e-30"),
        (date(2026, 1, 2), '"2026-01-02"'),
        (T0, '"2026-01-02T03:04:05.678901+00:00"'),
        (b"\x00\xff", '"00ff"'),
        ("æ", '"æ"'),
        ("\ud800", '"\\ud800"'),
        ([None, True, {"a": 1}], '[null,true,{"a":1}]'),
    ],
)
def test_a_row_as_received_keeps_every_digit_and_letter(value: Any, text: str) -> None:
    assert to_json(value) == text


def test_one_stray_value_is_refused_and_the_times_around_it_are_read(declare: Callable[..., Any]) -> None:
    contract = declare({"id": column(pl.Int64, "nr"), "at": column(TIME, time_zone="Europe/Oslo"), "day": column(pl.Date, "d")})
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
    values: list[Any] = ["2026-11-02T13:00:00", noon, 7, None, "2026-11-02T12:00:00Z", "noon", {"at": 1}]
    found = conform([{"nr": n, "v": value, "d": date(2026, 11, 2) if n else "2026-11-01"} for n, value in enumerate(values)], contract)
    assert found.frame.rows() == [
        (0, noon, date(2026, 11, 1)),
        (1, noon, date(2026, 11, 2)),
        (3, None, date(2026, 11, 2)),
        (4, noon, date(2026, 11, 2)),
    ]
    assert [json.loads(row)["nr"] for row in found.refused.row] == [2, 5, 6]


def test_lists_of_objects_keep_every_type_within_them_exactly(declare: Callable[..., Any]) -> None:
    inside = pl.Struct({"text": pl.String, "count": pl.Int64, "sum": MONEY, "at": TIME, "day": pl.Date, "raw": pl.Binary, "ok": pl.Boolean})
    contract = declare({"id": column(pl.Int64, "nr"), "parts": column(pl.List(inside))})
    at = datetime(2026, 11, 2, 13, tzinfo=timezone(timedelta(hours=1)))
    part = {"text": "å", "count": 2**53 + 1, "sum": Decimal("1.10"), "at": at, "day": date(1, 1, 1), "raw": b"\xff", "ok": False}
    found = conform([{"nr": 1, "v": [part, dict.fromkeys(part), None]}, {"nr": 2, "v": []}, {"nr": 3, "v": None}], contract)
    assert found.frame.schema["parts"] == pl.List(inside)
    assert found.frame["parts"].to_list() == [[{**part, "at": at.astimezone(UTC)}, dict.fromkeys(part), None], [], None]


@pytest.mark.parametrize("dtype", [pl.Boolean(), pl.Int64(), pl.Date(), TIME, pl.Float64(), MONEY])
def test_a_number_far_too_fine_is_refused_or_read_and_ends_nothing(dtype: Any, one: Callable[..., Any]) -> None:
    found = one(Decimal("-1.8432200588830485E-281"), dtype)
    assert found == -1.8432200588830485e-281 if dtype == pl.Float64 else found is REFUSED


def test_a_frame_that_has_nothing_but_what_is_named_has_no_rest(declare: Callable[..., Any]) -> None:
    contract = declare({"number": column(pl.Int64, "nr"), "rest": column(pl.String, dp.REST)})
    assert conform(pl.DataFrame({"nr": [1, 2]}), contract).frame.rows() == [(1, None), (2, None)]
