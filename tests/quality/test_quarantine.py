"""Refused rows are kept as they came, told with their reasons, and taken in when the contract allows it: once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import HistoryError, UnknownDataset
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.materialization import Limits, Materializer
from dataproducts.quality import quarantine as quarantine_module
from dataproducts.quality.conform import Refused
from dataproducts.quality.quarantine import Quarantine, Replay


def column(dtype: Any, *checks: Any, nullable: bool = True, **facts: Any) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=nullable, metadata={"dataproducts": facts})


@pytest.fixture
def strict(declare: Callable[..., Any]) -> Any:
    return declare({"id": pl.Int64, "n": column(pl.Int64, pa.Check.ge(0))}, "id")


@pytest.fixture
def relaxed(declare: Callable[..., Any]) -> Any:
    return declare({"id": pl.Int64, "n": column(pl.Int64, pa.Check.ge(-10))}, "id", version="1.1.0")


@pytest.fixture
def quarantine(lake: str) -> Quarantine:
    return Quarantine(lake, "shop/sales")


@pytest.fixture
def history(lake: str) -> DatasetHistory:
    return DatasetHistory(lake, "shop/sales")


def counts(*pairs: tuple[int, int | None]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"id": pl.Int64, "n": pl.Int64}, orient="row")


def states(quarantine: Quarantine, partition: str | None = None) -> list[tuple[Any, ...]]:
    rows = quarantine.rows(partition).select("received", "state", "resolved_by").rows()
    return sorted((json.loads(received)["id"], state, by) for received, state, by in rows)


def stored() -> list[tuple[Any, ...]]:
    return sorted(dp.scan("shop/sales").collect().rows(), key=repr)


# --- keeping ----------------------------------------------------------------------------------------------------------


def test_a_refused_row_is_kept_with_where_why_and_when(strict: Any, store: Callable[..., Any], quarantine: Quarantine) -> None:
    before = datetime.now(UTC)
    store(strict, {"mon": counts((1, 1), (2, -5)), "tue": counts((1, 1))}, run="r1", refused_share=0.5)
    (row,) = quarantine.rows().to_dicts()
    assert json.loads(row["received"]) == {"id": 2, "n": -5}
    assert row["rules"] == ["n_greater_than_or_equal_to"]
    assert (row["partition"], row["contract"], row["run"], row["state"]) == ("mon", "1.0.0", "r1", "open")
    assert before <= row["refused_at"] <= datetime.now(UTC)
    assert stored() == [(1, 1), (1, 1)]


def test_what_is_stored_and_what_is_kept_make_what_was_received(strict: Any, store: Callable[..., Any], quarantine: Quarantine) -> None:
    frame = counts(*((i % 30, (i * 7) % 11 - 3) for i in range(100)))
    report = store(strict, {"-": dp.Result(frame, refused=[("not even a row", "garbled"), ({"id": 5}, "odd")])}, refused_share=1.0)
    (version,) = dp.versions("shop/sales")
    kept = quarantine.rows(only_open=True).height
    assert version.rows + kept == version.note["received"] == report.outcomes["-"].received == 102
    assert version.note["refused"] == kept


def test_equal_refused_rows_are_each_kept(strict: Any, store: Callable[..., Any], quarantine: Quarantine) -> None:
    store(strict, {"-": counts((1, 1), *[(2, -1)] * 3)}, refused_share=1.0)
    assert quarantine.rows().height == 3
    assert quarantine.rows().get_column("row_id").n_unique() == 3


def test_thousands_of_equal_refused_rows_cost_no_more_than_others(quarantine: Quarantine, strict: Any) -> None:
    refused = Refused(["{}"] * 20_000, [["garbled"]] * 20_000)
    quarantine.keep("-", refused, strict, "r")
    assert quarantine.rows().height == 20_000


def test_the_same_delivery_again_changes_nothing(strict: Any, store: Callable[..., Any], quarantine: Quarantine) -> None:
    for run in ("r1", "r2"):
        store(strict, {"-": counts((1, 1), (2, -1))}, run=run, refused_share=1.0)
    assert len(quarantine.history.refresh().versions()) == 1
    assert quarantine.rows().get_column("run").to_list() == ["r1"]


def test_rows_a_later_delivery_no_longer_holds_are_withdrawn_and_never_deleted(
    strict: Any, store: Callable[..., Any], quarantine: Quarantine
) -> None:
    store(strict, {"-": counts((1, 1), (2, -1), (3, -1))}, refused_share=1.0)
    store(strict, {"-": counts((1, 1), (2, 2), (3, -1))}, refused_share=1.0)
    assert states(quarantine) == [(2, "withdrawn", None), (3, "open", None)]
    store(strict, {"-": counts((1, 1), (2, -1), (3, 3))}, refused_share=1.0)
    assert states(quarantine) == [(2, "open", None), (3, "withdrawn", None)]
    assert len(quarantine.history.versions()) == 3


def test_a_delivery_that_is_stored_nowhere_keeps_nothing(strict: Any, store: Callable[..., Any], quarantine: Quarantine) -> None:
    report = store(strict, {"-": counts((1, 1), (2, -1))}, refused_share=0.1, lenient=True)
    assert report.failed
    assert quarantine.rows().is_empty()
    with pytest.raises(UnknownDataset):
        dp.read("shop/sales")


def test_when_two_runs_cross_the_refused_rows_are_those_of_the_run_whose_rows_stand(
    strict: Any, store: Callable[..., Any], quarantine: Quarantine, lake: str
) -> None:
    slow = Materializer(lake, strict, Limits(row_change=None, refused_share=1.0), run="slow", log=logging.getLogger("test"))
    commit = slow.history.commit

    def crossed(*arguments: Any, **more: Any) -> Any:
        store(strict, {"-": counts((1, 11), (8, -8), (9, -9))}, run="quick", refused_share=1.0)
        return commit(*arguments, **more)

    slow.history.commit = crossed  # type: ignore[method-assign]
    slow.materialize(["-"], lambda _: counts((1, 10), (7, -7)))
    assert stored() == [(1, 10)]
    assert states(quarantine) == [(7, "open", None), (8, "withdrawn", None), (9, "withdrawn", None)]


def test_the_quarantine_is_no_dataset_of_its_own(strict: Any, store: Callable[..., Any]) -> None:
    from dataproducts.history.lake import datasets

    store(strict, {"-": counts((1, -1), (2, 2))}, refused_share=1.0)
    assert datasets() == ["shop/sales"]


# --- replay -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def delivered(strict: Any, store: Callable[..., Any]) -> None:
    store(strict, {"mon": counts((1, 1), (2, -5), (3, -50)), "tue": counts((1, 1), (9, -1))}, refused_share=1.0)


@pytest.mark.usefixtures("delivered")
def test_a_replay_takes_in_what_passes_now_and_leaves_the_rest(relaxed: Any, quarantine: Quarantine, history: DatasetHistory) -> None:
    assert quarantine.replay(history, relaxed) == [Replay("mon", 1, 1, 2), Replay("tue", 1, 0, 2)]
    assert stored() == [(1, 1), (1, 1), (2, -5), (9, -1)]
    assert states(quarantine) == [(2, "resolved", 2), (3, "open", None), (9, "resolved", 2)]
    assert dp.versions("shop/sales", "mon")[1].contract == "1.1.0"
    assert dp.read("shop/sales", "mon", version=1)["id"].tolist() == [1]


@pytest.mark.usefixtures("delivered")
def test_a_second_replay_changes_nothing(relaxed: Any, quarantine: Quarantine, history: DatasetHistory) -> None:
    quarantine.replay(history, relaxed, "mon")
    before = dp.versions("shop/sales"), quarantine.history.refresh().versions()
    assert quarantine.replay(history, relaxed, "mon") == [Replay("mon", 0, 1, None)]
    assert (dp.versions("shop/sales"), quarantine.history.refresh().versions()) == before


@pytest.mark.usefixtures("delivered")
def test_under_the_same_contract_nothing_passes(strict: Any, quarantine: Quarantine, history: DatasetHistory) -> None:
    assert quarantine.replay(history, strict) == [Replay("mon", 0, 2, None), Replay("tue", 0, 1, None)]
    assert len(dp.versions("shop/sales")) == 2


@pytest.mark.usefixtures("delivered")
def test_a_partition_without_refused_rows_is_told(relaxed: Any, quarantine: Quarantine, history: DatasetHistory) -> None:
    with pytest.raises(UnknownDataset, match="shop/sales: partition 'wed' has no rows in quarantine"):
        quarantine.replay(history, relaxed, "wed")


def test_a_replayed_row_that_repeats_a_stored_key_stays(
    strict: Any, relaxed: Any, store: Callable[..., Any], quarantine: Quarantine, history: DatasetHistory
) -> None:
    store(strict, {"-": counts((1, 1), (2, -2), (2, -3), (3, -1))}, refused_share=1.0)
    commit = [Draft.of("-", counts((1, 1), (3, 3)), strict)]
    history.commit(commit, strict)  # the source has sent a good row for 3 since
    assert quarantine.replay(history, relaxed) == [Replay("-", 0, 3, None)]
    assert stored() == [(1, 1), (3, 3)]


def test_a_replay_that_died_before_it_marked_its_rows_does_not_take_them_in_twice(
    declare: Callable[..., Any],
    store: Callable[..., Any],
    quarantine: Quarantine,
    history: DatasetHistory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict = declare({"id": pl.Int64, "n": column(pl.Int64, pa.Check.ge(0))})  # without a key nothing else would stop the second
    relaxed = declare({"id": pl.Int64, "n": column(pl.Int64, pa.Check.ge(-10))}, version="1.1.0")
    store(strict, {"-": counts((1, 1), (2, -2), (3, -3), (3, -3), (4, -99))}, refused_share=1.0)

    def die(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Quarantine, "_commit", die)
        with pytest.raises(KeyboardInterrupt):
            quarantine.replay(history, relaxed)
    expected = [(1, 1), (2, -2), (3, -3), (3, -3)]
    assert stored() == expected
    assert quarantine.replay(history, relaxed) == [Replay("-", 0, 1, None)]
    assert stored() == expected
    assert states(quarantine) == [(2, "resolved", 2), (3, "resolved", 2), (3, "resolved", 2), (4, "open", None)]


def test_a_row_refused_anew_after_a_replay_can_be_replayed_anew(
    strict: Any, relaxed: Any, store: Callable[..., Any], quarantine: Quarantine, history: DatasetHistory
) -> None:
    store(strict, {"-": counts((1, 1), (2, -2))}, refused_share=1.0)
    quarantine.replay(history, relaxed)
    store(strict, {"-": counts((1, 1), (2, -2))}, refused_share=1.0)  # an old deployment delivers once more
    assert stored() == [(1, 1)]
    assert states(quarantine) == [(2, "open", None)]
    assert quarantine.replay(history, relaxed) == [Replay("-", 1, 0, 4)]
    assert stored() == [(1, 1), (2, -2)]


def test_a_replay_does_not_undo_what_was_stored_meanwhile(
    strict: Any, relaxed: Any, store: Callable[..., Any], quarantine: Quarantine, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(strict, {"-": counts((1, 1), (2, -2))}, refused_share=1.0)
    honest = quarantine_module._passing
    crossed: list[int] = []

    def slow(*arguments: Any) -> Any:
        found = honest(*arguments)
        if not crossed:
            crossed.append(1)
            DatasetHistory(lake, "shop/sales").commit([Draft.of("-", counts((1, 111)), relaxed)], relaxed)
        return found

    monkeypatch.setattr(quarantine_module, "_passing", slow)
    assert quarantine.replay(DatasetHistory(lake, "shop/sales"), relaxed) == [Replay("-", 1, 0, 3)]
    assert stored() == [(1, 111), (2, -2)]


def test_a_partition_that_was_never_stored_whole_is_not_made_from_its_refused_rows(
    strict: Any, relaxed: Any, quarantine: Quarantine, history: DatasetHistory
) -> None:
    quarantine.keep("-", Refused(['{"id":2,"n":-2}'], [["n_greater_than_or_equal_to"]]), strict, "died before its commit")
    assert quarantine.replay(history, relaxed) == [Replay("-", 0, 1, None)]
    assert not history.refresh().versions()
    assert states(quarantine) == [(2, "open", None)]


@pytest.mark.usefixtures("delivered")
def test_under_a_new_major_the_partition_has_to_be_materialized_first(
    declare: Callable[..., Any], quarantine: Quarantine, history: DatasetHistory
) -> None:
    newer = declare({"id": pl.Int64, "n": pl.Float64}, "id", version="2.0.0")
    with pytest.raises(
        HistoryError,
        match=r"partition 'mon' is under contract 1\.0\.0; materialize it under 2\.0\.0 before its refused rows are replayed",
    ):
        quarantine.replay(history, newer)


# --- as received --------------------------------------------------------------------------------------------------------

TYPES: dict[str, tuple[Any, Any]] = {
    "text": (pl.String, "å\n\"'"),
    "number": (pl.Float64, 0.1),
    "money": (pl.Decimal(38, 10), Decimal("1234567890123456789012345678.0123456789")),
    "yes": (pl.Boolean, False),
    "day": (pl.Date, date(1, 1, 1)),
    "moment": (pl.Datetime("us", "UTC"), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    "bytes": (pl.Binary, b"\x00\xff"),
    "none": (pl.Date, None),
    "list": (pl.List(pl.List(pl.Decimal(9, 2))), [[Decimal("1.10"), None], []]),
    "record": (pl.Struct({"t": pl.Datetime("us", "UTC"), "b": pl.Binary()}), {"t": datetime(2026, 1, 1, tzinfo=UTC), "b": b""}),
}


@pytest.mark.parametrize("from_source", [False, True])
def test_a_replayed_row_is_exactly_the_row_that_was_refused(
    from_source: bool, declare: Callable[..., Any], store: Callable[..., Any], quarantine: Quarantine, history: DatasetHistory
) -> None:
    def facts(name: str) -> dict[str, Any]:
        return {"source": f"deep.{name}.value"} if from_source else {}

    columns = {name: column(dtype, **facts(name)) for name, (dtype, _) in TYPES.items()}
    strict = declare({"id": column(pl.Int64, pa.Check.gt(5), nullable=False, **facts("id")), **columns}, "id")
    relaxed = declare({"id": column(pl.Int64, nullable=False, **facts("id")), **columns}, "id", version="1.1.0")
    row = {"id": 1, **{name: value for name, (_, value) in TYPES.items()}}
    rows: Any = pl.DataFrame([row], schema=dict(strict.dtypes))
    if from_source:
        rows = [{"deep": {name: {"value": value} for name, value in row.items()}}]
    store(strict, {"-": rows}, refused_share=1.0)
    assert dp.read("shop/sales").empty
    assert quarantine.replay(history, relaxed) == [Replay("-", 1, 0, 2)]
    assert dp.scan("shop/sales").collect().to_dicts() == [row]


def test_what_is_no_row_at_all_stays_and_does_not_stop_the_others(
    declare: Callable[..., Any], store: Callable[..., Any], quarantine: Quarantine, history: DatasetHistory
) -> None:
    def contract(least: int, **more: Any) -> Any:
        number = column(pl.Int64, pa.Check.ge(least), nullable=False, source="nr")
        return declare({"id": number, "day": column(pl.Date, source="day")}, "id", **more)

    strays: list[Any] = ["text", '{"nr": 70}', None, 7, [], True, "\ud800", {"nr": 8, "day": "tomorrow"}, {"nr": None}]
    rows = [{"nr": 10, "day": "2026-01-01"}, {"nr": 5}, *strays]
    refused = [("half a lin", "garbled"), ({"nr": 6, "unknown": 1}, "odd"), (b"\xff", "garbled")]
    store(contract(10), {"-": dp.Result(rows, refused=refused)}, refused_share=1.0)
    assert quarantine.rows(only_open=True).height == 13
    assert quarantine.replay(history, contract(5, version="1.1.0")) == [Replay("-", 1, 12, 2)]
    assert dp.read("shop/sales")["id"].tolist() == [5, 10]


def test_a_row_refused_before_a_column_was_added_is_replayed_without_it(
    strict: Any, declare: Callable[..., Any], store: Callable[..., Any], quarantine: Quarantine, history: DatasetHistory
) -> None:
    store(strict, {"-": counts((1, 1), (2, -2))}, refused_share=1.0)
    wider = declare({"id": pl.Int64, "n": pl.Int64, "more": pl.List(pl.String())}, "id", version="1.1.0")
    assert quarantine.replay(history, wider) == [Replay("-", 1, 0, 2)]
    assert stored() == [(1, 1, None), (2, -2, None)]
