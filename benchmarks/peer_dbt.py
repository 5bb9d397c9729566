"""dbt with DuckDB on the work of `bulk` (a model with its tests) and `scd2` (snapshots). Runs in the peers' environment, alone."""

import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import duckdb
from dbt.cli.main import dbtRunner

PROJECT = """\
name: benchmark
version: "1.0"
profile: benchmark
flags: {send_anonymous_usage_stats: false}
"""
PROFILE = """\
benchmark:
  target: dev
  outputs: {{dev: {{type: duckdb, path: "{database}", threads: 2}}}}
"""
RULES = {
    "sale_id": ["unique", "not_null"],
    "organization_number": ["not_null", "regexp_matches(organization_number, '^[89][0-9]{8}$')"],
    "name": ["not_null", "length(name) between 1 and 40"],
    "municipality": ["not_null", "cast(municipality as int) between 301 and 660"],
    "amount": ["not_null", "amount >= 0"],
    "employees": ["employees between 0 and 100000"],
    "sold_on": ["not_null", "sold_on >= date '2000-01-01'"],
    "updated_at": ["not_null", "updated_at >= timestamptz '2000-01-01 00:00:00+00'"],
}
HOLDS = """\
{% test holds(model, column_name, rule) %}
select * from {{ model }} where not ({{ rule }})
{% endtest %}
"""
SNAPSHOT = """\
{% snapshot sales %}
{{ config(target_schema="main", unique_key="sale_id", strategy="check", check_cols="all", hard_deletes="invalidate") }}
select * from read_parquet('{{ var("source") }}')
{% endsnapshot %}
"""


def bulk(folder: Path, source: str) -> float:
    """A table of the source's rows, and a test per rule."""
    _write(folder / "models" / "sales.sql", "{{ config(materialized='table') }} select * from read_parquet('" + source + "')")
    _write(folder / "models" / "schema.yml", _tests())
    _write(folder / "tests" / "generic" / "holds.sql", HOLDS)
    start = perf_counter()
    _dbt(folder, "build")
    return perf_counter() - start


def _tests() -> str:
    """The rules as dbt's own tests, or as ours that holds an expression against each row; JSON is YAML too."""

    def test(rule: str):
        return {"holds": {"arguments": {"rule": rule}}} if " " in rule or "(" in rule else rule

    columns = [{"name": name, "data_tests": [test(rule) for rule in rules]} for name, rules in RULES.items()]
    return json.dumps({"models": [{"name": "sales", "columns": columns}]})


def scd2(folder: Path, *snapshots: str) -> float:
    """`dbt snapshot` once per day's file; dates in it are the moments of the runs, which dbt cannot be told otherwise."""
    _write(folder / "snapshots" / "sales.sql", SNAPSHOT)
    start = perf_counter()
    for snapshot in snapshots:
        _dbt(folder, "snapshot", "--vars", json.dumps({"source": snapshot}))
    seconds = perf_counter() - start
    with duckdb.connect(str(folder / "dbt.duckdb")) as database:
        counts = database.sql("select count(*), count(distinct sale_id) from sales").fetchall()[0]
        assert counts[0] > counts[1], counts
    return seconds


def _dbt(folder: Path, *arguments: str) -> None:
    done = dbtRunner().invoke([*arguments, "--project-dir", str(folder), "--profiles-dir", str(folder), "--quiet"])
    if not done.success:
        sys.exit(f"dbt {arguments[0]} failed: {done.exception or [r.message for r in done.result if r.message]}")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        _write(place / "dbt_project.yml", PROJECT)
        _write(place / "profiles.yml", PROFILE.format(database=place / "dbt.duckdb"))
        os.chdir(place)
        seconds = {"bulk": bulk, "scd2": scd2}[sys.argv[1]](place, *sys.argv[2:])
    print(json.dumps({"seconds": seconds}))
