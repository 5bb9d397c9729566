"""What the kit leans on in pandera's polars backend: how failures are told, row by row."""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest


def failures(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> pl.DataFrame:
    with pytest.raises(pa.errors.SchemaErrors) as error:
        schema.validate(frame, lazy=True)
    return error.value.failure_cases


def test_every_failing_row_is_told_with_its_place_and_the_number_of_the_check() -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(pl.Int64, checks=[pa.Check.ge(2), pa.Check.le(2)], nullable=False)})
    cases = failures(schema, pl.DataFrame({"n": [1, 2, None, 3]}))
    told = cases.select("schema_context", "column", "check_number", "index", "failure_case").rows()
    assert sorted(told, key=str) == [("Column", "n", 0, 0, "1"), ("Column", "n", 1, 3, "3"), ("Column", "n", None, 2, None)]
    assert cases["check"].to_list().count("not_nullable") == 1


def test_a_missing_value_keeps_every_rule_but_that_it_may_not_be_missing() -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(pl.Int64, checks=pa.Check.ge(2), nullable=True)})
    schema.validate(pl.DataFrame({"n": [None, 2]}), lazy=True)


def test_a_rule_over_rows_tells_the_whole_row_which_therefore_is_never_shown() -> None:
    def ordered(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("a") <= pl.col("b"))

    schema = pa.DataFrameSchema({"a": pa.Column(pl.Int64), "b": pa.Column(pl.Int64)}, checks=pa.Check(ordered, name="ordered"))
    (case,) = failures(schema, pl.DataFrame({"a": [1, 3], "b": [2, 2]})).to_dicts()
    assert case["schema_context"] == "DataFrameSchema"
    assert (case["check_number"], case["index"]) == (0, 1)
    assert '"a":3' in case["failure_case"].replace(" ", "")


def test_a_rule_that_raises_has_no_row() -> None:
    def broken(_: Any) -> pl.LazyFrame:
        raise RuntimeError("no such thing")

    schema = pa.DataFrameSchema({"n": pa.Column(pl.Int64, checks=pa.Check(broken, name="broken"))})
    cases = failures(schema, pl.DataFrame({"n": [1, 2]}))
    assert cases["index"].to_list() == [None]
    assert "no such thing" in cases["failure_case"][0]


def test_a_warning_is_raised_as_one_and_not_counted_so_the_kit_takes_the_mark_off() -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(pl.Int64, checks=pa.Check.ge(2, raise_warning=True))})
    with pytest.warns(pa.errors.SchemaWarning):
        schema.validate(pl.DataFrame({"n": [1]}), lazy=True)
    schema.columns["n"].checks[0].raise_warning = False
    assert failures(schema, pl.DataFrame({"n": [1]})).height == 1


def test_of_a_lazy_frame_only_the_schema_is_looked_at() -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(pl.Int64, checks=pa.Check.ge(2))})
    schema.validate(pl.LazyFrame({"n": [1]}), lazy=True).collect()


def test_columns_that_are_missing_or_too_many_have_no_row() -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(pl.Int64)}, strict=True)
    cases = failures(schema, pl.DataFrame({"m": [1]}))
    assert set(cases["check"]) == {"column_in_schema", "column_in_dataframe"}
    assert cases["index"].null_count() == cases.height
