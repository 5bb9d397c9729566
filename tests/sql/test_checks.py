"""What is wrong with a query is said when its dataset is declared: one sentence with file, line and column of the author's own file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.messages import ColumnOrigin
from dataproducts.publication.describe import column_origins
from dataproducts.sql import query as queries
from dataproducts.sql import remembering
from tests.sql.conftest import DAYS, Sales

FAULTS: dict[str, tuple[str, str]] = {
    "unknown column": ("SELECT idd AS a\nFROM {{ sales }}", "1:8: there is no column 'idd'; did you mean 'id'?"),
    "unknown column of a table": (
        "SELECT s.amonut AS a FROM {{ sales }} AS s",
        "1:10: there is no column 'amonut' in 's'; did you mean 'amount'?",
    ),
    "unknown alias": ("SELECT t.id AS a FROM {{ sales }} AS s", "1:8: there is no table 't' here; there are s"),
    "column that a subquery does not give": (
        "SELECT t.day AS a\nFROM (SELECT id FROM {{ sales }}) AS t",
        "1:10: there is no column 'day' in 't'; there are a, amount, at, id, share, shop, tags",
    ),
    "unknown dataset": ("SELECT id AS a\nFROM {{ sale }}", "2:6: there is no dataset 'sale'; did you mean 'sales'?"),
    "table by its bare name": ("SELECT id AS a\n  FROM sales", "2:8: there is no table 'sales'; a dataset is written {{ sales }}"),
    "table of the warehouse": (
        "SELECT id AS a FROM `p.d.t`",
        "1:21: 'p.d.t' is no dataset; write {{ product/dataset }}, or UNNEST(p.d.t)",
    ),
    "dataset of another product": (
        "SELECT id AS a FROM {{ other/things }}",
        "1:21: other/things is of another product; import that dataset and give it with inputs=[things]",
    ),
    "table function": ("SELECT a FROM read_csv('x')", "1:15: a table comes from a dataset; a function gives no table here"),
    "type": (
        "SELECT shop AS a FROM {{ sales }}",
        "1:16: column 'a' is STRING, and the contract of shop/made has INT64; write CAST(... AS INT64), or correct the contract",
    ),
    "type of a quotient": (
        "SELECT SUM(id) / COUNT(*) AS a FROM {{ sales }}",
        "1:30: column 'a' is FLOAT64, and the contract of shop/made has INT64; write CAST(... AS INT64), or correct the contract",
    ),
    "column the contract has not": ("SELECT id AS b FROM {{ sales }}", "1:14: the contract of shop/made has no column 'b'; there are a"),
    "column the query has not": (
        "SELECT id AS a FROM {{ sales }}",
        "1:8: the query gives no column 'second', which the contract of shop/made promises; select it",
    ),
    "column without a name": (
        "SELECT id + 1 FROM {{ sales }}",
        "1:8: an expression comes out without a name; name it with AS, as a column of the contract of shop/made",
    ),
    "column twice": (
        "SELECT id AS a, id AS a FROM {{ sales }}",
        "1:23: column 'a' comes out twice; leave one out, or name it otherwise with AS",
    ),
    "too much of a star": ("SELECT * FROM {{ sales }}", "1:8: the contract of shop/made has no column 'id'; there are a"),
    "same table twice": (
        "SELECT id AS a FROM {{ sales }}, {{ sales }}",
        " two tables are called 'sales'; give one of them an alias",
    ),
    "column of two tables": (
        "SELECT id AS a FROM {{ sales }} AS s CROSS JOIN {{ sales }} AS t",
        "1:8: column 'id' is in several tables (s, t); write which of them is meant",
    ),
    "USING of one side": (
        "WITH t AS (SELECT id AS n FROM {{ sales }})\nSELECT n AS a FROM t JOIN {{ sales }} USING (id)",
        "2:39: column 'id' of USING is not in both tables; join them ON something else",
    ),
    "open string": (
        "SELECT id AS a\nFROM {{ sales }} WHERE shop = 'b",
        "2:31: a string, name or comment begins here and does not end; close it",
    ),
    "open parenthesis": ("SELECT (id AS a FROM {{ sales }}", "1:17: ')' is missing before 'FROM'; correct the SQL"),
    "misspelt keyword": ("SELEC id AS a FROM {{ sales }}", "1:10: 'AS' was not expected here; correct the SQL"),
    "nothing after WHERE": ("SELECT id AS a FROM {{ sales }}\nWHERE", "2:1: something is missing after 'WHERE'; correct the SQL"),
    "no query": ("-- to come\n", " it holds no query; write one SELECT"),
    "DDL": (
        "-- away with it\nDROP TABLE sales",
        "2:1: a dataset is one SELECT, and this is DROP; write what the rows are, the kit stores them",
    ),
    "DML": (
        "INSERT INTO x SELECT 1",
        "1:1: a dataset is one SELECT, and this is INSERT; write what the rows are, the kit stores them",
    ),
    "two statements": (
        "SELECT id AS a FROM {{ sales }};\nSELECT 2 AS a",
        "2:1: a dataset is one SELECT, and here a second statement begins; keep one of the 2",
    ),
    "macro": ("{% if x %}\nSELECT 1 AS a", "1:1: '{%' begins a macro, and there are none; write plain SQL"),
    "dbt's ref": (
        "SELECT 1 AS a FROM {{ ref('sales') }}",
        "1:20: {{ ref('sales') }} is no reference; write {{ dataset }} or {{ product/dataset }}",
    ),
    "today": (
        "SELECT id AS a FROM {{ sales }}\nWHERE day = CURRENT_DATE()",
        "2:13: CURRENT_DATE answers otherwise every time, and a version can be made again; use @partition",
    ),
    "list in any order": (
        "SELECT LENGTH(STRING_AGG(shop, ',')) AS a FROM {{ sales }}",
        "1:26: STRING_AGG takes its values in any order, another one each time; write ORDER BY inside it",
    ),
    "unknown parameter": (
        "SELECT id AS a FROM {{ sales }} WHERE shop = @shop",
        "1:46: there is no parameter @shop; the only one is @partition",
    ),
    "partition of what has none": (
        "SELECT id AS a FROM {{ sales }} WHERE shop = @partition",
        "1:46: the dataset has no partitions, so no @partition; declare partitions=..., or leave it out",
    ),
    "more digits than are kept": (
        "SELECT CAST(CAST(id AS BIGNUMERIC) AS INT64) AS a FROM {{ sales }}",
        "1:18: BIGNUMERIC has 76 digits, and a contract keeps 38; write BIGNUMERIC(38, s) or NUMERIC(p, s)",
    ),
    "itself": (
        "SELECT a FROM {{ made }}",
        "1:15: a cycle: made reads made; to go on from its last partition take inputs={'before': dp.previous()}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_place_before_anything_runs(fault: str, shop: Any, declare_sql: Callable[..., Any]) -> None:
    sql, expected = FAULTS[fault]
    columns = {"a": int, "second": int} if fault == "column the query has not" else {"a": int}
    with pytest.raises(DeclarationError) as error:
        declare_sql(sql, columns)
    assert str(error.value) == f"{shop.folder / 'made.sql'}:{expected}"
    assert "made" not in shop.datasets


def test_a_cycle_through_other_files_is_shown_whole(shop: Any, declare_sql: Callable[..., Any]) -> None:
    (shop.folder / "other.sql").write_text("SELECT a FROM {{ third }}")
    (shop.folder / "third.sql").write_text("SELECT a FROM {{ shop/made }}")
    with pytest.raises(DeclarationError, match="made.sql:1:15: a cycle: made reads other reads third reads made"):
        declare_sql("SELECT a FROM {{ other }}")


def test_a_dataset_that_comes_later_in_the_module_is_told_of(shop: Any, declare_sql: Callable[..., Any]) -> None:
    (shop.folder / "other.sql").write_text("SELECT id AS a FROM {{ sales }}")
    with pytest.raises(DeclarationError, match="made.sql:1:15: 'other' is not declared yet; declare it before 'made'"):
        declare_sql("SELECT a FROM {{ other }}")


def test_a_missing_file_is_told_of_with_the_nearest(shop: Any) -> None:
    (shop.folder / "totals.sql").write_text("SELECT 1 AS a")
    with pytest.raises(DeclarationError) as error:
        shop.sql_dataset("total.sql", schema=Sales)
    assert str(error.value) == f"{shop.folder / 'total.sql'} is not there; did you mean 'totals.sql'?"


def test_an_input_that_is_never_read_is_told_of(shop: Any, declare_sql: Callable[..., Any]) -> None:
    with pytest.raises(DeclarationError, match="made.sql: it never reads its input 'before'"):
        declare_sql("SELECT id AS a FROM {{ sales }}", inputs={"before": dp.previous()}, partitions=DAYS)


def test_a_source_name_in_the_schema_is_refused_since_the_query_names_columns(shop: Any) -> None:
    class Row(pa.DataFrameModel):
        """A row."""

        a: int = dp.column("Number.", source="A")

    (shop.folder / "made.sql").write_text("SELECT id AS a FROM {{ sales }}")
    with pytest.raises(DeclarationError, match="shop/made: column 'a' has a source, and a query names its columns; leave source= out"):
        shop.sql_dataset("made.sql", schema=Row)


def test_references_in_comments_and_strings_are_text(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("-- {{ nowhere }}\nSELECT LENGTH('{{ nor here }}') AS a FROM {{ sales }} /* {% nor %} */ # {{ here }}")
    assert [dep.asset_key.path for spec in made.specs for dep in spec.deps] == [["shop", "sales"]]


def test_order_and_case_of_columns_do_not_matter_and_integers_may_be_promised_as_wider_numbers(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql(
        "SELECT COUNT(*) AS B, MAX(id) AS c, MIN(shop) AS A FROM {{ sales }}", {"a": str, "b": float, "c": pl.Decimal(20, 2)}
    )
    assert made(sales=[]).rows() == [(None, 0.0, None)]


def test_a_type_that_cannot_be_inferred_is_left_to_the_run(declare_sql: Callable[..., Any]) -> None:
    declare_sql("SELECT SOME_NEW_FUNCTION(id) AS a FROM {{ sales }}")


def test_a_star_stands_for_the_columns_of_the_contract(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("SELECT * EXCEPT (amount, share, at, day, tags) FROM {{ sales }}", {"id": int, "shop": str})
    assert made(sales=[]).columns == ["id", "shop"]


def test_the_graph_shows_what_each_column_is_made_of_and_the_text(declare_sql: Callable[..., Any]) -> None:
    sql = """\
