"""`dataproducts materialize`: which partitions it makes, in which runs, and what it says of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Location

DAY = "2026-11-0{}".format


def table(text: str) -> list[dict[str, str]]:
    """Rows of a printed table by heading, cut where the headings begin; the last column takes the rest of the line."""
    first, *lines = text.splitlines()
    names = [n for n in ("partition", "version", "rows", "refused", "outcome", "what is wrong") if n in first]
    return [dict(zip(names, line.split(maxsplit=len(names) - 1), strict=True)) for line in lines]


def outcomes(text: str) -> dict[str, str]:
    return {row["partition"]: row["outcome"] for row in table(text)}


def test_without_a_partition_the_newest_is_taken_and_said_so(location: Location) -> None:
    result = location.run("materialize", "weather/moody")
    assert result.exit_code == 0
    assert "weather/moody: taking the newest partition, 2026-11-10" in result.stderr
    assert table(result.stdout) == [{"partition": "2026-11-10", "version": "1", "rows": "1", "refused": "0", "outcome": "new"}]
    assert outcomes(location.ok("materialize", "weather/moody", "--partition", "2026-11-10")) == {"2026-11-10": "unchanged"}


def test_a_range_is_made_in_runs_of_no_more_partitions_than_the_dataset_allows(location: Location) -> None:
    before = len(location.runs())
    result = location.run("materialize", "weather/moody", "--from", DAY(1), "--to", "2026-11-10")
    tags = location.runs()[before:]
    start, end, one = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end", "dagster/partition"
    assert [(t.get(start) or t[one], t.get(end) or t[one]) for t in tags] == [
        (DAY(1), DAY(3)),
        (DAY(4), DAY(6)),
        (DAY(7), DAY(9)),
        ("2026-11-10", "2026-11-10"),
    ]
    assert "weather/moody: 6 of 10 partitions done, 3 failed" in result.stderr
    assert "weather/moody: 10 of 10 partitions done, 3 failed" in result.stderr
    assert "10 partitions: " in result.stderr


def test_partitions_that_fail_are_told_with_their_own_reasons_and_lose_no_neighbor(location: Location) -> None:
    result = location.run("materialize", "weather/moody", "--from", DAY(3), "--to", DAY(7))
    assert result.exit_code == 1
    rows = {row["partition"]: row for row in table(result.stdout)}
    assert [rows[DAY(n)]["outcome"] == "failed" for n in range(3, 8)] == [False, True, True, True, False]
    assert rows[DAY(4)]["what is wrong"] == "ValueError: no thermometer"
    for day in (DAY(5), DAY(6)):
        assert rows[day]["what is wrong"] == "1 of 1 rows break the contract (temperature_in_range: 1); nothing was stored"
    assert result.stderr.splitlines()[-1] == (
        "error: weather/moody: 3 of 5 partitions failed, and 2 are stored; mend what the table says, then materialize those again"
    )
    stored = json.loads(location.ok("versions", "weather/moody", "--json"))
    assert {DAY(3), DAY(7)} <= {v["partition"] for v in stored}
    assert not {DAY(4), DAY(5), DAY(6)} & {v["partition"] for v in stored}


def test_the_reason_of_every_failed_partition_of_a_run_is_told(location: Location, changed_code) -> None:
    changed_code("assets/weather/more.py", "partitions_per_run=3", "partitions_per_run=100")
    changed_code("assets/weather/more.py", 'raise ValueError("no thermometer")', "pass")
    changed_code(
        "assets/weather/more.py", 'warm = 500.0 if partition in ("2026-11-05", "2026-11-06") else 5.0', "warm = 100.0 + int(partition[-2:])"
    )
    rows = table(location.run("materialize", "weather/moody", "--from", DAY(1), "--to", "2026-11-10").stdout)
    assert [row["outcome"] for row in rows] == ["failed"] * 10
    assert all("temperature_in_range: 1" in row["what is wrong"] for row in rows)


def test_one_failed_partition_is_one_sentence(location: Location) -> None:
    assert location.refusal("materialize", "weather/moody", "--partition", DAY(5)) == (
        "weather/moody: partition '2026-11-05': 1 of 1 rows break the contract (temperature_in_range: 1); nothing was stored"
    )
    assert location.run("materialize", "weather/moody", "--partition", DAY(5)).stdout == ""


def test_an_error_of_the_author_is_named_with_its_line(location: Location) -> None:
    said = location.refusal("materialize", "weather/moody", "--partition", DAY(4))
    lines = (location.folder / "assets/weather/more.py").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if "no thermometer" in text)
    assert said == (
        f"weather/moody: partition '2026-11-04': ValueError: no thermometer (assets/weather/more.py, line {line}); "
        "set DATAPRODUCTS_DEBUG=1 to see the whole traceback"
    )


def test_a_dataset_without_partitions_has_no_column_for_them(location: Location) -> None:
    location.rows(items=[{"name": "spade"}, {"name": "bucket"}])
    assert table(location.ok("materialize", "weather/items")) == [{"version": "1", "rows": "2", "refused": "0", "outcome": "new"}]
    assert table(location.ok("materialize", "weather/items"))[0]["outcome"] == "unchanged"
    location.rows(items=[{"name": "spade"}])
    assert table(location.ok("materialize", "weather/items")) == [{"version": "2", "rows": "1", "refused": "0", "outcome": "new"}]


def test_refused_rows_are_counted_and_the_way_to_them_is_told(location: Location) -> None:
    location.rows(sales=[{"name": "spade", "price": "1"}, {"name": "bucket", "price": "-1"}, {"price": "2"}])
    for outcome in ("new", "unchanged"):
        result = location.run("materialize", "weather/sales", "--partition", DAY(2))
        assert table(result.stdout)[0] == {"partition": DAY(2), "version": "1", "rows": "1", "refused": "2", "outcome": outcome}
        assert "2 rows in quarantine; see `dataproducts quarantine weather/sales`" in result.stderr


def test_a_neighbor_that_a_history_mends_is_told(location: Location) -> None:
    day = [{"station": "Vestly", "day": DAY(1), "temperature": 1.0}]
    location.rows(stations={DAY(1): day, DAY(2): [], DAY(3): day})
    location.run("materialize", "weather/stations", "--from", DAY(1), "--to", DAY(3))
    location.ok("materialize", "weather/stations_history", "--partition", DAY(3))
    assert outcomes(location.ok("materialize", "weather/stations_history", "--partition", DAY(1))) == {DAY(1): "new", DAY(3): "mended"}


def test_what_the_product_logs_and_prints_goes_to_standard_error(location: Location) -> None:
    result = location.run("materialize", "weather/moody", "--partition", DAY(1))
    assert "reading 2026-11-01" in result.stderr
    assert "printed by the product" in result.stderr
    assert "RUN_START" not in result.output
    assert "DEBUG" not in result.output
    assert result.stdout.startswith("partition")


def test_keys_of_any_kind_of_partitions_are_taken(location: Location) -> None:
    assert outcomes(location.ok("materialize", "weather/regions", "--from", "north", "--to", "south")) == {"north": "new", "south": "new"}
    assert outcomes(location.ok("materialize", "weather/both", "--partition", "2026-11-03|south")) == {"2026-11-03|south": "new"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["weather/modoy"], "there is no dataset 'weather/modoy' in this code location; did you mean 'weather/moody'?"),
        (["moody"], "there is no dataset 'moody' in this code location; did you mean 'weather/moody'?"),
        (["xyz/123"], "there is no dataset 'xyz/123' in this code location; `dataproducts list` shows what there is"),
        (
            ["weather/moody", "--partition", "yesterday"],
            "weather/moody has no partition 'yesterday'; its keys run from '2026-11-01' to '2026-11-10' (daily, Europe/Oslo)",
        ),
        (["weather/moody", "--partition", "2026-11-31"], "weather/moody has no partition '2026-11-31'; its keys run from"),
        (["weather/moody", "--partition", "2026-11-11"], "weather/moody has no partition '2026-11-11'; its keys run from"),
        (["weather/moody", "--partition", ""], "weather/moody has no partition ''; its keys run from"),
        (["weather/moody", "--from", "2026-11-05", "--to", "2027-01-01"], "has no partition '2027-01-01'"),
        (["weather/moody", "--from", DAY(5), "--to", DAY(4)], "weather/moody: --from 2026-11-05 comes after --to 2026-11-04; swap them"),
        (["weather/regions", "--partition", "nort"], "weather/regions has no partition 'nort'; did you mean 'north'?"),
        (["weather/regions", "--partition", "77"], "weather/regions has no partition '77'; its keys are 'north', 'south', 'west'"),
        (["weather/regions", "--from", "west", "--to", "north"], "--from west comes after --to north; swap them"),
        (["weather/both", "--partition", "2026-11-03"], "weather/both has no partition '2026-11-03'; did you mean '2026-11-03|"),
        (["weather/both", "--partition", "south"], "its keys look like '2026-11-01|north' or '2026-11-10|south'"),
        (
            ["weather/both", "--from", "2026-11-01|north", "--to", "2026-11-02|north"],
            "weather/both has partitions of 2 dimensions, which have no order; name one with --partition",
        ),
        (["weather/items", "--partition", "x"], "weather/items has no partitions; leave the partition out"),
    ],
)
def test_a_wrong_name_or_key_is_answered_with_what_there_is(location: Location, arguments: list[str], sentence: str) -> None:
    assert sentence in location.refusal("materialize", *arguments)


def test_a_misspelt_parameter_is_named_and_not_taken_for_a_fault_of_dagster(location: Location, changed_code) -> None:
    changed_code("assets/weather/more.py", "def regions(partition):", "def regions(partitoin, partition=None):")
    said = location.refusal("materialize", "weather/moody")
    assert said.startswith("weather/regions: its function takes 'partitoin', which is neither `partition`, ")
    assert "resources/local.py" in said


def test_dagsters_home_is_made_beside_the_lake_or_where_the_variable_says(location: Location, tmp_path: Path, monkeypatch) -> None:
    location.ok("materialize", "weather/regions", "--partition", "west")
    assert (location.folder / ".dataproducts/dagster/dagster.yaml").exists()
    assert os.environ["DAGSTER_HOME"] == str(location.folder / ".dataproducts/dagster")

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    location.ok("materialize", "weather/regions", "--partition", "west")
    assert (tmp_path / "elsewhere/dagster.yaml").exists()
