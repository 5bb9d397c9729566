"""`dataproducts read`, `changes` and `versions`: data comes out as it went in, whatever the format, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataproducts.cli import rows
from dataproducts.history import lake
from dataproducts.history.store import DatasetHistory
from tests.cli.conftest import Location

ITEMS = [
    {"name": 'spade, "large"', "price": "12345678901234567.89", "sold_on": "2026-01-31", "seen_at": "2026-01-31T12:00:00.5+01:00"},
    {"name": "bøtte\nrød", "price": "0.10", "tags": ["sand", 'å "leke"', None]},
    {"name": " ", "tags": []},
]


def day(number: int) -> str:
    return f"2026-11-{number:02}"


def station(name: str, temperature: float) -> dict[str, object]:
    return {"station": name, "day": "2026-11-01", "temperature": temperature}


@pytest.fixture
def items(location: Location) -> Location:
    location.rows(items=ITEMS)
    location.ok("materialize", "weather/items")
    return location


def test_csv_says_everything_without_loss(items: Location) -> None:
    text = items.ok("read", "weather/items")
    records = {r["name"]: r for r in csv.DictReader(io.StringIO(text, newline=""))}
    assert list(records) == [" ", "bøtte\nrød", 'spade, "large"']
    spade = records['spade, "large"']
    assert spade["price"] == "12345678901234567.89"
    assert spade["sold_on"] == "2026-01-31"
    assert datetime.fromisoformat(spade["seen_at"]) == datetime(2026, 1, 31, 11, 0, 0, 500000, UTC)
    assert json.loads(records["bøtte\nrød"]["tags"]) == ["sand", 'å "leke"', None]
    assert records[" "]["tags"] == "[]"
    assert spade["tags"] == ""


def test_rows_and_the_note_on_them_are_of_one_choice_of_versions(items: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[object] = []
    choose = lake._choose

    def choosing(*arguments: Any) -> Any:
        if chosen:  # what another writer commits meanwhile
            items.rows(items=[])
            items.ok("materialize", "weather/items")
        chosen.append(choose(*arguments))
        return chosen[-1]

    monkeypatch.setattr(lake, "_choose", choosing)
    result = items.run("read", "weather/items", "--format", "json")
    assert len(json.loads(result.stdout)) == 3
    assert result.stderr.startswith("version 1, ")
    assert "3 rows" in result.stderr
    assert len(chosen) == 1


def test_json_is_one_array_with_decimals_as_strings(items: Location) -> None:
    records = {r["name"]: r for r in json.loads(items.ok("read", "weather/items", "--format", "json"))}
    spade = records['spade, "large"']
    assert datetime.fromisoformat(spade.pop("seen_at")) == datetime(2026, 1, 31, 11, 0, 0, 500000, UTC)
    assert spade == {"name": 'spade, "large"', "price": "12345678901234567.89", "sold_on": "2026-01-31", "tags": None}
    assert records["bøtte\nrød"]["tags"] == ["sand", 'å "leke"', None]


def test_parquet_keeps_the_types(items: Location, tmp_path: Path) -> None:
    result = items.run("read", "weather/items", "-o", str(tmp_path / "items.parquet"))
    frame = pl.read_parquet(tmp_path / "items.parquet")
    assert frame.schema == {
        "name": pl.String,
        "price": pl.Decimal(20, 2),
        "sold_on": pl.Date,
        "seen_at": pl.Datetime("us", "UTC"),
        "tags": pl.List(pl.String),
    }
    assert frame.filter(pl.col("sold_on") == date(2026, 1, 31))["price"].to_list() == [Decimal("12345678901234567.89")]
    assert result.stdout == ""
    assert f"3 rows; written to {tmp_path / 'items.parquet'}" in result.stderr


@pytest.mark.parametrize(("name", "begins"), [("a.csv", "name,price"), ("a.json", "[\n{"), ("a.data", "name,price")])
def test_the_files_ending_says_the_format(items: Location, tmp_path: Path, name: str, begins: str) -> None:
    items.ok("read", "weather/items", "-o", str(tmp_path / name))
    assert (tmp_path / name).read_text().startswith(begins)
    items.ok("read", "weather/items", "-o", str(tmp_path / name), "--format", "json")
    assert len(json.loads((tmp_path / name).read_text())) == 3
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [name]


def test_nothing_is_left_of_a_file_that_could_not_be_finished(items: Location, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.csv").write_text("as it was")
    monkeypatch.setattr(rows, "_write_csv", full)
    assert items.refusal("read", "weather/items", "-o", str(tmp_path / "a.csv")) == (
        f"{tmp_path / 'a.csv'} cannot be written (No space left on device); give another path, or make room for it"
    )
    assert (tmp_path / "a.csv").read_text() == "as it was"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.csv"]


def test_parquet_to_standard_output_is_refused(items: Location) -> None:
    assert "give a file with -o FILE" in items.refusal("read", "weather/items", "--format", "parquet", status=2)


def test_a_dataset_of_no_rows_is_a_header_or_an_empty_array(location: Location, tmp_path: Path) -> None:
    location.rows(items=[])
    location.ok("materialize", "weather/items")
    assert location.ok("read", "weather/items") == "name,price,sold_on,seen_at,tags\n"
    assert json.loads(location.ok("read", "weather/items", "--format", "json")) == []
    location.ok("read", "weather/items", "-o", str(tmp_path / "none.parquet"))
    assert pl.read_parquet(tmp_path / "none.parquet").shape == (0, 5)


def test_the_note_on_standard_error_says_what_was_read(location: Location) -> None:
    location.ok("materialize", "weather/readings", "--from", day(15), "--to", day(17))
    one = location.run("read", "weather/readings", "--partition", day(16)).stderr
    assert re.fullmatch(r"partition 2026-11-16, version 1, known at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, 2 rows\n", one)
    every = location.run("read", "weather/readings").stderr
    assert re.fullmatch(r"3 partitions from 2026-11-15 to 2026-11-17, the newest known at \S+Z, 6 rows\n", every)
    assert location.run("read", "weather/readings", "--limit", "1").stderr.endswith(", 1 row\n")


def test_versions_and_moments_can_be_chosen(location: Location) -> None:
    for price in ("1.00", "2.00"):
        location.rows(items=[{"name": "spade", "price": price}])
        location.ok("materialize", "weather/items")
    versions = json.loads(location.ok("versions", "weather/items", "--json"))
    before, last = versions[-2:]
    prices = ["--columns", "price,_version", "--format", "json"]

    def read(*arguments: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(location.ok("read", "weather/items", *arguments, *prices))
        return found

    assert read() == [{"price": "2.00", "_version": last["version"]}]
    assert read("--version", str(before["version"])) == [{"price": "1.00", "_version": before["version"]}]
    assert read("--as-of", before["known_at"]) == [{"price": "1.00", "_version": before["version"]}]
    assert read("--contract", "1") == read()


def test_every_row_of_much_data_comes_out_once_and_in_order(location: Location, monkeypatch) -> None:
    monkeypatch.setattr(rows, "_BATCH_ROWS", 100)
    location.rows(items=[{"name": f"{n:04}"} for n in range(1_234)])
    location.ok("materialize", "weather/items")
    expected = [f"{n:04}" for n in range(1_234)]
    assert location.ok("read", "weather/items", "--columns", "name").splitlines()[1:] == expected
    assert [r["name"] for r in json.loads(location.ok("read", "weather/items", "--format", "json"))] == expected


def test_binary_is_base64_also_within_structs() -> None:
    frame = pl.DataFrame(
        {"raw": [b"\x00\xff", None], "parts": [[{"raw": b"ab", "n": 1}], []]},
        schema={"raw": pl.Binary, "parts": pl.List(pl.Struct({"raw": pl.Binary, "n": pl.Int64}))},
    )
    out = io.BytesIO()
    assert rows._write_json(iter([frame]), frame.schema, out) == 2
    assert json.loads(out.getvalue()) == [{"raw": "AP8=", "parts": [{"raw": "YWI=", "n": 1}]}, {"raw": None, "parts": []}]
    out = io.BytesIO()
    rows._write_csv(iter([frame]), frame.schema, out)
    assert out.getvalue().decode() == 'raw,parts\nAP8=,"[{""raw"":""YWI="",""n"":1}]"\n,[]\n'


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["weather/itmes"], "weather/itmes has no history in"),
        (["weather/itmes"], "did you mean 'weather/items'?"),
        (["items"], "'items' is not the name of a dataset; write it as product/dataset"),
        (["weather/items", "--columns", "colour"], "weather/items has no column 'colour'; its columns are name, price"),
        (["weather/items", "--version", "99"], "has no version 99"),
        (["weather/items", "--contract", "7"], "weather/items has nothing under contract 7; it has 1"),
        (["weather/items", "--partition", "2026-01-01"], "weather/items has no partition '2026-01-01'"),
        (["weather/items", "--as-of", "1999-01-01"], "weather/items: nothing was known at 1999-01-01"),
        (["weather/items", "--as-of", "soon"], "'soon' is not a time; write 2026-01-31"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(items: Location, arguments: list[str], sentence: str) -> None:
    assert sentence in items.refusal("read", *arguments)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_damaged_file_is_found_and_named(items: Location, tmp_path: Path, form: str) -> None:
    history = DatasetHistory(str(items.folder / ".dataproducts/lake"), "weather/items")
    newest = history.versions()[-1]
    path = Path(history.table(newest.major).absolute(newest.files[0]))
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:4] + bytes(len(whole) - 8) + whole[-4:])
        said = items.refusal("read", "weather/items", "-o", str(tmp_path / f"a.{form}"))
        assert str(path) in said
        assert said.endswith("restore the file from a backup")
        assert not (tmp_path / f"a.{form}").exists()

        result = items.run("versions", "weather/items", "--verify")
        assert result.exit_code == 1
        assert result.stdout.splitlines()[-1].endswith("damaged")
        assert str(path) in result.stderr
    finally:
        path.write_bytes(whole)


def test_versions_are_listed_and_verified(items: Location) -> None:
    text = items.ok("versions", "weather/items")
    assert text.splitlines()[0].split() == ["version", "known", "at", "contract", "rows", "content"]
    result = items.run("versions", "weather/items", "--verify")
    assert result.exit_code == 0
    assert all(line.endswith("intact") for line in result.stdout.splitlines()[1:])
    assert "each holds what was committed" in result.stderr
    listed = json.loads(items.ok("versions", "weather/items", "--json", "--verify"))
    assert all(v["intact"] and re.fullmatch("[0-9a-f]{64}", v["content_hash"]) for v in listed)
    assert [v["version"] for v in listed] == list(range(1, len(listed) + 1))


def test_versions_of_an_unknown_partition_are_refused(location: Location) -> None:
    location.ok("materialize", "weather/readings", "--partition", day(15))
    assert "weather/readings has no partition '2020-01-01'; it has" in location.refusal(
        "versions", "weather/readings", "--partition", "2020-01-01"
    )


def test_changes_between_two_snapshots(location: Location) -> None:
    location.rows(stations={day(1): [station("a", 1), station("b", 2)], day(2): [station("b", 3), station("c", 4)]})
    location.ok("materialize", "weather/stations", "--from", day(1), "--to", day(2))
    result = location.run("changes", "weather/stations", "--from", day(1), "--to", day(2))
    assert list(csv.DictReader(io.StringIO(result.stdout))) == [
        {"_change": "delete", "_changed_columns": "[]", **_text(station("a", 1))},
        {"_change": "update", "_changed_columns": '["temperature"]', **_text(station("b", 3))},
        {"_change": "insert", "_changed_columns": "[]", **_text(station("c", 4))},
    ]
    assert result.stderr == "1 insert, 1 update, 1 delete from 2026-11-01 to 2026-11-02\n"
    as_json = json.loads(location.ok("changes", "weather/stations", "--from", day(1), "--to", day(2), "--format", "json"))
    assert [c["_changed_columns"] for c in as_json] == [[], ["temperature"], []]


def test_changes_need_a_beginning(location: Location) -> None:
    assert "Missing option '--from'" in location.refusal("changes", "weather/stations", status=2)


def _text(row: dict[str, object]) -> dict[str, str]:
    return {name: f"{value:.1f}" if isinstance(value, int) else str(value) for name, value in row.items()}
