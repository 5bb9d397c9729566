"""Choosing what to read: current, a version, as of a time, a range, changes between two points; and one sentence where it is not there."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DataProductsError, HistoryError, UnknownDataset
from dataproducts.history.store import DatasetHistory, Draft

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def contract(declare: Callable[..., Any]) -> Any:
    return declare({"id": pl.Int64, "name": pl.String, "tags": pl.List(pl.String())}, "id")


@pytest.fixture
def at(contract: Any, lake: str) -> Callable[..., Any]:
    """Commit partitions at a given time: `at(NOON, a={1: "x"})`."""

    def commit(when: datetime, contract: Any = contract, **partitions: dict[int, str | None]) -> Any:
        drafts = []
        for key, rows in partitions.items():
            frame = pl.DataFrame({"id": rows.keys(), "name": rows.values()}, schema={"id": pl.Int64, "name": pl.String})
            empty = [pl.lit(None, t).alias(n) for n, t in contract.dtypes.items() if n not in frame.columns]
            drafts.append(Draft.of(key.replace("_", "-"), frame.with_columns(empty), contract))
        return DatasetHistory(lake, contract.dataset).commit(drafts, contract, now=when)

    return commit


def names(**how: Any) -> list[Any]:
    return sorted(dp.scan("shop/sales", **how).collect().get_column("name").to_list())


# --- as of ------------------------------------------------------------------------------------------------------------


def test_as_of_gives_what_was_known_then_and_not_what_came_later(at: Callable[..., Any]) -> None:
    at(NOON, a={1: "a1"}, b={2: "b1"})
    at(NOON + HOUR, a={1: "a2"})
    at(NOON + 2 * HOUR, c={3: "c1"}, a={})
    assert names(as_of=NOON) == ["a1", "b1"]
    assert names(as_of=NOON + HOUR - timedelta(microseconds=1)) == ["a1", "b1"]
    assert names(as_of=NOON + HOUR) == ["a2", "b1"]
    assert names(as_of=NOON + 3 * HOUR) == names() == ["b1", "c1"]
    assert names(as_of=NOON, partition="a") == ["a1"]


@pytest.mark.parametrize(
    "point",
    [
        "2026-01-01T12:30:00+00:00",
        "2026-01-01T12:30",
        "2026-01-01 12:30:00Z",
        "2026-01-01T13:30:00+01:00",
        datetime(2026, 1, 1, 13, 30, tzinfo=timezone(HOUR)),
    ],
)
def test_a_time_can_be_given_in_any_zone_and_form(point: Any, at: Callable[..., Any]) -> None:
    at(NOON, a={1: "x"})
    at(NOON + HOUR, a={1: "y"})
    assert names(as_of=point) == ["x"]


@pytest.mark.parametrize("point", ["2026-01-01", date(2026, 1, 1)])
def test_a_date_means_the_end_of_that_day(point: Any, at: Callable[..., Any]) -> None:
    at(NOON, a={1: "x"})
    at(datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC), a={1: "y"})
    at(datetime(2026, 1, 2, tzinfo=UTC), a={1: "z"})
    assert names(as_of=point) == ["y"]


@pytest.mark.parametrize("seed", range(2))
def test_as_of_agrees_with_a_list_of_everything_that_ever_happened(seed: int, at: Callable[..., Any]) -> None:
    dice = random.Random(seed)
    log: list[tuple[datetime, dict[str, dict[int, str]]]] = []
    clock = NOON
    for step in range(12):
        clock += HOUR * dice.choice([-2, 0, 1, 3])
        batch = {key: {n: f"{key}{step}-{n}" for n in range(dice.randrange(3))} for key in dice.sample("abc", dice.randint(1, 3))}
        done = at(clock, **batch)
        log.append((max(c.version.known_at for c in done), batch))
    for moment in sorted({m + d for m, _ in log for d in (timedelta(0), HOUR / 7)}):
        state: dict[str, dict[int, str]] = {}
        for known_at, batch in log:
            state |= batch if known_at <= moment else {}
        expected = sorted(name for rows in state.values() for name in rows.values())
        assert names(as_of=moment) == expected, f"seed {seed}"


# --- partitions, versions, columns --------------------------------------------------------------------------------------


def test_partitions_are_read_one_by_one_by_range_and_by_list(at: Callable[..., Any]) -> None:
    at(NOON, **{f"2026_01_0{d}": {d: f"d{d}"} for d in range(1, 7)})
    assert names(partition="2026-01-03") == ["d3"]
    assert names(partition=("2026-01-02", "2026-01-04")) == ["d2", "d3", "d4"]
    assert names(partition=("2025-01-01", "2026-01-02")) == ["d1", "d2"]
    assert names(partition=["2026-01-06", "2026-01-01", "2026-01-06"]) == ["d1", "d6"]
    assert names(partition=("2027-01-01", "2028-01-01")) == []


def test_a_range_over_many_batches_and_versions_gives_each_partition_once(at: Callable[..., Any]) -> None:
    keys = [f"p{i:02}" for i in range(20)]
    at(NOON, **{k: {1: f"{k}-1"} for k in keys})
    at(NOON + HOUR, **{k: {1: f"{k}-2"} for k in keys[5:12]})
    at(NOON + 2 * HOUR, **{k: {1: f"{k}-3"} for k in keys[8:9]})
    expected = [f"{k}-{3 if k == 'p08' else 2 if 'p05' <= k <= 'p11' else 1}" for k in keys]
    assert names() == expected
    assert names(partition=("p04", "p12")) == expected[4:13]
    assert names(as_of=NOON + HOUR, partition=("p08", "p12")) == ["p08-2", "p09-2", "p10-2", "p11-2", "p12-1"]


def test_the_stamps_of_a_row_can_be_read_beside_it(at: Callable[..., Any]) -> None:
    at(NOON, a={1: "x"})
    at(NOON, a={1: "y"})
    found = dp.scan("shop/sales", columns=["_partition", "_version", "_known_at", "_contract", "id"]).collect()
    assert found.rows() == [("a", 2, NOON + timedelta(microseconds=1), "1.0.0", 1)]


def test_of_snapshots_the_newest_is_read(declare: Callable[..., Any], at: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "name": pl.String}, "id", kind="snapshot")
    at(NOON, contract, **{"2026_01_02": {1: "second"}})
    at(NOON + HOUR, contract, **{"2026_01_01": {1: "first", 2: "late"}})
    assert names() == ["second"]
    assert names(partition=("2026-01-01", "2026-01-02")) == ["first", "late", "second"]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"partition": "z"}, "shop/sales has no partition 'z'; it has 2, from 'a' to 'b'"),
        ({"partition": ["a", "z"]}, "shop/sales has no partition 'z'; it has 2, from 'a' to 'b'"),
        ({"partition": "a", "version": 9}, "shop/sales: partition 'a' has no version 9; it has 1 to 2"),
        ({"version": 1}, "shop/sales is partitioned; say which partition version 1 is of"),
        ({"partition": ("a", "b"), "version": 1}, "shop/sales: a version belongs to one partition; give one key"),
        ({"columns": ["nam"]}, "shop/sales has no column 'nam'; its columns are id, name, tags"),
        (
            {"as_of": "2025-12-31"},
            "shop/sales: nothing was known at 2025-12-31T23:59:59.999999+00:00; its first version is of 2026-01-01T12:00:00+00:00",
        ),
        ({"as_of": "yesterday"}, "'yesterday' is not a time; write 2026-01-31, or 2026-01-31T12:00:00+01:00"),
        ({"as_of": datetime(2026, 1, 1)}, "2026-01-01T00:00:00 has no time zone; give one, for instance +00:00"),
        (
            {"partition": "b", "as_of": NOON},
            "shop/sales has no partition 'b' known at 2026-01-01T12:00:00+00:00; it has 1, from 'a' to 'a'",
        ),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(how: dict[str, Any], sentence: str, at: Callable[..., Any]) -> None:
    at(NOON, a={1: "x"})
    at(NOON + HOUR, a={1: "y"}, b={1: "z"})
    with pytest.raises(UnknownDataset) as told:
        dp.read("shop/sales", **how)
    assert str(told.value) == sentence


@pytest.mark.parametrize("name", ["shop", "shop/sales/more", "Shop/Sales", "../etc/passwd", "shop/", "", "shop/sa les"])
def test_a_name_that_is_none_is_refused_before_anything_is_opened(name: str) -> None:
    with pytest.raises(UnknownDataset, match="is not the name of a dataset; write it as product/dataset"):
        dp.read(name)


def test_an_unknown_dataset_is_told_with_the_nearest_name(at: Callable[..., Any]) -> None:
    at(NOON, a={1: "x"})
    with pytest.raises(UnknownDataset, match=r"shop/sale has no history in .*; materialize it first, or did you mean 'shop/sales'"):
        dp.read("shop/sale")


def test_a_table_that_a_dying_run_left_without_versions_is_no_dataset_yet(contract: Any, lake: str) -> None:
    table = DatasetHistory(lake, "shop/sales").table(1)
    table.create(contract.dtypes, kind="table", key=("id",))
    for read in (dp.read, dp.versions, lambda name: dp.changes(name, "2026-01-01"), lambda name: dp.read(name, as_of="2026-01-01")):
        with pytest.raises(UnknownDataset, match="shop/sales has no history"):
            read("shop/sales")


def test_a_table_that_a_dying_run_left_for_a_new_major_hides_nothing(
    declare: Callable[..., Any], at: Callable[..., Any], lake: str
) -> None:
    at(NOON, a={1: "x"})
    at(NOON + HOUR, a={1: "y"})
    newer = declare({"code": pl.String}, "code", version="2.0.0", kind="snapshot")
    DatasetHistory(lake, "shop/sales").table(2).create(newer.dtypes, kind="snapshot", key=("code",))
    assert names() == ["y"]
    assert dp.changes("shop/sales", NOON)["_change"].tolist() == ["update"]


# --- changes ----------------------------------------------------------------------------------------------------------


def changes(*points: Any) -> list[tuple[Any, ...]]:
    found = dp.changes("shop/sales", *points)
    return [(r["_change"], list(r["_changed_columns"]), r["id"], r["name"]) for r in found.to_dict("records")]


def test_changes_are_inserts_updates_and_deletes_by_key(at: Callable[..., Any]) -> None:
    at(NOON, **{"-": {1: "same", 2: "old", 3: "gone", 4: "x"}})
    at(NOON + HOUR, **{"-": {1: "same", 2: "new", 4: "y", 5: "came"}})
    at(NOON + 2 * HOUR, **{"-": {1: "same", 2: "new", 4: "x", 5: "came"}})
    assert changes(NOON, NOON + HOUR) == [
        ("update", ["name"], 2, "new"), ("delete", [], 3, "gone"), ("update", ["name"], 4, "y"), ("insert", [], 5, "came"),
    ]  # fmt: skip
    assert changes(NOON) == [("update", ["name"], 2, "new"), ("delete", [], 3, "gone"), ("insert", [], 5, "came")]
    assert changes(NOON + HOUR, NOON) == [
        ("update", ["name"], 2, "old"), ("insert", [], 3, "gone"), ("update", ["name"], 4, "x"), ("delete", [], 5, "came"),
    ]  # fmt: skip
    assert changes(NOON - HOUR, NOON)[0] == ("insert", [], 1, "same")
    assert changes(NOON, NOON) == []


def test_the_same_key_in_two_partitions_is_two_rows(at: Callable[..., Any]) -> None:
    at(NOON, a={1: "x"}, b={1: "x"})
    at(NOON + HOUR, b={1: "y"})
    found = dp.changes("shop/sales", NOON)
    assert found[["_partition", "id", "name", "_change"]].values.tolist() == [["b", 1, "y", "update"]]


def test_missing_values_and_nested_values_are_compared_as_values(contract: Any, lake: str) -> None:
    rows: list[list[Any]] = [
        [(1, None, None), (2, "", None), (3, None, []), (4, None, ["a"]), (5, None, [None]), (6, "same", None)],
        [(1, "", None), (2, None, None), (3, None, None), (4, None, ["a"]), (5, None, [""]), (6, "same", None)],
    ]
    history = DatasetHistory(lake, "shop/sales")
    for hour, version in enumerate(rows):
        frame = pl.DataFrame(version, schema=dict(contract.dtypes), orient="row")
        history.commit([Draft.of("-", frame, contract)], contract, now=NOON + hour * HOUR)
    found = dp.changes("shop/sales", NOON)
    assert [(r["id"], list(r["_changed_columns"])) for r in found.to_dict("records")] == [
        (1, ["name"]), (2, ["name"]), (3, ["tags"]), (5, ["tags"]),
    ]  # fmt: skip


def test_changes_between_two_snapshots_are_told_by_their_keys(declare: Callable[..., Any], at: Callable[..., Any]) -> None:
    contract = declare({"id": pl.Int64, "name": pl.String}, "id", kind="snapshot")
    at(NOON, contract, **{"2026_01_01": {1: "x", 2: "y"}, "2026_01_02": {1: "x", 3: "z"}})
    at(NOON + HOUR, contract, **{"2026_01_03": {3: "Z"}})
    assert changes("2026-01-01", "2026-01-02") == [("delete", [], 2, "y"), ("insert", [], 3, "z")]
    assert changes("2026-01-02") == [("delete", [], 1, "x"), ("update", ["name"], 3, "Z")]
    assert changes(date(2026, 1, 1), date(2026, 1, 3)) == [("delete", [], 1, "x"), ("delete", [], 2, "y"), ("insert", [], 3, "Z")]


def test_a_column_added_since_is_part_of_what_changed(declare: Callable[..., Any], at: Callable[..., Any], lake: str) -> None:
    at(NOON, **{"-": {1: "x", 2: "y"}})
    wider = declare({"id": pl.Int64, "name": pl.String, "tags": pl.List(pl.String()), "more": pl.Int64}, "id", version="1.1.0")
    frame = pl.DataFrame([(1, "x", None, 7), (2, "y", None, None)], schema=dict(wider.dtypes), orient="row")
    DatasetHistory(lake, "shop/sales").commit([Draft.of("-", frame, wider)], wider, now=NOON + HOUR)
    assert changes(NOON) == [("update", ["more"], 1, "x")]


def test_changes_across_a_change_of_type_are_refused_and_those_before_it_told(declare: Callable[..., Any], at: Callable[..., Any]) -> None:
    at(NOON, **{"-": {1: "x"}})
    at(NOON + HOUR, **{"-": {1: "y"}})
    newer = declare({"id": pl.Int64, "name": pl.String, "tags": pl.String}, "id", version="2.0.0")
    at(NOON + 2 * HOUR, newer, **{"-": {1: "z"}})
    assert changes(NOON, NOON + HOUR) == [("update", ["name"], 1, "y")]
    with pytest.raises(DataProductsError, match=r"shop/sales: column 'tags' is not the same under the contracts 1\.x and 2\.x"):
        changes(NOON)


def test_a_dataset_without_a_key_has_no_changes_to_tell(declare: Callable[..., Any], at: Callable[..., Any]) -> None:
    at(NOON, declare({"id": pl.Int64, "name": pl.String}), **{"-": {1: "x"}})
    with pytest.raises(UnknownDataset, match="shop/sales has no key, and changes are by key"):
        changes(NOON)


@pytest.mark.parametrize("seed", range(2))
def test_changes_applied_to_the_state_before_give_the_state_after(seed: int, at: Callable[..., Any]) -> None:
    dice = random.Random(seed)
    states: list[tuple[datetime, dict[int, str | None]]] = []
    for step in range(6):
        state = {n: dice.choice(["x", "y", "", None]) for n in dice.sample(range(8), dice.randrange(8))}
        (done,) = at(NOON + step * HOUR, **{"-": state})
        states.append((done.version.known_at, state))
    for (since, before), (until, after) in [dice.sample(states, 2) for _ in range(8)]:
        applied = dict(before)
        for change, _, key, name in changes(since, until):
            if change == "delete":
                del applied[key]
            else:
                assert (key in before) == (change == "update")
                applied[key] = None if name is not None and name != name else name
        assert json.dumps(applied, sort_keys=True, default=lambda _: None) == json.dumps(after, sort_keys=True), f"seed {seed}"


# --- damage -----------------------------------------------------------------------------------------------------------


def _missing(path: Path) -> None:
    path.unlink()


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _overwritten(path: Path) -> None:
    path.write_bytes(b"<html>503</html>" * 100)


def _cut_in_the_middle(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + content[400:])


@pytest.fixture
def large(contract: Any, lake: str) -> DatasetHistory:
    history = DatasetHistory(lake, "shop/sales")
    for key in "abc":
        frame = pl.DataFrame({"id": range(2000), "name": [f"{key}{i * 7919 % 2000}" for i in range(2000)]})
        tags = pl.Series("tags", [[f"{key}{i % 5}"] for i in range(2000)])
        history.commit([Draft.of(key, frame.with_columns(tags), contract)], contract)
    return DatasetHistory(lake, "shop/sales")


def file_of(history: DatasetHistory, partition: str) -> Path:
    (version,) = history.versions(partition)
    return Path(history.table(1).absolute(version.files[0]))


@pytest.mark.parametrize("harm", [_missing, _truncated, _emptied, _overwritten, _cut_in_the_middle])
def test_a_harmed_file_is_named_by_every_reading_and_by_verify(harm: Callable[[Path], None], large: DatasetHistory) -> None:
    path = file_of(large, "b")
    harm(path)
    what = "is missing" if harm is _missing else "is damaged"
    sentence = f"shop/sales: partition 'b' version 1 cannot be read: {path} {what}; restore the file from a backup"
    reads: list[Callable[[], Any]] = [
        lambda: dp.read("shop/sales"),
        lambda: dp.read("shop/sales", "b", columns=["name"]),
        lambda: dp.read("shop/sales", "b", version=1),
        lambda: dp.changes("shop/sales", "2000-01-01"),
        lambda: large.verify(large.versions()),
    ]
    for read in reads:
        with pytest.raises(HistoryError) as told:
            read()
        assert str(told.value) == sentence
    assert len(dp.read("shop/sales", ["a", "c"])) == 4000


def test_every_flipped_byte_that_changes_a_value_is_found_by_verify(large: DatasetHistory) -> None:
    path = file_of(large, "b")
    (version,) = large.versions("b")
    content = path.read_bytes()
    stamped = [*large.table(1).dtypes, "_partition", "_version", "_known_at", "_contract"]
    sound = large.collect([version], stamped)
    found = 0
    for at in range(4, len(content), max(1, len(content) // 150)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        try:
            if large.collect([version], stamped).equals(sound):
                continue  # of a part that no reader looks at
        except HistoryError as told:
            named = str(told)
        else:
            named = str(path)
        found += 1
        with pytest.raises(HistoryError) as told_by_verify:
            large.verify([version])
        assert str(path) in named, f"byte {at}"
        assert str(path) in str(told_by_verify.value), f"byte {at}"
    assert found > 50
    path.write_bytes(content)
    large.verify(large.versions())


@pytest.mark.parametrize("harm", [_missing, _truncated, _emptied, _overwritten])
def test_a_harmed_ledger_is_named_and_nothing_is_committed_on_top_of_it(
    harm: Callable[[Path], None], large: DatasetHistory, contract: Any, lake: str
) -> None:
    (path, *_) = [Path(large.table(1).absolute(p)) for p in large.table(1)._paths("version")]
    harm(path)
    for attempt in (
        lambda: dp.read("shop/sales"),
        lambda: DatasetHistory(lake, "shop/sales").commit([Draft.of("a", contract.empty(), contract)], contract),
    ):
        with pytest.raises(HistoryError) as told:
            attempt()
        what = "is missing" if harm is _missing else "is damaged"
        assert f"{path} {what}; restore it from a backup" in str(told.value)


def test_a_garbled_log_is_told_in_one_sentence(large: DatasetHistory) -> None:
    log = Path(large.table(1).url, "_delta_log", "00000000000000000002.json")
    log.write_text("{not json")
    with pytest.raises(HistoryError, match=r"shop/sales: the history at .* cannot be used: "):
        dp.read("shop/sales")