-- What each shop sold.
WITH chosen AS (SELECT shop, amount, id FROM {{ sales }} WHERE share > 0.5)
SELECT shop, SUM(amount) AS total, COUNT(*) AS number, CONCAT(shop, CAST(MAX(id) AS STRING)) AS label FROM chosen GROUP BY shop
"""
    made = declare_sql(sql, {"shop": str, "total": pl.Decimal(38, 9), "number": int, "label": str})
    (spec,) = made.specs
    lineage = spec.metadata["dagster/column_lineage"].deps_by_column
    assert {c: [d.column_name for d in deps] for c, deps in lineage.items()} == {
        "shop": ["shop"],
        "total": ["amount"],
        "number": [],
        "label": ["id", "shop"],
    }
    assert all(d.asset_key.path == ["shop", "sales"] for deps in lineage.values() for d in deps)
    assert spec.metadata["dataproducts/sql"].value == f"```sql\n{sql.strip()}\n```"
    assert spec.description == "What each shop sold."
    assert "sql" in spec.kinds


def test_the_catalog_is_told_the_same_lineage(declare_sql: Callable[..., Any]) -> None:
    made = declare_sql("SELECT id + 1 AS a, COUNT(*) OVER () AS number FROM {{ sales }}", {"a": int, "number": int})
    assert column_origins(made.declaration) == {"a": (ColumnOrigin(subject="shop/sales", column="id"),), "number": ()}


def test_another_text_is_another_code_version(declare_sql: Callable[..., Any]) -> None:
    versions = [
        next(iter(declare_sql(sql).specs)).code_version
        for sql in ("SELECT id AS a FROM {{ sales }}", "SELECT id + 1 AS a FROM {{ sales }}", "SELECT id AS a FROM {{ sales }}\n")
    ]
    assert versions[0] == versions[2] != versions[1]
    assert all(version.startswith("1.0.0+") for version in versions)


def test_one_content_of_a_file_is_parsed_once(declare_sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    declare_sql("SELECT id AS a FROM {{ sales }}")
    monkeypatch.setattr(queries, "_resolved", lambda *_: pytest.fail("parsed again"))
    declare_sql("SELECT id AS a FROM {{ sales }}")
    with pytest.raises(pytest.fail.Exception, match="parsed again"):
        declare_sql("SELECT id + 1 AS a FROM {{ sales }}")


def test_what_a_run_has_checked_is_not_checked_again_by_the_processes_that_follow(
    shop: Any, declare_sql: Callable[..., Any], materialize: Any, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def lineage() -> Any:
        queries._KNOWN.clear()  # as in a new process
        remembering._file.cache_clear()
        (spec,) = declare_sql("SELECT COUNT(*) AS number, MAX(id) AS a FROM {{ sales }}", {"a": int, "number": int}).specs
        return spec.metadata["dagster/column_lineage"]

    first = lineage()
    assert not (home / "checked_queries.json").exists()
    assert materialize(shop, "sales", partition="2026-01-02").success
    assert materialize(shop, "made").success
    with monkeypatch.context() as patch:
        patch.setattr(queries, "_resolved", lambda *_: pytest.fail("parsed again"))
        assert lineage() == first
    (home / "checked_queries.json").write_text("{ garbled")
    assert lineage() == first
