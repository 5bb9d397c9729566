"""`dataproducts package`: files to hand on, from the command line."""

from __future__ import annotations

import json

from tests.cli.conftest import Location


def test_a_dataset_is_packaged_and_checked_as_the_note_says(location: Location) -> None:
    location.ok("materialize", "weather/regions", "--partition", "west")
    made = location.run("package", "weather/regions")
    assert made.exit_code == 0, made.output
    assert "data/regions.csv" in made.stdout
    assert made.stderr.endswith("check it with `frictionless validate weather-regions/datapackage.json`\n")
    assert (location.folder / "weather-regions/data/regions.csv").read_text().splitlines()[1].startswith("west,west,")
    assert location.refusal("package", "weather/regions").startswith(f"{location.folder}/weather-regions is there already; ")
    location.ok("package", "weather/regions", "--force", "--format", "parquet")
    assert [one.name for one in (location.folder / "weather-regions/data").iterdir()] == ["regions.parquet"]


def test_a_product_is_packaged_without_its_personal_columns(location: Location) -> None:
    location.rows(people=[{"number": 1, "name": "Kari SECRET"}], items=[])
    location.ok("materialize", "weather/people")
    location.ok("materialize", "weather/regions", "--partition", "west")
    made = location.run("package", "weather", "-o", "all")
    assert made.exit_code == 0, made.output
    assert "not in it: weather/people: every column holds personal data" in made.stderr
    assert not [path for path in (location.folder / "all").rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]
    names = [one["name"] for one in json.loads((location.folder / "all/datapackage.json").read_text())["resources"]]
    assert "regions" in names
    assert "people" not in names


def test_wrong_questions_are_one_sentence(location: Location) -> None:
    assert "there is no dataset 'weather/none'" in location.refusal("package", "weather/none")
    assert location.refusal("package", "weather", "--partition", "west", status=2).startswith("--partition is of one dataset; ")
    location.ok("materialize", "weather/regions", "--partition", "west")
    assert "weather/regions has no partition 'east'" in location.refusal("package", "weather/regions", "--partition", "east", "-o", "east")
    assert not (location.folder / "east").exists()
