"""Every rule counts exactly the rows that break it, and nothing personal is ever shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import ContractBreach, DeclarationError
from dataproducts.quality.profile import profile, profile_markdown, sample_markdown
from dataproducts.quality.validation import check_unique, validate

TEXT = ["a", "bb", None, "", "å1", "Å"]
WHOLE = [1, 5, None, -3, 5, 100]


def column(dtype: Any, *checks: Any, nullable: bool = True, **facts: Any) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=nullable, metadata={"dataproducts": facts})


CHECKS: dict[str, tuple[Any, list[Any], pa.Check, list[int]]] = {
    "equal_to": (pl.Int64, WHOLE, pa.Check.eq(5), [0, 3, 5]),
    "not_equal_to": (pl.Int64, WHOLE, pa.Check.ne(5), [1, 4]),
    "greater_than": (pl.Int64, WHOLE, pa.Check.gt(1), [0, 3]),
    "greater_than_or_equal_to": (pl.Int64, WHOLE, pa.Check.ge(1), [3]),
    "less_than": (pl.Int64, WHOLE, pa.Check.lt(5), [1, 4, 5]),
    "less_than_or_equal_to": (pl.Int64, WHOLE, pa.Check.le(5), [5]),
    "in_range": (pl.Int64, WHOLE, pa.Check.in_range(0, 5), [3, 5]),
    "isin": (pl.Int64, WHOLE, pa.Check.isin([1, 5]), [3, 5]),
    "notin": (pl.Int64, WHOLE, pa.Check.notin([1, 5]), [0, 1, 4]),
    "str_matches": (pl.String, TEXT, pa.Check.str_matches(r"^[a-zå]+$"), [3, 4, 5]),
    "str_contains": (pl.String, TEXT, pa.Check.str_contains("a|b"), [3, 4, 5]),
    "str_startswith": (pl.String, TEXT, pa.Check.str_startswith("å"), [0, 1, 3, 5]),
    "str_endswith": (pl.String, TEXT, pa.Check.str_endswith("1"), [0, 1, 3, 5]),
    "str_length": (pl.String, TEXT, pa.Check.str_length(1, 2), [3]),
    "isin_text": (pl.String, TEXT, pa.Check.isin(["a", "Å"]), [1, 3, 4]),
    "ge_date": (pl.Date, [date(2020, 1, 1), None, date(2030, 1, 1)], pa.Check.ge(date(2025, 1, 1)), [0]),
    "lt_time": (
        pl.Datetime("us", "UTC"),
        [datetime(2020, 1, 1, tzinfo=UTC), None, datetime(2030, 1, 1, tzinfo=UTC)],
        pa.Check.lt(datetime(2025, 1, 1, tzinfo=UTC)),
        [2],
    ),
    "ge_decimal": (pl.Decimal(9, 2), [Decimal("-0.01"), None, Decimal("0.00")], pa.Check.ge(Decimal(0)), [0]),
    "own": (pl.Int64, WHOLE, pa.Check(lambda data: data.lazyframe.select(pl.col(data.key) % 5 == 0), name="by_five"), [0, 3]),
    "element_wise": (pl.Int64, WHOLE, pa.Check(lambda x: x < 50, element_wise=True, name="small"), [5]),
}


@pytest.mark.parametrize("name", CHECKS)
def test_every_kind_of_rule_counts_the_rows_that_break_it(name: str, declare: Callable[..., Any]) -> None:
    dtype, values, check, broken = CHECKS[name]
    contract = declare({"other": pl.Int64, "v": column(dtype, check)})
    frame = pl.DataFrame({"other": range(len(values)), "v": pl.Series(values, dtype=dtype)})
    found = validate(frame, contract)
    (rule,) = [r.name for r in contract.all_rules]
    assert found.broken == {index: [rule] for index in broken}
    assert found.findings[rule].failed == len(broken)
    shown = {text.replace(".000000", "") for text in found.findings[rule].examples}
    assert shown == {str(v) for i, v in enumerate(values) if i in broken}


def test_a_missing_value_breaks_only_the_rule_that_it_must_be_there(declare: Callable[..., Any]) -> None:
    for dtype, value in ((pl.Int64, 1), (pl.String, "x"), (pl.List(pl.Int64()), [1]), (pl.Struct({"a": pl.Int64()}), {"a": 1})):
        contract = declare({"v": column(dtype, nullable=False)})
        found = validate(pl.DataFrame({"v": pl.Series([value, None, value, None], dtype=dtype)}), contract)
        assert found.broken == {1: ["v_required"], 3: ["v_required"]}
        assert found.findings["v_required"].failed == 2


def test_a_row_that_breaks_many_rules_is_told_with_all_of_them(declare: Callable[..., Any]) -> None:
    contract = declare(
        {"a": column(pl.Int64, pa.Check.gt(0), pa.Check.lt(10)), "b": column(pl.String, pa.Check.str_length(2, 3), nullable=False)}
    )
    found = validate(pl.DataFrame({"a": [-1, 11, 5], "b": ["x", None, "ok"]}), contract)
    assert {i: sorted(rules) for i, rules in found.broken.items()} == {
        0: ["a_greater_than", "b_str_length"],
        1: ["a_less_than", "b_required"],
    }


def test_two_rules_of_one_kind_are_told_apart(declare: Callable[..., Any]) -> None:
    contract = declare({"a": column(pl.Int64, pa.Check.ne(1), pa.Check.ne(2))})
    found = validate(pl.DataFrame({"a": [1, 2, 2, 3]}), contract)
    assert {name: f.failed for name, f in found.findings.items()} == {"a_not_equal_to": 1, "a_not_equal_to_2": 2}


def test_a_rule_over_whole_rows_finds_its_rows_and_shows_none(declare: Callable[..., Any]) -> None:
    rule = pa.Check(lambda data: data.lazyframe.select(pl.col("from") <= pl.col("to")), name="from_before_to")
    contract = declare({"from": pl.Int64, "to": pl.Int64}, rules=[rule])
    found = validate(pl.DataFrame({"from": [1, 5, None, 9], "to": [2, 4, 1, 3]}), contract)
    assert found.broken == {1: ["from_before_to"], 3: ["from_before_to"]}
    assert found.findings["from_before_to"].failed == 2
    assert found.findings["from_before_to"].examples == []


def test_a_warning_counts_its_rows_and_holds_none_back(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "v": column(pl.Int64, pa.Check.lt(10, raise_warning=True), pa.Check.gt(0))}, "id")
    report = store(contract, {"-": pl.DataFrame({"id": [1, 2], "v": [11, 12]})})
    assert report.findings["v_less_than"].failed == 2
    assert report.findings["v_less_than"].rule.severity == "warn"
    assert report.outcomes["-"].committed.version.rows == 2
    report = store(contract, {"-": pl.DataFrame({"id": [1, 2, 3], "v": [11, 12, -1]})}, lenient=True)
    assert report.outcomes["-"].error == ("shop/sales: 1 of 3 rows break the contract (v_greater_than: 1); nothing was stored")
    assert [v.number for v in dp.versions("shop/sales")] == [1]


def test_a_rule_that_cannot_be_applied_is_told_and_nothing_is_stored(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    broken = pa.Check(lambda data: data.lazyframe.select(pl.col("nowhere") > 0), name="broken")
    whole = pa.Check(lambda data: data.lazyframe.select(pl.col("id").mean() > 100), name="mean")
    for rule in (broken, whole):
        contract = declare({"id": pl.Int64}, "id", rules=[rule])
        report = store(contract, {"a": pl.DataFrame({"id": [1, 2]}), "b": pl.DataFrame({"id": [3, 4]})}, lenient=True)
        for outcome in report.outcomes.values():
            assert outcome.error.startswith(f"shop/sales: rule {rule.name} could not be applied: ")
            assert "\n" not in outcome.error


def test_a_limit_on_the_failures_shown_hides_no_row_that_breaks_a_rule(declare: Callable[..., Any]) -> None:
    contract = declare({"v": column(pl.Int64, pa.Check.gt(0, n_failure_cases=1))})
    assert len(validate(pl.DataFrame({"v": [-1] * 5}), contract).broken) == 5


def test_no_variable_of_pandera_turns_validation_off(declare: Callable[..., Any]) -> None:
    from pandera.config import config_context

    contract = declare({"v": column(pl.Int64, pa.Check.gt(0))})
    for off in ({"validation_enabled": False}, {"validation_depth": "SCHEMA_ONLY"}):
        with config_context(**off):
            assert len(validate(pl.DataFrame({"v": [-1] * 5}), contract).broken) == 5


# --- what has to occur once ---------------------------------------------------------------------------------------------


def test_of_a_repeated_key_all_rows_go(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    contract = declare({"a": pl.Int64, "b": pl.String, "v": pl.Int64}, ("a", "b"))
    frame = pl.DataFrame({"a": [1, 1, 1, 2, 2], "b": ["x", "x", "y", "x", "x"], "v": [1, 2, 3, 4, 4]})
    report = store(contract, {"-": frame}, refused_share=1.0)
    assert report.findings["key_unique"].failed == 4
    assert report.findings["key_unique"].examples == ["1, x", "2, x"]
    assert dp.scan("shop/sales").collect().rows() == [(1, "y", 3)]
    assert report.outcomes["-"].refused == 4


def test_a_key_repeats_within_a_partition_and_not_between_two(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "code": pa.Column(pl.String, unique=True, nullable=True)}, "id")
    rows = {day: pl.DataFrame({"id": [1, 2, 3], "code": ["x", None, None]}) for day in ("mon", "tue", "wed")}
    report = store(contract, rows)
    assert [o.committed.version.rows for o in report.outcomes.values()] == [3, 3, 3]
    report = store(contract, {**rows, "tue": pl.DataFrame({"id": [1, 2, 3], "code": ["x", "x", "y"]})}, refused_share=1.0)
    assert {p: o.committed.version.rows for p, o in report.outcomes.items()} == {"mon": 3, "tue": 1, "wed": 3}
    assert report.findings["code_unique"].failed == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "x", "y"]), st.none() | st.integers(0, 2)), max_size=8))
def test_repetition_is_found_in_any_rows(rows: list[Any], declare: Callable[..., Any]) -> None:
    contract = declare({"a": pl.Int64, "b": pl.String, "u": pa.Column(pl.Int64, unique=True, nullable=True)}, ("a", "b"))
    frame = pl.DataFrame(rows, schema=dict(contract.dtypes), orient="row").sort("a", "b")
    rows = frame.rows()
    keys, values = [r[:2] for r in rows], [r[2] for r in rows]
    expected = {
        i: [n for n, hit in (("key_unique", keys.count(r[:2]) > 1), ("u_unique", r[2] is not None and values.count(r[2]) > 1)) if hit]
        for i, r in enumerate(rows)
    }
    for ordered in (True, False):
        assert check_unique(frame, contract, ordered=ordered).broken == {i: n for i, n in expected.items() if n}


# --- the edges --------------------------------------------------------------------------------------------------------


def test_an_empty_frame_keeps_every_rule(declare: Callable[..., Any]) -> None:
    columns = {name: column(dtype, check) for name, (dtype, _, check, _) in CHECKS.items()}
    contract = declare({"id": pl.Int64, **columns}, "id")
    found = validate(contract.empty(), contract)
    assert not found.broken
    assert all(f.passed for f in found.findings.values())
    assert check_unique(contract.empty(), contract).broken == {}


def test_when_every_row_is_bad_none_is_stored_and_all_are_kept(declare: Callable[..., Any], store: Callable[..., Any], lake: str) -> None:
    from dataproducts.quality.quarantine import Quarantine

    contract = declare({"id": pl.Int64, "v": column(pl.Int64, pa.Check.gt(0))}, "id")
    frame = pl.DataFrame({"id": range(50), "v": [-1] * 50})
    report = store(contract, {"-": frame}, refused_share=0.5, lenient=True)
    assert "50 of 50 rows break the contract (v_greater_than: 50), more than the 50% that may go" in report.outcomes["-"].error
    assert Quarantine(lake, "shop/sales").rows().is_empty()
    report = store(contract, {"-": frame}, refused_share=1.0)
    assert report.outcomes["-"].committed.version.rows == 0
    assert Quarantine(lake, "shop/sales").rows().height == 50


@pytest.mark.parametrize(
    "name", ["count", "index", "failure_case", "column", "check", "literal", "len", "a b", "æ", "row", "is_duplicated", "0"]
)
def test_a_column_may_have_any_name(name: str, declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    contract = declare({name: column(pl.Int64, pa.Check.gt(0), nullable=False), "other": pl.String}, name)
    rows = pl.DataFrame({name: [0, 1, 2, 2], "other": ["a", "b", "c", "d"]})
    report = store(contract, {"-": rows}, refused_share=1.0)
    assert dp.scan("shop/sales").collect().rows() == [(1, "b")]
    assert sum(f.failed for f in report.findings.values()) == 3


@pytest.mark.parametrize("name", ["_version", "check_output", "^x.*$"])
def test_a_name_that_would_be_misread_is_refused_at_the_declaration(name: str, declare: Callable[..., Any]) -> None:
    with pytest.raises(DeclarationError, match="rename it"):
        declare({name: pl.Int64})


def test_types_no_contract_promises_are_a_breach_of_shape(declare: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64})
    with pytest.raises(ContractBreach, match=r"shop/sales: column 'id' does not keep .*; nothing was stored"):
        validate(pl.DataFrame({"id": ["x"]}), contract)


# --- personal data ----------------------------------------------------------------------------------------------------

SECRETS = [f"geheim-{n}" for n in range(20)]


@pytest.fixture
def personal(declare: Callable[..., Any]) -> Any:
    pair = pa.Check(lambda data: data.lazyframe.select(pl.col("name") != pl.col("town")), name="pair")
    return declare(
        {
            "name": column(pl.String, pa.Check.isin(["x"]), nullable=False, personal="directly_identifying"),
            "nested": column(pl.List(pl.String()), personal="special_category"),
            "alias": pa.Column(pl.String, unique=True, nullable=True, metadata={"dataproducts": {"personal": "possibly_identifying"}}),
            "town": column(pl.String, pa.Check.isin(["Bø"]), personal="none"),
        },
        "name",
        rules=[pair],
    )


def test_no_value_of_a_personal_column_is_shown_anywhere(personal: Any, store: Callable[..., Any]) -> None:
    frame = pl.DataFrame(
        {"name": SECRETS, "nested": [[s] for s in SECRETS], "alias": [SECRETS[0]] * 20, "town": [*SECRETS[:3], *["Å"] * 17]}
    )
    frame = pl.concat([frame.head(19), frame.head(1)]).with_columns(town=pl.lit("Å"))
    for share in (None, 1.0):
        report = store(personal, {"-": frame}, refused_share=share, lenient=True)
        shown = repr([(f.rule.name, f.failed, f.examples) for f in report.findings.values()])
        outcome = report.outcomes["-"]
        for text in (shown, outcome.error or "", outcome.profile, outcome.sample, repr(outcome.metadata), repr(report.shape)):
            assert "geheim" not in text
        assert report.findings["town_isin"].examples == ["Å"]
        assert {f.rule.name: f.failed for f in report.findings.values()}["key_unique"] == 2


def test_a_profile_and_a_sample_show_open_columns_only(personal: Any) -> None:
    frame = pl.DataFrame({"name": SECRETS, "nested": [[s] for s in SECRETS], "alias": SECRETS, "town": ["Bø"] * 19 + [None]})
    text = profile_markdown(profile(frame.lazy(), 20, personal), 20) + sample_markdown(frame, personal)
    assert "geheim" not in text
    assert "| town | 1 (5%) | 1 | Bø | Bø | Bø (19) |" in text
    assert "| name | 0 |  |  |  |  |" in text


def test_a_profile_has_exact_figures_for_every_type(declare: Callable[..., Any]) -> None:
    values: dict[str, tuple[Any, list[Any]]] = {
        "n": (pl.Int64, [3, None, 3, -1]),
        "f": (pl.Float64, [0.5, None, 0.5, -1.0]),
        "t": (pl.String, ["b|x", None, "b|x", "<a>\n"]),
        "b": (pl.Boolean, [True, None, True, False]),
        "d": (pl.Date, [date(2026, 1, 2), None, date(2026, 1, 2), date(1, 1, 1)]),
        "m": (pl.Decimal(9, 2), [Decimal("1.50"), None, Decimal("1.50"), Decimal("0.10")]),
        "x": (pl.Binary, [b"b", None, b"b", b"a"]),
        "l": (pl.List(pl.Int64()), [[1], None, [1], []]),
        "z": (pl.String, [None] * 4),
    }
    contract = declare({name: dtype for name, (dtype, _) in values.items()})
    frame = pl.DataFrame({name: pl.Series(given, dtype=dtype) for name, (dtype, given) in values.items()})
    found = {p.name: p for p in profile(frame.lazy(), 4, contract)}
    for name in "nftbdmx":
        given = values[name][1]
        assert (found[name].nulls, found[name].distinct) == (1, 2)
        assert (found[name].smallest, found[name].largest) == (given[3], given[0])
        assert found[name].frequent[0] == (given[0], 2)
    assert (found["l"].nulls, found["l"].distinct) == (1, None)
    assert (found["z"].nulls, found["z"].distinct, found["z"].smallest) == (4, 0, None)
    table = profile_markdown(list(found.values()), 4).splitlines()
    assert len(table) == 2 + len(values)
    assert all(row.replace("\\|", "").count("|") == 7 for row in table)
    assert profile(contract.empty().lazy(), 0, contract)[0].nulls == 0


def test_a_sample_leaves_out_empty_columns_and_keeps_to_one_line_a_row(declare: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "gone": pl.String, "text": pl.String})
    frame = pl.DataFrame({"id": range(9), "gone": [None] * 9, "text": ["a|b\n<c>" + "x" * 100] * 9}, schema=dict(contract.dtypes))
    lines = sample_markdown(frame, contract).splitlines()
    assert lines[0] == "| id | text |"
    assert len(lines) == 7
    assert "&lt;c>" in lines[2]
    assert len(lines[2]) < 80
    assert sample_markdown(contract.empty(), contract) == "_no rows, or no columns that may be shown_"
