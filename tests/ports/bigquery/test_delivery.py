"""Versions arrive at BigQuery once and whole, and readers see what `dataproducts.read` gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import PortError, PortUnavailable
from dataproducts.history.intervals import incorporate, interval_contract
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.ports.bigquery import loading, session
from dataproducts.ports.journal import Journal
from tests.bigquery import DROPPED, Gateway, refusal
from tests.ports.bigquery.conftest import DAILY, Published


def seen(gateway: Gateway, sales: Published, what: str = "") -> list[tuple[int, int]]:
    """What readers see."""
    rows = gateway.sql(f"SELECT number, amount FROM {what or f'{sales.dataset}.sales'} ORDER BY number, amount")
    return [(int(number), int(amount)) for number, amount in rows]


def stored(gateway: Gateway, sales: Published) -> int:
    """Rows in the table of rows, whoever may see them."""
    return int(gateway.sql(f"SELECT COUNT(*) FROM {sales.dataset}.sales_history")[0][0])


def test_readers_see_the_newest_version_of_each_partition(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10), (2, 20)], d2026_01_02=[(3, 30)])
    sales.deliver()
    sales.commit(d2026_01_01=[(1, 11)])
    sales.deliver()
    rows = gateway.sql(f"SELECT number, amount, _dp_partition, _dp_version, _dp_day FROM {sales.dataset}.sales ORDER BY number")
    assert rows == [["1", "11", "2026-01-01", "2", "2026-01-01"], ["3", "30", "2026-01-02", "1", "2026-01-02"]]
    assert sales.compare().differences == ()


def test_every_version_stays(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    for amount in (10, 11, 12):
        sales.commit(d2026_01_01=[(1, amount)])
    sales.deliver()
    rows = gateway.sql(f"SELECT _dp_version, amount FROM {sales.dataset}.sales_history ORDER BY _dp_version")
    assert rows == [["1", "10"], ["2", "11"], ["3", "12"]]


def test_the_state_of_then_is_a_function_of_the_moment(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    moments = []
    for amount in (10, 11, 12):
        sales.commit(d2026_01_01=[(1, amount)])
        moments.append(sales.history.refresh().versions()[-1].known_at)
    sales.deliver()
    for moment, amount in zip(moments, (10, 11, 12), strict=True):
        function = f"`{sales.dataset}.sales_as_of`(TIMESTAMP '{moment.isoformat(sep=' ')}')"
        assert seen(gateway, sales, function) == [(1, amount)]
    before = moments[0] - timedelta(seconds=1)
    assert seen(gateway, sales, f"`{sales.dataset}.sales_as_of`(TIMESTAMP '{before.isoformat(sep=' ')}')") == []


def test_of_snapshots_readers_see_the_newest_alone(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY, kind="snapshot")
    sales.commit(d2026_01_01=[(1, 10), (2, 20)], d2026_01_03=[(1, 11)])
    sales.deliver()
    sales.commit(d2026_01_02=[(5, 50)])  # a late one
    sales.deliver()
    assert seen(gateway, sales) == [(1, 11)]


def test_a_partition_that_was_emptied_reads_as_empty(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)], d2026_01_02=[(2, 20)])
    sales.deliver()
    sales.commit(d2026_01_01=[])
    sales.deliver()
    assert seen(gateway, sales) == [(2, 20)]
    assert sales.compare().differences == ()
    sales.commit(d2026_01_02=[], d2026_01_03=[])
    assert len(sales.deliver().versions) == 2
    assert seen(gateway, sales) == []
    assert sales.compare().differences == ()


def test_of_a_history_readers_see_the_intervals(
    publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract], home: Path
) -> None:
    lake = home / "lake"
    snapshots = declare({"number": int, "amount": int, "shop": str}, "number", kind="snapshot")
    states = {"2026-01-01": [(1, 10, "a"), (2, 20, "b")], "2026-01-02": [(1, 11, "a"), (2, 20, "b")], "2026-01-03": [(1, 11, "a")]}
    source = DatasetHistory(str(lake), snapshots.dataset)
    for day, rows in states.items():
        frame = pl.DataFrame(rows, schema=dict(snapshots.dtypes), orient="row")
        source.commit([Draft.of(day, frame, snapshots)], snapshots)
    contract = interval_contract(snapshots, dataset="shop/sales_historikk", version="1.0.0", moment=pl.Date())
    intervals = publish(contract=contract, partitions=DAILY, lake=lake)
    incorporate(intervals.history, contract, source, snapshots, list(states), date.fromisoformat)
    intervals.deliver()
    rows = gateway.sql(
        f"SELECT number, amount, shop, valid_from, valid_to FROM {intervals.dataset}.sales_historikk ORDER BY number, valid_from"
    )
    told = dp.scan("shop/sales_historikk").sort("number", "valid_from").collect().rows()
    assert rows == [[None if v is None else str(v) for v in row] for row in told]
    assert len(rows) == 3
    assert intervals.compare().differences == ()


def test_a_dataset_without_partitions_lies_by_the_day_it_became_known(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish()
    sales.commit(whole=[(1, 10)])
    sales.deliver()
    (version,) = sales.history.refresh().versions()
    assert gateway.sql(f"SELECT _dp_partition, _dp_day FROM {sales.dataset}.sales") == [["-", version.known_at.date().isoformat()]]
    assert sales.compare().differences == ()


def test_many_partitions_leave_in_two_jobs(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(**{f"d2026_{month:02}_{day:02}": [(month * 100 + day, 1)] for month in range(1, 6) for day in range(1, 29)})
    assert len(sales.deliver().versions) == 140
    assert len(gateway.loads()) == 2
    assert len(seen(gateway, sales)) == 140


def test_a_batch_is_bounded_by_rows(publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_ROWS", 5)
    sales = publish(partitions=DAILY)
    sales.commit(**{f"d2026_01_{day:02}": [(day * 10 + n, n) for n in range(2 + 6 * (day == 3))] for day in range(1, 6)})
    report = sales.deliver()
    assert [sum(v.rows for v in batch.versions) for batch, _ in report.batches] == [4, 8, 4]
    assert sales.compare().differences == ()


def test_only_the_partitions_asked_for_leave_and_nothing_leaves_twice(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)], d2026_01_02=[(2, 20)])
    assert [v.partition for v in sales.deliver(["2026-01-02"]).versions] == ["2026-01-02"]
    assert [v.partition for v in sales.deliver().versions] == ["2026-01-01"]
    assert sales.deliver().versions == []
    assert stored(gateway, sales) == 2


def _dies(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_publisher_that_died_before_it_wrote_down_what_it_did_does_not_do_it_twice(
    publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "deliver", _dies)
        with pytest.raises(KeyboardInterrupt):
            sales.deliver()
    assert len(gateway.loads()) == 2
    assert len(sales.deliver().versions) == 1
    assert len(gateway.loads()) == 2
    assert stored(gateway, sales) == 1


@pytest.mark.parametrize("after", [False, True])
def test_rows_whose_version_has_not_arrived_are_not_seen_and_the_next_run_goes_on(
    publish: Callable[..., Published], gateway: Gateway, after: bool
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    sales.commit(d2026_01_01=[(1, 11)])
    gateway.rules.clear()
    done = 0

    def second(request: Any) -> bool:  # the load of versions
        nonlocal done
        done += request.is_load
        return request.is_load and done == 2

    gateway.refuse(DROPPED, after=after, times=1)
    gateway.rules[-1].matches = second
    with pytest.raises(PortUnavailable, match="did not answer"):
        sales.deliver()
    if not after:
        assert stored(gateway, sales) == 2
        assert seen(gateway, sales) == [(1, 10)]
    loads = len(gateway.loads())
    assert len(sales.deliver().versions) == 1
    assert len(gateway.loads()) == loads + (not after)
    assert seen(gateway, sales) == [(1, 11)]
    assert stored(gateway, sales) == 2
    assert sales.compare().differences == ()


def test_a_lost_answer_to_a_load_is_found_out_and_not_repeated(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.refuse(DROPPED, load=True, after=True)
    with pytest.raises(PortUnavailable):
        sales.deliver()
    sales.deliver()
    assert stored(gateway, sales) == 1
    assert seen(gateway, sales) == [(1, 10)]


def test_a_job_that_someone_else_began_is_waited_for(
    publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.slow = 0.3
    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            sales.deliver(run=name)
        except BaseException as error:
            errors.append(error)

    both = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert errors == []
    assert stored(gateway, sales) == 1
    assert len({r.job for r in gateway.loads()}) == 2


def test_a_job_refused_because_another_has_its_id_is_that_job(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.refuse(DROPPED, load=True, after=True)
    with pytest.raises(PortUnavailable):
        sales.deliver()
    # it was not to be found before the upload, as if the other had begun it in between
    gateway.refuse(refusal(404, "notFound", "Not found: Job"), "GET", "/jobs/")
    sales.deliver()
    assert stored(gateway, sales) == 1


def test_a_job_that_fails_is_told_with_bigquerys_reason_and_the_versions_leave_again(
    publish: Callable[..., Published], gateway: Gateway
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.failures.append(("invalid", "Provided Schema does not match."))
    with pytest.raises(PortError, match=r"shop/sales.*did not load job .*sales_history: Provided Schema does not match; nothing") as told:
        sales.deliver()
    assert not isinstance(told.value, PortUnavailable)
    assert len(sales.deliver().versions) == 1
    assert stored(gateway, sales) == 1
    assert sales.compare().differences == ()


def test_versions_that_fail_after_their_rows_arrived_are_not_given_up(
    publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_POLL", 0.01)
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])

    def fail(request: Any, when: str) -> None:
        if request.is_load and when == "after" and len(gateway.loads()) == 1:
            gateway.failures += [("invalid", "No.")] * 5

    gateway.watch = fail
    with pytest.raises(PortUnavailable, match=r"sales_versions: No; nothing of it was stored, run again later"):
        sales.deliver()
    assert seen(gateway, sales) == []
    sales.deliver()
    assert seen(gateway, sales) == [(1, 10)]
    assert stored(gateway, sales) == 1
    assert sales.compare().differences == ()


def test_a_job_that_fails_in_passing_is_tried_again_at_once(
    publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_POLL", 0.01)
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.failures += [("backendError", "Try again."), ("rateLimitExceeded", "Slower.")]
    sales.deliver()
    first, second, third, _ = [r.job for r in gateway.loads()]
    assert (second, third) == (f"{first}_2", f"{first}_3")
    assert stored(gateway, sales) == 1


def test_a_job_that_goes_on_failing_in_passing_leaves_the_batch_to_the_next_run(
    publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_POLL", 0.01)
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.failures += [("backendError", "Try again.")] * 7
    with pytest.raises(PortUnavailable, match="Try again; nothing of it was stored, run again later"):
        sales.deliver()
    sales.deliver()
    assert gateway.loads()[-2].job == f"{gateway.loads()[0].job}_8"
    assert stored(gateway, sales) == 1
    assert sales.compare().differences == ()


def test_tables_that_someone_dropped_are_filled_again(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)], d2026_01_02=[(2, 20)])
    sales.deliver()
    for table in ("sales_history", "sales_versions"):
        assert f"`bq rm -t test-project:{sales.dataset}.{table}`" in sales.port.remedy(sales.offered)
        gateway.answered(_delete(f"/bigquery/v2/projects/test-project/datasets/{sales.dataset}/tables/{table}"))
    sales.deliver()
    assert seen(gateway, sales) == [(1, 10), (2, 20)]
    assert sales.compare().differences == ()


def _delete(path: str) -> Any:
    from tests.bigquery import Request

    return Request("DELETE", path, {}, None, b"", {})


def test_a_lost_journal_does_not_double_what_has_arrived(publish: Callable[..., Published], gateway: Gateway) -> None:
    import shutil

    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    sales.commit(d2026_01_02=[(2, 20)])
    shutil.rmtree(Path(sales.lake) / "shop/sales/_ports")
    sales.deliver()
    assert stored(gateway, sales) == 2
    assert sales.compare().differences == ()


def test_another_content_under_a_version_that_has_arrived_is_refused(publish: Callable[..., Published], gateway: Gateway) -> None:
    import shutil

    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    shutil.rmtree(Path(sales.lake))
    sales.history = DatasetHistory(sales.lake, "shop/sales")
    sales.commit(d2026_01_01=[(1, 99)])
    with pytest.raises(PortError, match=r"another content as version 1 of partition '2026-01-01'.*restore it"):
        sales.deliver()
    assert seen(gateway, sales) == [(1, 10)]


def test_large_files_leave_in_pieces(publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.cloud.bigquery import client

    monkeypatch.setattr(client, "_MAX_MULTIPART_SIZE", 100)
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(n, n) for n in range(5_000)])
    gateway.refuse(DROPPED, "PUT", after=True)
    with pytest.raises(PortUnavailable):
        sales.deliver()
    sales.deliver()
    assert any(r.method == "PUT" for r in gateway.requests)
    assert stored(gateway, sales) == 5_000
    assert sales.compare().differences == ()


def test_the_day_of_an_hour_is_its_own(publish: Callable[..., Published], gateway: Gateway) -> None:
    import dagster as dg

    hourly = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00")
    sales = publish(partitions=hourly)
    drafts = [
        Draft.of(f"2026-01-0{day}-23:00", pl.DataFrame([(day, 1)], schema=dict(sales.contract.dtypes), orient="row"), sales.contract)
        for day in (1, 2)
    ]
    sales.history.commit(drafts, sales.contract, now=datetime(2026, 5, 1, tzinfo=UTC))
    sales.deliver()
    assert gateway.sql(f"SELECT _dp_day FROM {sales.dataset}.sales ORDER BY number") == [["2026-01-01"], ["2026-01-02"]]


@pytest.mark.parametrize("in_regions", [False, True])
def test_the_hour_that_comes_twice_has_a_day_both_times(in_regions: bool) -> None:
    import dagster as dg

    from dataproducts.ports.bigquery.tables import day_of

    partitions: Any = dg.HourlyPartitionsDefinition(start_date="2026-10-25-01:00", end_date="2026-10-25-04:00", timezone="Europe/Oslo")
    if in_regions:
        partitions = dg.MultiPartitionsDefinition({"hour": partitions, "region": dg.StaticPartitionsDefinition(["north"])})
    keys = partitions.get_partition_keys()
    assert len(keys) == 4
    day = day_of(partitions)
    assert {day(SimpleNamespace(partition=str(key))) for key in keys} == {date(2026, 10, 25)}
