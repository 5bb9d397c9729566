"""Versions of partitions: numbered without gaps, never changed, never lost, and none without new content."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.table import TableOptimizer

import dataproducts as dp
from dataproducts.errors import ContractBreach, HistoryError
from dataproducts.history import table as history_table
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import Overtaken

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROPERTIES = {
    "delta.appendOnly": "true",
    "delta.checkpointInterval": "10",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}


def cups(*pairs: tuple[int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"id": pl.Int64, "name": pl.String}, orient="row")


def commit(history: DatasetHistory, contract: Any, partition: str, frame: pl.DataFrame, **more: Any) -> Any:
    follows = more.pop("follows", None)
    return history.commit([Draft.of(partition, frame, contract, follows=follows)], contract, **more)[0]


@pytest.fixture
def contract(declare: Callable[..., Any]) -> Any:
    return declare({"id": pl.Int64, "name": pl.String}, "id")


@pytest.fixture
def history(lake: str) -> DatasetHistory:
    return DatasetHistory(lake, "shop/sales")


# --- versions ---------------------------------------------------------------------------------------------------------


def test_versions_are_numbered_per_partition_without_gaps(contract: Any, history: DatasetHistory) -> None:
    for name in ("x", "y", "x"):
        commit(history, contract, "a", cups((1, name)))
    commit(history, contract, "b", cups((1, "x")))
    found = history.versions()
    assert [(v.partition, v.number) for v in found] == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    assert found[0].content_hash == found[2].content_hash == found[3].content_hash != found[1].content_hash


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_in_another_order_are_no_new_version(seed: int, contract: Any, history: DatasetHistory) -> None:
    frame = cups(*((i, f"n{i}") for i in range(50)), (99, None))
    first = commit(history, contract, "-", frame)
    again = commit(history, contract, "-", frame.sample(fraction=1, shuffle=True, seed=seed).select("name", "id"))
    assert (first.is_new, again.is_new) == (True, False)
    assert again.version == first.version
    assert len(history.versions()) == 1


def test_of_many_partitions_only_the_changed_ones_get_a_version(contract: Any, history: DatasetHistory) -> None:
    keys = [f"2026-01-{d:02}" for d in range(1, 31)]
    history.commit([Draft.of(k, cups((1, k)), contract) for k in keys], contract)
    done = history.commit([Draft.of(k, cups((1, "new" if k.endswith("7") else k)), contract) for k in keys], contract)
    assert [c.version.partition for c in done if c.is_new] == ["2026-01-07", "2026-01-17", "2026-01-27"]
    assert [c.version.partition for c in done] == keys
    assert len(history.versions()) == 33


def test_a_handle_opened_long_ago_does_not_mistake_another_writers_content_for_unchanged(contract: Any, lake: str) -> None:
    old, other = DatasetHistory(lake, "shop/sales"), DatasetHistory(lake, "shop/sales")
    commit(old, contract, "-", cups((1, "x")))
    commit(other, contract, "-", cups((1, "y")))
    assert commit(old, contract, "-", cups((1, "x"))).is_new
    assert dp.read("shop/sales")["name"].tolist() == ["x"]


def test_knowledge_time_never_runs_backwards_whatever_the_clock_says(contract: Any, history: DatasetHistory) -> None:
    for hours, name in ((0, "a"), (-5, "b"), (-5, "c"), (1, "d")):
        commit(history, contract, "-", cups((1, name)), now=NOON + timedelta(hours=hours))
    known = [v.known_at for v in history.versions()]
    step = timedelta(microseconds=1)
    assert known == [NOON, NOON + step, NOON + 2 * step, NOON + timedelta(hours=1)]
    assert dp.read("shop/sales", as_of=NOON + step)["name"].tolist() == ["b"]


def test_rows_that_cannot_be_written_leave_nothing_of_the_batch(contract: Any, history: DatasetHistory) -> None:
    commit(history, contract, "a", cups((1, "x")))

    def broken() -> Any:
        yield cups((1, "y"))
        raise RuntimeError("source went away")

    with pytest.raises(RuntimeError, match="source went away"):
        history.commit([Draft.of("a", cups((2, "z")), contract), Draft("b", broken, 2, "0" * 64)], contract)
    assert [(v.partition, v.number) for v in history.refresh().versions()] == [("a", 1)]
    assert commit(history, contract, "b", cups((1, "y"))).version.number == 1


def test_a_draft_made_from_a_version_that_is_no_longer_the_newest_is_refused(contract: Any, history: DatasetHistory) -> None:
    commit(history, contract, "-", cups((1, "x")), follows=0)
    commit(history, contract, "-", cups((1, "y")), follows=1)
    with pytest.raises(Overtaken):
        commit(history, contract, "-", cups((1, "z")), follows=1)
    assert [v.number for v in history.refresh().versions()] == [1, 2]
    assert len(list(Path(history.table(1).url, "_entry=row").iterdir())) == 2


@pytest.mark.parametrize("error", [OSError("connection reset by peer"), CommitFailedError("a commit with this version exists")], ids=repr)
def test_a_commit_whose_answer_was_lost_is_a_commit(
    error: Exception, contract: Any, history: DatasetHistory, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(history, contract, "-", cups((1, "x")))
    honest = DeltaTable.create_write_transaction

    def answerless(*arguments: Any, **more: Any) -> None:
        honest(*arguments, **more)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", answerless)
        assert commit(history, contract, "-", cups((2, "y"))).is_new
    fresh = DatasetHistory(lake, "shop/sales")
    fresh.verify(fresh.versions())
    assert [v.number for v in fresh.versions()] == [1, 2]
    assert dp.read("shop/sales")["name"].tolist() == ["y"]


def test_a_commit_that_failed_leaves_no_file_behind(contract: Any, history: DatasetHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(history, contract, "-", cups((1, "x")))
    before = set(Path(history.table(1).url).rglob("*"))

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", refuse)
        with pytest.raises(HistoryError, match=r"cannot be used: connection reset by peer; nothing was stored"):
            commit(history, contract, "-", cups((2, "y")))
    assert set(Path(history.table(1).url).rglob("*")) == before
    assert commit(history, contract, "-", cups((2, "y"))).version.number == 2


def test_a_ledger_that_cannot_be_compacted_does_not_fail_the_commit(
    contract: Any, history: DatasetHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history_table, "COMPACT_LEDGER_AT", 1)
    monkeypatch.setattr(TableOptimizer, "compact", full)
    assert commit(history, contract, "-", cups((1, "x"))).is_new
    assert dp.read("shop/sales")["name"].tolist() == ["x"]


def test_a_version_without_rows_is_a_version(contract: Any, history: DatasetHistory, lake: str) -> None:
    commit(history, contract, "-", cups((1, "x")))
    commit(history, contract, "-", cups())
    assert [v.rows for v in DatasetHistory(lake, "shop/sales").versions()] == [1, 0]
    assert dp.read("shop/sales").empty
    assert not commit(history, contract, "-", cups()).is_new


# --- partition keys ---------------------------------------------------------------------------------------------------

KEYS = ["-", "æøå", "a/b", "50%", "%2F", "x=y", "2026-01-01|oslo", "k" * 200, ".", "..", "a b", "'\"", "\\", "@intervals", "🦆", "null"]


@pytest.mark.parametrize("key", KEYS)
def test_any_partition_key_is_stored_under_its_own_name(key: str, contract: Any, history: DatasetHistory, lake: str) -> None:
    commit(history, contract, "other", cups((7, "other")))
    commit(history, contract, key, cups((1, "x")))
    commit(history, contract, key, cups((1, key)))
    assert dp.read("shop/sales", key)["name"].tolist() == [key]
    assert dp.read("shop/sales", key, version=1)["name"].tolist() == ["x"]
    assert [v.number for v in dp.versions("shop/sales", key)] == [1, 2]
    assert dp.read("shop/sales", columns=["_partition"])["_partition"].sort_values().tolist() == sorted([key, "other"])
    assert {p.name for p in Path(lake, "shop", "sales").iterdir()} == {"v1"}
    assert all(p.parent.name in ("_entry=row", "_entry=version") for p in Path(lake).rglob("*.parquet"))


def test_all_odd_keys_together_in_one_batch_stay_apart(contract: Any, history: DatasetHistory) -> None:
    history.commit([Draft.of(k, cups((n, k)), contract) for n, k in enumerate(KEYS)], contract)
    for n, key in enumerate(KEYS):
        assert dp.read("shop/sales", key).values.tolist() == [[n, key]]
    history.verify(history.versions())


# --- the contract changes ---------------------------------------------------------------------------------------------


def test_a_new_nullable_column_reads_as_missing_in_older_versions(
    declare: Callable[..., Any], store: Callable[..., Any], lake: str
) -> None:
    store(declare({"id": pl.Int64}, "id"), {"a": pl.DataFrame({"id": [1]}), "b": pl.DataFrame({"id": [2]})})
    wider = declare({"id": pl.Int64, "tags": pl.List(pl.Struct({"x": pl.Decimal(9, 2)}))}, "id", version="1.1.0")
    store(wider, {"b": pl.DataFrame({"id": [2], "tags": [[{"x": None}]]}, schema=dict(wider.dtypes))})
    found = dp.scan("shop/sales").sort("id").collect()
    assert found.rows() == [(1, None), (2, [{"x": None}])]
    assert dp.read("shop/sales", "b", version=1)["tags"].isna().tolist() == [True]
    history = DatasetHistory(lake, "shop/sales")
    history.verify(history.versions())
    assert [v.contract for v in history.versions()] == ["1.0.0", "1.0.0", "1.1.0"]


def test_a_writer_of_the_older_minor_version_can_still_write(declare: Callable[..., Any], store: Callable[..., Any], lake: str) -> None:
    old, new = declare({"id": pl.Int64}, "id"), declare({"id": pl.Int64, "name": pl.String}, "id", version="1.1.0")
    store(old, {"a": pl.DataFrame({"id": [1]})})
    store(new, {"b": pl.DataFrame({"id": [2], "name": ["x"]})})
    store(old, {"a": pl.DataFrame({"id": [3]})})
    assert dp.scan("shop/sales").sort("id").collect().rows() == [(2, "x"), (3, None)]
    history = DatasetHistory(lake, "shop/sales")
    history.verify(history.versions())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pl.Int64(), pl.String()),
        (pl.Decimal(9, 2), pl.Decimal(9, 3)),
        (pl.Date(), pl.Datetime("us", "UTC")),
        (pl.List(pl.Int64()), pl.List(pl.Float64())),
        (pl.Struct({"a": pl.Int64()}), pl.Struct({"a": pl.Int64(), "b": pl.Int64()})),
    ],
)
def test_a_change_of_type_is_refused_and_names_the_version_it_needs(
    before: Any, after: Any, declare: Callable[..., Any], history: DatasetHistory
) -> None:
    old, new = declare({"id": pl.Int64, "v": before}, "id"), declare({"id": pl.Int64, "v": after}, "id", version="1.1.0")
    commit(history, old, "-", pl.DataFrame({"id": [1], "v": [None]}, schema=dict(old.dtypes)))
    with pytest.raises(ContractBreach, match=r"shop/sales: column 'v' is stored as .*; a change of type needs version 2\.0\.0"):
        commit(history, new, "-", pl.DataFrame({"id": [1], "v": [None]}, schema=dict(new.dtypes)))
    assert len(history.versions()) == 1


def test_a_major_version_has_its_own_schema_and_the_old_one_stays_readable(declare: Callable[..., Any], store: Callable[..., Any]) -> None:
    old, new = declare({"id": pl.Int64, "v": pl.Int64}, "id"), declare({"id": pl.Int64, "v": pl.String}, "id", version="2.0.0")
    store(old, {"a": pl.DataFrame({"id": [1], "v": [1]}), "b": pl.DataFrame({"id": [1], "v": [2]})})
    store(new, {"a": pl.DataFrame({"id": [1], "v": ["one"]})})
    assert [(v.partition, v.number, v.contract) for v in dp.versions("shop/sales")] == [
        ("a", 1, "1.0.0"), ("a", 2, "2.0.0"), ("b", 1, "1.0.0"),
    ]  # fmt: skip
    assert dp.read("shop/sales", "a")["v"].tolist() == ["one"]
    assert dp.read("shop/sales", "a", version=1)["v"].tolist() == [1]
    assert dp.read("shop/sales", contract=1)["v"].tolist() == [1, 2]
    assert dp.read("shop/sales", contract="2.0.0")["v"].tolist() == ["one"]
    with pytest.raises(HistoryError, match=r"under different contracts \(1 under 1\.x, 1 under 2\.x\); read one of them with contract"):
        dp.read("shop/sales")


def test_an_old_writer_is_told_once_that_its_contract_is_closed(declare: Callable[..., Any], lake: str) -> None:
    old, new = declare({"id": pl.Int64}, "id", version="9.1.0"), declare({"id": pl.String}, "id", version="10.0.0")
    active = DatasetHistory(lake, "shop/sales")
    commit(active, old, "-", pl.DataFrame({"id": [1]}))
    commit(DatasetHistory(lake, "shop/sales"), new, "-", pl.DataFrame({"id": ["1"]}))
    for writer in (active, DatasetHistory(lake, "shop/sales")):
        with pytest.raises(HistoryError) as refused:
            commit(writer, old, "-", pl.DataFrame({"id": [2]}))
        assert str(refused.value) == ("shop/sales: contract 9.1.0 is closed to writers since 10.0.0 was published; deploy the newer code")
    assert [(v.number, v.contract) for v in DatasetHistory(lake, "shop/sales").versions()] == [(1, "9.1.0"), (2, "10.0.0")]


# --- append-only ------------------------------------------------------------------------------------------------------


@pytest.fixture
def aged(contract: Any, history: DatasetHistory, monkeypatch: pytest.MonkeyPatch) -> DatasetHistory:
    """A history of forty commits with checkpoints, a compacted ledger and a log that looks 400 days old."""
    monkeypatch.setattr(history_table, "COMPACT_LEDGER_AT", 12)
    for number in range(40):
        commit(history, contract, f"p{number % 4}", cups((1, f"n{number}"), (2, "same")))
    then = time.time() - 400 * 86400
    for path in Path(history.table(1).url, "_delta_log").iterdir():
        os.utime(path, (then, then))
    return history


def everything(lake: str) -> dict[tuple[str, int], list[Any]]:
    history = DatasetHistory(lake, "shop/sales")
    history.verify(history.versions())
    return {(v.partition, v.number): history.collect([v]).rows() for v in history.versions()}


def expected() -> dict[tuple[str, int], list[Any]]:
    return {(f"p{n % 4}", n // 4 + 1): [(1, f"n{n}"), (2, "same")] for n in range(40)}


def test_many_commits_and_a_compacted_ledger_lose_nothing(aged: DatasetHistory, lake: str) -> None:
    assert everything(lake) == expected()
    assert len(aged.table(1)._paths("version")) < 15


@pytest.mark.parametrize("way", ["overwrite", "overwrite_all", "delete", "update", "merge"])
def test_no_delta_writer_can_overwrite_or_delete(way: str, aged: DatasetHistory, lake: str) -> None:
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    table = DeltaTable(aged.table(1).url)
    rows = pl.DataFrame(schema={"_entry": pl.String, "_partition": pl.String}).to_arrow()
    attempts: dict[str, Callable[[], Any]] = {
        "overwrite": lambda: write_deltalake(table, rows, mode="overwrite", schema_mode="overwrite"),
        "overwrite_all": lambda: write_deltalake(table, rows, mode="overwrite", predicate="_entry = 'row'", schema_mode="merge"),
        "delete": lambda: table.delete("_partition = 'p1'"),
        "update": lambda: table.update({"name": "'forged'"}),
        "merge": lambda: (
            table.merge(rows, "t._partition = s._partition", source_alias="s", target_alias="t")
            .when_not_matched_by_source_delete()
            .execute()
        ),
    }
    with pytest.raises(DeltaError, match="append-only"):
        attempts[way]()
    assert everything(lake) == expected()


def test_the_properties_that_protect_the_history_are_set_after_every_operation(
    contract: Any, declare: Callable[..., Any], history: DatasetHistory, lake: str
) -> None:
    def check(major: int) -> None:
        configuration = DeltaTable(history.table(major).url).metadata().configuration
        assert {k: configuration.get(k) for k in PROPERTIES} == PROPERTIES
        protocol = DeltaTable(history.table(major).url).protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)

    commit(history, contract, "-", cups((1, "x")))
    check(1)
    commit(history, contract, "-", cups())
    check(1)
    wider = declare({"id": pl.Int64, "name": pl.String, "more": pl.List(pl.Date())}, "id", version="1.1.0")
    commit(history, wider, "-", pl.DataFrame({"id": [1], "name": ["x"], "more": [[]]}, schema=dict(wider.dtypes)))
    check(1)
    newer = declare({"id": pl.String}, "id", version="2.0.0")
    commit(history, newer, "-", pl.DataFrame({"id": ["1"]}))
    check(1)
    check(2)
    for number in range(12):
        commit(history, newer, "-", pl.DataFrame({"id": [str(number)]}))
    check(2)


def test_vacuum_names_nothing_that_a_version_needs(aged: DatasetHistory, lake: str) -> None:
    named = DeltaTable(aged.table(1).url).vacuum(0, dry_run=True, enforce_retention_duration=False)
    needed = {path for v in aged.versions() for path in v.files} | set(aged.table(1)._paths("version"))
    assert not needed & set(named)


def test_cleaning_an_old_log_and_vacuuming_leave_every_version_readable(aged: DatasetHistory, lake: str) -> None:
    table = DeltaTable(aged.table(1).url)
    table.create_checkpoint()
    table.cleanup_metadata()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert everything(lake) == expected()
    assert len(list(Path(aged.table(1).url, "_delta_log").glob("*.json"))) >= 40


def test_history_survives_even_if_another_writer_has_cleaned_the_log(aged: DatasetHistory, lake: str, contract: Any) -> None:
    log = Path(aged.table(1).url, "_delta_log")
    DeltaTable(aged.table(1).url).create_checkpoint()
    newest = max(log.glob("*.checkpoint.parquet")).name.split(".")[0]
    for entry in log.glob("*.json"):
        if entry.name.split(".")[0] < newest:
            entry.unlink()
    assert everything(lake) == expected()
    assert commit(DatasetHistory(lake, "shop/sales"), contract, "p0", cups((1, "after"))).version.number == 11


# --- what lies on disk ------------------------------------------------------------------------------------------------


def test_a_batch_of_partitions_is_one_file_and_one_transaction(contract: Any, history: DatasetHistory) -> None:
    history.commit([Draft.of(f"p{i}", cups((i, "x")), contract) for i in range(200)], contract)
    url = Path(history.table(1).url)
    assert len(list((url / "_entry=row").iterdir())) == 1
    assert len(list((url / "_delta_log").glob("*.json"))) == 2  # created, committed


def test_reading_a_partition_touches_only_the_files_that_hold_it(contract: Any, history: DatasetHistory) -> None:
    for name in ("a", "b", "c", "d"):
        commit(history, contract, name, cups((1, name)))
    for version in history.versions():
        if version.partition in ("a", "d"):
            Path(history.table(1).absolute(version.files[0])).unlink()
    assert dp.read("shop/sales", "b")["name"].tolist() == ["b"]
    assert dp.read("shop/sales", ("b", "c"))["name"].tolist() == ["b", "c"]
    assert dp.read("shop/sales", ["c"])["name"].tolist() == ["c"]


def test_the_log_holds_no_value_of_a_row(contract: Any, history: DatasetHistory) -> None:
    for number in range(12):  # with a checkpoint
        commit(history, contract, "-", cups((31_415_926 + number, f"secret-{number}")))
    for path in Path(history.table(1).url, "_delta_log").iterdir():
        if path.suffix == ".json":
            assert "secret" not in path.read_text()
            assert "31415926" not in path.read_text()
        elif path.suffix == ".parquet":
            text = repr(pl.read_parquet(path).to_dicts())
            assert "secret" not in text
            assert "31415926" not in text


@pytest.mark.parametrize("engine", ["polars", "pyarrow", "deltalake"])
def test_other_engines_find_the_current_rows_by_the_ledger_in_the_table(engine: str, contract: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import QueryBuilder

    history = DatasetHistory(str(tmp_path / "lake"), "shop/sales")  # polars' own reader finds no file in a folder with a space
    history.commit([Draft.of("a", cups((1, "old")), contract), Draft.of("b", cups((2, "b")), contract)], contract)
    commit(history, contract, "a", cups((1, "new"), (3, "more")))
    commit(history, contract, "b", cups())
    commit(history, contract, "c", cups((4, "c")))
    url = history.table(1).url
    if engine == "polars":
        table = pl.scan_delta(url)
    elif engine == "pyarrow":
        files = DeltaTable(url).file_uris()
        partitioning = ds.partitioning(pa.schema([("_entry", pa.string())]), flavor="hive")
        schema = pa.schema(DeltaTable(url).schema().to_arrow())
        table = pl.scan_pyarrow_dataset(ds.dataset(files, partitioning=partitioning, partition_base_dir=url, schema=schema))
    else:
        found = QueryBuilder().register("sales", DeltaTable(url)).execute("select * from sales").read_all()
        table = pl.DataFrame(found).lazy()
    newest = table.filter(pl.col("_entry") == "version").group_by("_partition").agg(pl.col("_version").max())
    rows = table.filter(pl.col("_entry") == "row").join(newest, on=["_partition", "_version"]).select("id", "name").sort("id")
    assert rows.collect().rows() == [(1, "new"), (3, "more"), (4, "c")]


def test_the_ledger_says_which_run_made_a_version_and_what_it_received(contract: Any, store: Callable[..., Any], lake: str) -> None:
    store(contract, {"-": dp.Result(cups((1, "x")), metadata={"source_date": "2026-01-01", "run": "forged"})}, run="r1")
    (version,) = DatasetHistory(lake, "shop/sales").versions()
    assert version.note == {"source_date": "2026-01-01", "run": "r1", "received": 1, "refused": 0}
    assert json.loads(json.dumps(version.as_dict()))["content_hash"] == version.content_hash


def test_two_histories_of_random_commits_agree_with_a_list(contract: Any, lake: str) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    handles = [DatasetHistory(lake, "shop/sales") for _ in range(2)]
    model: dict[str, list[list[Any]]] = {}
    for _ in range(40):
        key, rows = dice.choice("abc"), [(i, dice.choice("xy")) for i in range(dice.randrange(3))]
        commit(dice.choice(handles), contract, key, cups(*rows))
        versions = model.setdefault(key, [])
        if not versions or versions[-1] != rows:
            versions.append(rows)
    fresh = DatasetHistory(lake, "shop/sales")
    found = {(v.partition, v.number): fresh.collect([v]).rows() for v in fresh.versions()}
    assert found == {(k, n): rows for k, versions in model.items() for n, rows in enumerate(versions, 1)}, f"seed {seed}"
