"""What the kit leans on in Delta tables as delta-rs writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An append-only table of one column, partitioned by another."""
    path = str(tmp_path / "table")
    schema = Schema.from_arrow(pa.schema([("n", pa.int64()), ("_entry", pa.string())]))
    configuration: dict[str, str | None] = {"delta.appendOnly": "true"}
    DeltaTable.create(path, schema=schema, partition_by=["_entry"], configuration=configuration)
    return path


def add(url: str, name: str, rows: list[int]) -> AddAction:
    pl.DataFrame({"n": rows}, schema={"n": pl.Int64}).write_parquet(Path(url) / name)
    size = (Path(url) / name).stat().st_size
    return AddAction(name, size, {"_entry": "row"}, 0, True, json.dumps({"numRecords": len(rows)}))


def commit(table: DeltaTable, action: AddAction, *fences: tuple[str, int]) -> None:
    properties = CommitProperties(app_transactions=[Transaction(name, number) for name, number in fences])
    table.create_write_transaction([action], mode="append", schema=table.schema(), partition_by=["_entry"], commit_properties=properties)


def values(url: str) -> list[int]:
    return sorted(DeltaTable(url).to_pyarrow_table()["n"].to_pylist())


def test_a_file_is_in_the_table_once_a_commit_names_it_and_not_before(url: str) -> None:
    action = add(url, "a.parquet", [1, 2])
    assert values(url) == []
    commit(DeltaTable(url), action)
    assert values(url) == [1, 2]


def test_two_writers_with_the_same_fence_conflict_and_with_others_do_not(url: str) -> None:
    first, second, third = DeltaTable(url), DeltaTable(url), DeltaTable(url)
    commit(first, add(url, "a.parquet", [1]), ("2026-01-01", 1))
    with pytest.raises(CommitFailedError):
        commit(second, add(url, "b.parquet", [2]), ("2026-01-01", 1))
    commit(third, add(url, "c.parquet", [3]), ("2026-01-02", 1))
    assert values(url) == [1, 3]


def test_a_change_of_the_tables_properties_makes_every_write_under_way_fail(url: str) -> None:
    writer, other = DeltaTable(url), DeltaTable(url)
    other.alter.set_table_properties({"dataproducts.supersededBy": "2.0.0"}, raise_if_not_exists=False)
    with pytest.raises(CommitFailedError):
        commit(writer, add(url, "a.parquet", [1]), ("2026-01-01", 1))
    assert DeltaTable(url).metadata().configuration["dataproducts.supersededBy"] == "2.0.0"


def test_an_append_only_table_refuses_to_lose_rows(url: str) -> None:
    commit(DeltaTable(url), add(url, "a.parquet", [1, 2]))
    with pytest.raises(DeltaError, match=r"(?i)append"):
        DeltaTable(url).delete("n = 1")
    assert values(url) == [1, 2]


def test_the_log_holds_the_statistics_it_is_given_and_no_values_of_rows(url: str) -> None:
    commit(DeltaTable(url), add(url, "a.parquet", [123456789]))
    log = "".join(p.read_text() for p in (Path(url) / "_delta_log").glob("*.json"))
    assert "numRecords" in log
    assert "123456789" not in log


def test_an_empty_text_as_a_partition_value_comes_back_as_missing(tmp_path: Path) -> None:
    """So a dataset without partitions has the key "-"."""
    path = str(tmp_path / "table")
    write_deltalake(path, pa.table({"n": [1], "p": [""]}), partition_by=["p"])
    assert DeltaTable(path).to_pyarrow_table()["p"].to_pylist() == [None]


def test_a_write_casts_in_silence(tmp_path: Path) -> None:
    """So types are compared before every write, and rows are written as Parquet by ourselves."""
    path = str(tmp_path / "table")
    write_deltalake(path, pa.table({"n": pa.array([1], pa.int64())}))
    write_deltalake(path, pa.table({"n": pa.array([2], pa.int32())}), mode="append")
    assert DeltaTable(path).to_pyarrow_table()["n"].to_pylist() in ([1, 2], [2, 1])
    assert DeltaTable(path).to_pyarrow_table().schema.field("n").type == pa.int64()


def test_an_open_table_sees_others_commits_only_when_told_to(url: str) -> None:
    reader = DeltaTable(url)
    commit(DeltaTable(url), add(url, "a.parquet", [1]))
    assert reader.version() == 0
    reader.update_incremental()
    assert reader.version() == 1


def test_what_a_table_lists_is_told_by_its_partition_value(url: str) -> None:
    commit(DeltaTable(url), add(url, "a.parquet", [1]))
    actions: Any = pl.DataFrame(DeltaTable(url).get_add_actions(flatten=True))
    assert {"partition._entry", "partition_values._entry"} & set(actions.columns)
    assert actions["path"].to_list() == ["a.parquet"]
