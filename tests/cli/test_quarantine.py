"""`dataproducts quarantine`: why rows were refused, their content only to those who ask for it, and a replay that Dagster sees."""

from __future__ import annotations

import json

from tests.cli.conftest import Location

DAY = "2026-11-02"
BAD_SALES = [{"name": "spade", "price": "1"}, {"name": "bucket", "price": "-1"}, {"price": "2"}]


def refuse_sales(location: Location) -> None:
    location.rows(sales=BAD_SALES)
    location.ok("materialize", "weather/sales", "--partition", DAY)


def test_refused_rows_are_shown_with_the_rules_they_break(location: Location) -> None:
    refuse_sales(location)
    result = location.run("quarantine", "weather/sales")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["partition", "refused", "at", "contract", "broken", "rules", "as", "received"]
    assert len(lines) == 3
    assert any("price_greater_than_or_equal_to" in line and "bucket" in line for line in lines)
    assert "2 rows in quarantine: " in result.stderr
    assert "--replay" in result.stderr


def test_json_gives_each_row_as_it_was_received(location: Location) -> None:
    refuse_sales(location)
    rows = json.loads(location.ok("quarantine", "weather/sales", "--partition", DAY, "--json"))
    received = {row["rules"][0]: row["received"] for row in rows}
    assert received == {"price_greater_than_or_equal_to": {"name": "bucket", "price": -1}, "name_required": {"price": 2}}
    assert {row["partition"] for row in rows} == {DAY}
    assert {row["state"] for row in rows} == {"open"}


def test_persons_are_not_shown_on_a_screen(location: Location) -> None:
    location.rows(people=[{"number": 7, "name": "Ola Oppdiktet"}, {"number": -1, "name": "Kari Oppdiktet"}])
    location.ok("materialize", "weather/people")
    result = location.run("quarantine", "weather/people")
    assert "number_greater_than_or_equal_to" in result.stdout
    assert "Oppdiktet" not in result.output
    assert "are shown with --json only" in result.stderr
    assert "Kari Oppdiktet" in location.ok("quarantine", "weather/people", "--json")


def test_a_replay_stores_what_passes_now_and_tells_dagster(location: Location, changed_code) -> None:
    import dagster as dg

    refuse_sales(location)
    changed_code("assets/weather/more.py", 'unit="NOK", nullable=True, ge=0)', 'unit="NOK", nullable=True, ge=-5)')

    lines = location.ok("quarantine", "weather/sales", "--replay").splitlines()
    assert [line.split() for line in lines] == [["partition", "passed", "remaining", "version"], [DAY, "1", "1", "2"]]
    assert "bucket" in location.ok("read", "weather/sales", "--partition", DAY)
    assert len(json.loads(location.ok("quarantine", "weather/sales", "--json"))) == 1

    with dg.DagsterInstance.from_config(str(location.folder / ".dataproducts/dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["weather", "sales"]))
    assert event is not None
    told = event.asset_materialization
    assert told is not None
    assert told.partition == DAY
    assert told.metadata["dataproducts/version"].value == 2
    assert told.metadata["dagster/partition_row_count"].value == 2

    again = json.loads(location.ok("quarantine", "weather/sales", "--replay", "--json"))
    assert again == [{"partition": DAY, "passed": 0, "remaining": 1, "version": None}]


def test_nothing_in_quarantine_is_not_an_error(location: Location) -> None:
    result = location.run("quarantine", "weather/readings")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "weather/readings has no rows in quarantine\n")
    assert json.loads(location.ok("quarantine", "weather/readings", "--json")) == []
    assert json.loads(location.ok("quarantine", "weather/readings", "--replay", "--json")) == []


def test_unknown_names_and_keys_are_refused(location: Location) -> None:
    assert "weather/nothing has no history" in location.refusal("quarantine", "weather/nothing")
    assert "there is no dataset 'weather/nothing'" in location.refusal("quarantine", "weather/nothing", "--replay")
    assert "its keys run from" in location.refusal("quarantine", "weather/sales", "--partition", "2020-01-01")
    assert "'2026-11-09' has no rows in quarantine" in location.refusal(
        "quarantine", "weather/sales", "--partition", "2026-11-09", "--replay"
    )
