"""`dataproducts list`: what is declared, merged with what the lake holds."""

from __future__ import annotations

import json
from typing import Any

from dataproducts.cli import listing
from tests.cli.conftest import Location


def entries(location: Location) -> dict[str, dict[str, object]]:
    return {e["dataset"]: e for e in json.loads(location.ok("list", "--json"))}


def day(number: int) -> str:
    return f"2026-11-{number:02}"


def test_a_declared_dataset_is_listed_before_it_has_any_version(location: Location) -> None:
    listed = entries(location)["weather/sleepy"]
    score: Any = listed.pop("fair")
    assert 0 < score["points"] < score["of"] == 355
    assert score["level"] in ("excellent", "good", "sufficient", "poor")
    assert listed == {
        "dataset": "weather/sleepy",
        "title": "Sleepy",
        "kind": "table",
        "contract": "1.0.0",
        "partitioning": None,
        "partitions": 0,
        "due": None,
        "newest_partition": None,
        "versions": 0,
        "rows": None,
        "known_at": None,
        "declared": True,
    }


def test_rows_are_those_that_a_read_without_arguments_gives(location: Location) -> None:
    rows = [{"station": s, "day": day(1), "temperature": 1.0} for s in ("a", "b", "c")]
    location.rows(stations={day(1): rows, day(2): rows[:2], day(3): [*rows[:1], {**rows[1], "temperature": 2.0}]})
    location.ok("materialize", "weather/stations", "--from", day(1), "--to", day(3))
    location.ok("materialize", "weather/stations_history", "--from", day(1), "--to", day(3))
    location.ok("materialize", "weather/readings", "--from", day(15), "--to", day(18))

    listed = entries(location)
    for name in ("weather/stations", "weather/stations_history", "weather/readings"):
        assert listed[name]["rows"] == len(location.ok("read", name).splitlines()) - 1, name
    assert {k: listed["weather/readings"][k] for k in ("partitions", "due", "newest_partition", "versions", "partitioning")} == {
        "partitions": 4,
        "due": listed["weather/readings"]["due"],
        "newest_partition": day(18),
        "versions": 4,
        "partitioning": "daily, Europe/Oslo",
    }
    assert listed["weather/stations"]["kind"] == "snapshot"


def test_the_table_has_a_line_for_each(location: Location) -> None:
    lines = location.ok("list").splitlines()
    assert lines[0].split() == ["dataset", "title", "contract", "partitions", "newest", "versions", "rows"]
    assert [line.split()[0] for line in lines[1:]] == sorted(entries(location))
    assert all(len(line) == len(line.rstrip()) for line in lines)


def test_what_lies_in_the_lake_and_is_declared_no_more_is_still_listed(location: Location, changed_code) -> None:
    location.rows(items=[{"name": "spade"}])
    location.ok("materialize", "weather/items")
    changed_code("assets/weather/more.py", "def items():", "def wares():")
    result = location.run("list")
    assert "in the lake but not declared here: weather/items" in result.stderr
    listed = entries(location)
    assert listed["weather/items"]["declared"] is False
    assert listed["weather/items"]["rows"] == 1
    assert listed["weather/wares"]["declared"] is True


def test_a_consumer_without_the_code_sees_the_lake(location: Location, monkeypatch) -> None:
    from dataproducts.errors import ConfigurationError

    def none() -> None:
        raise ConfigurationError("there is no `assets` folder")

    location.ok("materialize", "weather/readings", "--partition", day(15))
    monkeypatch.setattr("dataproducts.cli.location.declared", none)
    listed = {e.dataset: e for e in listing._entries()}
    assert listed["weather/readings"].versions >= 1
    assert not any(e.declared for e in listed.values())
