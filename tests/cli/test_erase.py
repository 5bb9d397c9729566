"""`dataproducts erase`: a dry run first, then everything of somebody is gone from every file under the home, and stays gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Location
from tests.erasure.searching import found_in

GONE = "Vestfjordly-4471"
DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def home(location: Location) -> Path:
    return location.folder / ".dataproducts"


def station(name: str, temperature: float, day: str) -> dict[str, object]:
    return {"station": name, "temperature": temperature, "day": day}


TOTALS = '''\
"""How warm it was, of which nobody can say where."""

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.weather.datasets import product
from assets.weather.more import days, stations


class Warmth(pa.DataFrameModel):
    """The sum of a day."""

    total: float = dp.column("Degrees.")


@product.dataset(schema=Warmth, partitions=days, inputs=[stations])
def warmth(partition, stations):
    """Degrees of all stations."""
    return stations.select(total=pl.col("temperature").sum())
'''


@pytest.fixture(scope="module", autouse=True)
def totals(place: Location) -> None:
    (place.folder / "assets/weather/totals.py").write_text(TOTALS)


@pytest.fixture
def stations(location: Location) -> Location:
    """Snapshots with their intervals, published to the catalog; `GONE` is no personal column, so samples and profiles show it."""
    import dagster as dg

    from dataproducts.catalog.target import target
    from dataproducts.definitions import products
    from dataproducts.publication import reconcile
    from dataproducts.settings import location as name

    location.rows(
        stations={
            day: [station(GONE, 1.0 + i, day), station("Vestly", 2.0, day), station("Nordby-12", 3.0, day), station("Fjelltun", 4.0, day)]
            for i, day in enumerate(DAYS)
        }
    )
    location.ok("materialize", "weather/stations", "--from", DAYS[0], "--to", DAYS[-1])
    location.ok("materialize", "weather/stations_history", "--from", DAYS[0], "--to", DAYS[-1])
    with dg.DagsterInstance.from_config(str(home(location) / "dagster")) as instance:
        later = datetime.now(UTC) + timedelta(hours=1)  # when nothing is on its way any more
        found = reconcile.compare(instance, products(), target(), name(), later)
        assert reconcile.repair(products(), target(), name(), found) == []
    return location


def test_without_yes_it_says_what_would_go_and_changes_nothing(stations: Location) -> None:
    before = {p: p.read_bytes() for p in (home(stations) / "lake").rglob("*") if p.is_file()}
    result = stations.run("erase", "weather/stations", "--key", GONE, "--reason", "asked for it")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["place", "found", "versions", "later"],
        ["weather/stations", "3", "3", "–"],
        ["weather/stations_history", "3", "3", "–"],
    ]
    assert result.stderr.splitlines()[-1] == "nothing was changed; --yes does it"
    assert {p: p.read_bytes() for p in (home(stations) / "lake").rglob("*") if p.is_file()} == before


def test_no_byte_is_found_under_the_home_afterwards_and_a_run_brings_none_back(stations: Location) -> None:
    held = found_in(home(stations), GONE)
    assert any("catalog.db" in path for path in held)
    assert any("/dagster/" in path for path in held)
    assert any("stations_history" in path for path in held)

    report = json.loads(
        stations.ok("erase", "weather/stations", "--key", GONE, "--reason", "asked for it", "--ground", "art. 17", "--yes", "--json")
    )
    assert report["state"] == "done"
    removed = {place["place"]: place["removed"] for place in report["places"]}
    assert removed.pop("Dagster's event log") > 0
    assert removed.pop("catalog") > 0
    assert removed == {"weather/stations": 3, "weather/stations_history": 3}
    assert found_in(home(stations), GONE) == []

    stations.ok("materialize", "weather/stations", "--from", DAYS[0], "--to", DAYS[-1])
    stations.ok("materialize", "weather/stations_history", "--from", DAYS[0], "--to", DAYS[-1])
    assert {v["version"] for v in json.loads(stations.ok("versions", "weather/stations", "--json"))} == {1}
    assert found_in(home(stations), GONE) == []
    assert "Vestly" in stations.ok("read", "weather/stations_history")

    again = stations.run("erase", "weather/stations", "--key", GONE, "--reason", "asked for it", "--yes")
    assert again.exit_code == 0
    assert "the registry knows of this already" in stations.run("erase", "weather/stations", "--key", GONE, "--reason", "again").stderr


def test_the_catalog_follows_what_is_left(stations: Location) -> None:
    stations.ok("erase", "weather/stations", "--key", "Vestly", "--reason", "asked for it", "--yes")
    stations.run("reconcile", "--repair")
    result = stations.run("reconcile")
    assert "0 behind" in result.output
    assert result.exit_code == 0, result.output


def test_counts_are_named_and_made_again_where_asked(stations: Location) -> None:
    stations.ok("materialize", "weather/warmth", "--from", DAYS[0], "--to", DAYS[-1])
    before = stations.ok("read", "weather/warmth", "--partition", DAYS[0])
    arguments = ("erase", "weather/stations", "--key", "Nordby-12", "--reason", "asked for it", "--yes", "--rematerialize")
    result = stations.run(*arguments)
    assert result.exit_code == 0, result.output
    assert "weather/warmth is made from these rows and has no column that tells whose they are" in result.stderr
    assert "weather/warmth: 3 partitions made again" in result.stderr
    after = stations.ok("read", "weather/warmth", "--partition", DAYS[0])
    assert float(before.split()[1]) - float(after.split()[1]) == 3.0


def test_refused_rows_of_persons_go_by_number(location: Location) -> None:
    location.rows(
        people=[
            {"number": 7, "name": "Ola Oppdiktet"},
            {"number": 90917731, "name": ""},
            {"number": 8, "name": "Kari Oppdiktet"},
            {"number": 90917732},
        ]
    )
    location.ok("materialize", "weather/people")
    location.ok("erase", "weather/people", "--key", "90917732", "--reason", "asked for it", "--yes")
    location.ok("erase", "weather/people", "--key", "7", "--reason", "asked for it", "--yes")
    assert json.loads(location.ok("quarantine", "weather/people", "--json")) == []
    assert found_in(home(location), "Ola Oppdiktet") == []
    assert found_in(home(location), "90917732") == []
    assert found_in(home(location), "Kari Oppdiktet") != []


def test_keys_come_from_a_file_too(location: Location, tmp_path: Path) -> None:
    location.rows(items=[{"name": name} for name in ("spade-771", "bucket-12", "rake-9")])
    location.ok("materialize", "weather/items")
    keys = tmp_path / "keys"
    keys.write_text("# from the letters of today\nspade-771\n\nrake-9\n")
    location.ok("erase", "weather/items", "--keys-file", str(keys), "--reason", "letters", "--yes")
    assert location.ok("read", "weather/items", "--columns", "name").splitlines()[1:] == ["bucket-12"]


def test_what_is_wrong_is_said_in_one_sentence_and_nothing_changes(location: Location, tmp_path: Path) -> None:
    location.rows(items=[{"name": "shovel-3"}])
    location.ok("materialize", "weather/items")
    before = {p: p.stat().st_mtime_ns for p in (home(location) / "lake").rglob("*")}
    empty, garbled, mixed = (tmp_path / name for name in ("empty", "garbled", "mixed"))
    empty.write_text("\n# nobody\n")
    garbled.write_bytes(b"\xff\xfe\x00")
    mixed.write_text('shovel-3\n{"nothing": 1}\n')
    why = ("--reason", "asked for it", "--yes")
    told = location.refusal
    assert "weather/item" in told("erase", "weather/item", "--key", "x", *why)
    assert "not the name of a dataset" in told("erase", "items", "--key", "x", *why)
    assert "has no row of that key in any version; nothing was changed" in told("erase", "weather/items", "--key", "x", *why)
    assert "Say why, with --reason" in told("erase", "weather/items", "--key", "shovel-3", "--yes", status=2)
    assert "with --key or --keys-file" in told("erase", "weather/items", *why, status=2)
    assert "takes no dataset" in told("erase", "weather/items", "--resume", status=2)
    assert "is no JSON object" in told("erase", "weather/items", "--key", '{"name"', *why)
    assert "which weather/items does not have" in told("erase", "weather/items", "--key", '{"title": "x"}', *why)
    assert "by which nobody can be erased" in told("erase", "weather/items", "--key", '{"tags": "x"}', *why)
    assert "is no Date" in told("erase", "weather/items", "--key", '{"sold_on": "yesterday"}', *why)
    assert "has no keys; write one a line" in told("erase", "weather/items", "--keys-file", str(empty), *why)
    assert "is not text in UTF-8" in told("erase", "weather/items", "--keys-file", str(garbled), *why)
    assert "line 2 names 'nothing'" in told("erase", "weather/items", "--keys-file", str(mixed), *why)
    assert "cannot be read" in told("erase", "weather/items", "--keys-file", str(tmp_path / "none"), *why)
    assert "has no personal columns; erase the rows" in told("erase", "weather/items", "--key", "shovel-3", "--only-personal", *why)
    assert {p: p.stat().st_mtime_ns for p in (home(location) / "lake").rglob("*")} == before


def test_resuming_where_nothing_was_begun_says_so(location: Location) -> None:
    assert "there is no erasure to finish" in location.run("erase", "--resume").stderr
