"""After an erasure no version, no refused row and no file of the lake holds the one who was erased, and nothing brings them back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataproducts.contract import Contract
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.registry import Registry
from dataproducts.errors import DataProductsError, HistoryError, UnknownDataset
from dataproducts.history import lake as reading
from dataproducts.history.ledger import UNPARTITIONED
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import HistoryTable
from dataproducts.quality.quarantine import Quarantine
from tests.erasure.searching import found_in

WHO, OTHER = "kari-nordmann-7731", "ola-nordmann-1204"
COLUMNS = {"who": str, "amount": int}


@pytest.fixture
def contract(declare: Callable[..., Contract]) -> Contract:
    import pandera.polars as pa

    return declare({"who": str, "amount": pa.Column(int, pa.Check.ge(0), nullable=True)}, "who")


def rows(*pairs: tuple[str, int]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema={"who": pl.String, "amount": pl.Int64}, orient="row")


def erase(lake: str, *keys: str, name: str = "shop/sales", **more: Any) -> erasing.Report:
    plan = erasing.plan(World(lake), name, [("--key", key) for key in keys or (WHO,)], **more)
    return erasing.erase(plan, reason="asked for it", ground="art. 17", who="tester")


def test_every_version_of_every_partition_loses_the_row_and_keeps_number_and_time(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"2026-01-01": rows((WHO, 1), (OTHER, 2)), "2026-01-02": rows((OTHER, 3))})
    store(contract, {"2026-01-01": rows((WHO, 5), (OTHER, 2)), "2026-01-03": rows((WHO, 9))})
    before = reading.versions("shop/sales")
    report = erase(lake)
    after = reading.versions("shop/sales")
    assert [(p.place, p.removed, p.versions) for p in report.places] == [("shop/sales", 3, 3)]
    assert [(v.partition, v.number, v.known_at) for v in after] == [(v.partition, v.number, v.known_at) for v in before]
    assert [v.rows for v in after] == [1, 1, 1, 0]
    assert after[2] == before[2]
    assert after[0].note["erased"] | {"at": ""} == {"count": 1, "at": "", "void_hashes": [before[0].content_hash]}
    DatasetHistory(lake, "shop/sales").verify(after)
    assert reading.read("shop/sales", as_of=before[0].known_at)["who"].tolist() == [OTHER, OTHER]
    assert not found_in(Path(lake), WHO)
    assert found_in(Path(lake), OTHER)


def test_the_same_rows_delivered_again_are_no_new_version_and_others_come_without_the_erased(
    lake: str, contract: Contract, store: Any
) -> None:
    store(contract, {"a": rows((WHO, 1), (OTHER, 2)), "b": rows((WHO, 1))})
    erase(lake)
    report = store(contract, {"a": rows((WHO, 1), (OTHER, 2)), "b": rows((WHO, 1)), "c": rows((OTHER, 1), (WHO, 4))})
    assert [(o.committed.version.number, o.committed.is_new) for o in report.outcomes.values()] == [(1, False), (1, False), (1, True)]
    assert reading.versions("shop/sales", "c")[0].note["erased"] == {"count": 1}
    assert reading.versions("shop/sales", "c")[0].note["received"] == 2
    assert WHO not in report.outcomes["c"].profile + report.outcomes["c"].sample
    assert not found_in(Path(lake), WHO)


def test_a_snapshot_of_which_everybody_is_erased_can_still_be_stored(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"a": rows((WHO, 1))}, least_rows=1)
    erase(lake)
    (outcome,) = store(contract, {"b": rows((WHO, 2))}, least_rows=1).outcomes.values()
    assert (outcome.committed.version.rows, outcome.committed.version.note["erased"]) == (0, {"count": 1})
    assert "at least 1 are expected" in store(contract, {"c": rows()}, least_rows=1, lenient=True).outcomes["c"].error


def test_erased_rows_count_as_delivered_where_row_counts_are_compared(lake: str, contract: Contract, store: Any) -> None:
    whole, limits = rows((WHO, 1), ("berit-nordmann-88", 2), (OTHER, 3), ("per-nordmann-4711", 4)), {"row_change": 0.4, "successive": True}
    store(contract, {"a": whole}, **limits)
    erase(lake, WHO, "berit-nordmann-88")
    again = store(contract, {"b": whole}, **limits)
    assert again.outcomes["b"].committed.version.rows == 2
    assert again.row_counts == []
    assert store(contract, {"c": rows((OTHER, 3), (OTHER + "0", 4))}, **limits).row_counts == ["c: 2 rows; the partitions before it had 4"]


def test_a_new_major_version_of_the_contract_does_not_bring_them_back(lake: str, contract: Contract, store: Any, declare: Any) -> None:
    store(contract, {"a": rows((WHO, 1), (OTHER, 2))})
    erase(lake)
    newer = declare({"who": str, "amount": float}, "who", version="2.0.0")
    store(newer, {"a": rows((WHO, 1), (OTHER, 2)).cast({"amount": pl.Float64})})
    assert [v.rows for v in reading.versions("shop/sales")] == [1, 1]
    assert erase(lake).places[0].removed == 0
    assert not found_in(Path(lake), WHO)


def test_refused_rows_go_too_and_a_replay_brings_nothing_back(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"a": rows((WHO, -1), (OTHER, -2), ("third-party-9", 3))}, refused_share=1.0)
    report = erase(lake)
    assert [(p.place, p.removed) for p in report.places] == [("shop/sales", 0), ("shop/sales, quarantine", 1)]
    quarantine = Quarantine(lake, "shop/sales")
    assert quarantine.rows(only_open=True).height == 1
    store(contract, {"a": rows((WHO, -1), (OTHER, -2), ("third-party-9", 4))}, refused_share=1.0)
    assert Quarantine(lake, "shop/sales").rows(only_open=True).height == 1
    assert not found_in(Path(lake), WHO)


def test_a_run_held_between_reading_and_storing_stores_nothing_of_the_erased(
    lake: str, contract: Contract, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(contract, {"a": rows((WHO, 1), (OTHER, 2))})
    held, free, honest = threading.Event(), threading.Event(), HistoryTable.commit
    slow = threading.local()

    def commit(table: HistoryTable, *given: Any, **more: Any) -> None:
        if getattr(slow, "is_it", False) and not held.is_set():
            held.set()
            assert free.wait(20)
        honest(table, *given, **more)

    def run() -> None:
        slow.is_it = True
        store(contract, {"a": rows((WHO, 7), (OTHER, 8)), "b": rows((WHO, 7))})

    monkeypatch.setattr(HistoryTable, "commit", commit)
    thread = threading.Thread(target=run)
    thread.start()
    assert held.wait(20)
    erase(lake)
    free.set()
    thread.join()
    assert [(v.partition, v.number, v.rows) for v in reading.versions("shop/sales")] == [("a", 1, 1), ("a", 2, 1), ("b", 1, 0)]
    assert reading.read("shop/sales")["amount"].tolist() == [8]
    assert not found_in(Path(lake), WHO)


def test_what_a_dead_run_left_is_swept(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"a": rows((WHO, 1), (OTHER, 2))})
    table = DatasetHistory(lake, "shop/sales").table(1)
    table.exists()
    table.write_rows([pl.read_parquet(table.absolute(reading.versions("shop/sales")[0].files[0]))])
    erase(lake)
    assert not found_in(Path(lake), WHO)


def test_a_compacted_ledger_keeps_nothing_of_what_products_said(lake: str, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataproducts.history.table.COMPACT_LEDGER_AT", 3)
    history = DatasetHistory(lake, "shop/sales")
    for day in "abcde":
        note = {"removed_units": [WHO, OTHER], "said": f"{WHO} was here", "run": "run"}
        history.commit([Draft.of(day, rows((WHO, 1), (day, 2)), contract, note)], contract)
    erase(lake)
    assert reading.versions("shop/sales")[0].note | {"erased": 0} == {
        "removed_units": [OTHER],
        "said": "erased was here",
        "run": "run",
        "erased": 0,
    }
    assert not found_in(Path(lake), WHO)


def test_the_table_is_append_only_again_and_a_reader_of_delta_sees_no_missing_file(lake: str, contract: Contract, store: Any) -> None:
    from deltalake import DeltaTable

    store(contract, {"a": rows((WHO, 1), (OTHER, 2)), "b": rows((OTHER, 2))})
    erase(lake)
    table = DeltaTable(f"{lake}/shop/sales/v1")
    assert table.metadata().configuration["delta.appendOnly"] == "true"
    paths = pl.DataFrame(table.get_add_actions(flatten=True))["path"]
    assert all(Path(lake, "shop/sales/v1", path).exists() for path in paths)
    assert sum(len(pl.read_parquet(Path(lake, "shop/sales/v1", path))) for path in paths if "_entry=row" in path) == 2


def test_the_registry_says_who_asked_when_and_why_and_not_whom(lake: str, contract: Contract, store: Any, home: Path) -> None:
    store(contract, {UNPARTITIONED: rows((WHO, 1))})
    erase(lake)
    begun, done = Registry(lake).refresh().lines
    assert (begun.who, begun.ground, begun.reason, begun.dataset, begun.columns) == (
        "tester",
        "art. 17",
        "asked for it",
        "shop/sales",
        (("who", "who"),),
    )
    assert (begun.state, done.state, done.erasure) == ("begun", "done", begun.erasure)
    assert len(begun.hash) == 64
    assert not found_in(Path(lake), WHO)
    assert (home / "erasure.key").stat().st_mode & 0o777 == 0o600


def test_without_the_key_of_the_registry_nothing_is_stored(lake: str, contract: Contract, store: Any, home: Path, monkeypatch: Any) -> None:
    store(contract, {"a": rows((WHO, 1))})
    erase(lake)
    (home / "erasure.key").rename(home / "lost")
    assert "DATAPRODUCTS_ERASURE_KEY is not set" in store(contract, {"b": rows((WHO, 1))}, lenient=True).outcomes["b"].error
    monkeypatch.setenv("DATAPRODUCTS_ERASURE_KEY", "ab" * 32)
    assert "were written with the key" in store(contract, {"b": rows((WHO, 1))}, lenient=True).outcomes["b"].error
    assert [v.partition for v in reading.versions("shop/sales")] == ["a"]


def test_a_key_that_is_nowhere_changes_nothing(lake: str, contract: Contract, store: Any, home: Path) -> None:
    store(contract, {"a": rows((WHO, 1))})
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*")}
    with pytest.raises(UnknownDataset, match="has no row of that key in any version; nothing was changed"):
        erase(lake, OTHER)
    with pytest.raises(UnknownDataset, match="1 of the 2 keys"):
        erase(lake, WHO, OTHER)
    with pytest.raises(UnknownDataset, match="has no history"):
        erase(lake, name="shop/nothing")
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*")} == before


def test_a_reason_that_names_the_one_to_forget_is_refused(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"a": rows((WHO, 1))})
    plan = erasing.plan(World(lake), "shop/sales", [("--key", WHO)])
    with pytest.raises(DataProductsError, match="say it without"):
        erasing.erase(plan, reason=f"asked by {WHO}", who="tester")
    assert not Registry(lake).refresh().lines


def test_an_interrupted_erasure_is_finished_by_hash_alone(lake: str, contract: Contract, store: Any, monkeypatch: Any) -> None:
    store(contract, {"a": rows((WHO, 1), (OTHER, 2)), "b": rows((WHO, 1))})
    store(contract, {"c": rows((WHO, -1), (OTHER, 2))}, refused_share=1.0)
    with monkeypatch.context() as patch:
        patch.setattr(HistoryTable, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            erase(lake)
    assert len(Registry(lake).refresh().open()) == 1
    (report,) = erasing.resume(World(lake))
    assert sum(place.removed for place in report.places) == 3
    assert not Registry(lake).refresh().open()
    assert not found_in(Path(lake), WHO)
    assert erasing.resume(World(lake)) == []


@pytest.mark.parametrize(("key", "dtype"), [("7731", int), ("2026-01-31", pl.Date), ('{"shop": "north", "number": 7}', None)])
def test_keys_of_other_types_and_of_several_columns(lake: str, declare: Any, store: Any, key: str, dtype: Any) -> None:
    from datetime import date

    if dtype is None:
        contract = declare({"shop": str, "number": int}, ("shop", "number"))
        frame = pl.DataFrame({"shop": ["north", "north", "south"], "number": [7, 8, 7]})
    else:
        contract = declare({"number": dtype, "amount": int}, "number")
        values = [7731, 77] if dtype is int else [date(2026, 1, 31), date(2026, 2, 1)]
        frame = pl.DataFrame({"number": values, "amount": [1, 2]})
    store(contract, {"a": frame})
    assert erase(lake, key).places[0].removed == 1
    (again,) = store(contract, {"b": frame}).outcomes.values()
    assert again.committed.version.rows == frame.height - 1


def test_an_erasure_of_many_keys_by_a_column_that_is_not_the_key(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"a": rows((WHO, 7), (OTHER, 8), ("third-party-9", 7))})
    assert erase(lake, '{"amount": 7}').places[0].removed == 2
    assert reading.read("shop/sales")["who"].tolist() == [OTHER]


def test_a_dataset_without_a_key_wants_to_know_the_column(lake: str, declare: Any, store: Any) -> None:
    contract = declare({"who": str, "amount": int})
    store(contract, {"a": rows((WHO, 7), (OTHER, 8))})
    with pytest.raises(DataProductsError, match="has no key; name the column that tells who it is"):
        erase(lake)
    assert erase(lake, f'{{"who": "{WHO}"}}').places[0].removed == 1
    assert not found_in(Path(lake), WHO)


def test_a_reader_from_before_an_erasure_reads_what_is_left(lake: str, contract: Contract, store: Any) -> None:
    store(contract, {"a": rows((WHO, 1), (OTHER, 2))})
    reader = DatasetHistory(lake, "shop/sales")
    (before,) = reader.versions()
    erase(lake)
    with pytest.raises(HistoryError, match="was rewritten by an erasure while it was read; read it again"):
        reader.collect([before])
    assert reader.collect(reader.versions())["who"].to_list() == [OTHER]
