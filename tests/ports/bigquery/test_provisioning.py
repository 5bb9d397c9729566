"""Tables, views and functions are made, widened and passed on to a new major; what others changed is named and left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from dataproducts.contract import Contract
from dataproducts.errors import PortError
from tests.bigquery import PROJECT, Gateway, refusal
from tests.ports.bigquery.conftest import DAILY, Published


def table(gateway: Gateway, sales: Published, name: str) -> dict[str, Any]:
    """A table as BigQuery has it."""
    from tests.bigquery import Request

    path = f"/bigquery/v2/projects/{PROJECT}/datasets/{sales.dataset}/tables/{name}"
    return dict(gateway.answered(Request("GET", path, {}, None, b"", {})).json)


def made(gateway: Gateway, name: str) -> dict[str, Any]:
    """What was sent to make a table."""
    return next(
        dict(r.json) for r in gateway.requests if r.method == "POST" and (r.json or {}).get("tableReference", {}).get("tableId") == name
    )


def test_everything_is_made_with_the_first_delivery(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    rows = made(gateway, "sales_history")
    assert rows["timePartitioning"] == {"type": "DAY", "field": "_dp_day"}
    assert rows["requirePartitionFilter"] is True
    assert rows["clustering"] == {"fields": ["_dp_partition", "_dp_version", "number"]}
    assert rows["labels"]["contract"] == "1-0-0"
    assert "Dataset shop/sales." in rows["description"]
    assert [(f["name"], f["mode"]) for f in rows["schema"]["fields"]][-2:] == [("number", "REQUIRED"), ("amount", "NULLABLE")]
    view = table(gateway, sales, "sales")
    assert (view["type"], view["labels"]["major"]) == ("VIEW", "1")
    assert {f["name"]: f.get("description") for f in view["schema"]["fields"]}["_dp_known_at"] == "When this version became known."
    (dataset,) = [r.json for r in gateway.requests if r.method == "POST" and r.path.endswith("/datasets")]
    assert dataset["location"] == "europe-north1"


def test_a_second_run_changes_nothing(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    gateway.requests.clear()
    sales.deliver()
    assert {r.method for r in gateway.requests} == {"GET"}


def test_a_dataset_that_may_not_be_created_is_told_with_command_and_manifest(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY, port={"dataset": "salg"})
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.refuse(
        refusal(403, "accessDenied", "Access Denied: User does not have bigquery.datasets.create permission."), "POST", "/datasets"
    )
    with pytest.raises(PortError) as told:
        sales.deliver()
    text = str(told.value)
    assert "bigquery.datasets.create permission" in text
    assert f"`bq --location=europe-north1 mk --dataset {PROJECT}:salg`" in text
    assert "gcp: {bigQueryDatasets: [{name: salg, permission: READWRITE}]}" in text
    assert "\n" not in text
    assert gateway.loads() == []


def test_a_new_column_is_added_and_older_rows_lack_it(
    publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract]
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    wider = declare({"number": int, "amount": int, "shop": str}, "number", version="1.1.0")
    later = publish(contract=wider, partitions=DAILY, port={"dataset": sales.dataset})
    later.commit(d2026_01_02=[(2, 20, "nord")])
    later.deliver()
    assert gateway.sql(f"SELECT number, shop FROM {sales.dataset}.sales ORDER BY number") == [["1", None], ["2", "nord"]]
    there = table(gateway, sales, "sales_history")
    assert there["schema"]["fields"][-1]["mode"] == "NULLABLE"
    assert there["labels"]["contract"] == "1-1-0"
    assert later.compare().differences == ()


def test_a_column_that_is_never_missing_now_may_be_missing_in_older_rows(
    publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract]
) -> None:
    import pandera.polars as pa

    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    wider = declare({"number": int, "amount": int, "shop": pa.Column(str)}, "number", version="1.1.0")
    later = publish(contract=wider, partitions=DAILY, port={"dataset": sales.dataset})
    later.commit(d2026_01_02=[(2, 20, "nord")])
    later.deliver()  # both versions, none of which was there before
    modes = {f["name"]: f["mode"] for f in made(gateway, "sales_history")["schema"]["fields"]}
    assert (modes["number"], modes["shop"]) == ("REQUIRED", "NULLABLE")
    assert later.compare().differences == ()


def test_a_new_major_has_tables_of_its_own_and_the_old_ones_say_since_when_they_are_deprecated(
    publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract]
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    broken = declare({"number": int, "amount": str}, "number", version="2.0.0")
    later = publish(contract=broken, partitions=DAILY, port={"dataset": sales.dataset})
    later.deliver()  # nothing of the new major yet: readers keep what they have
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales") == [["10"]]
    later.commit(d2026_01_01=[(1, "ti")])
    before = datetime.now(UTC).date().isoformat()
    later.deliver()
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales") == [["ti"]]
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales_history_v2") == [["ti"]]
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales_v1") == [["10"]]
    old = table(gateway, sales, "sales_history")
    since = old["labels"]["deprecated-since"]
    assert before <= since <= datetime.now(UTC).date().isoformat()
    assert f"Deprecated since {since}: contract 2.0.0 is in {PROJECT}.{sales.dataset}.sales_history_v2" in old["description"]
    assert later.compare().differences == ()


def test_a_major_whose_versions_are_for_other_runs_does_not_stop_the_one_that_replaces_it(
    publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract]
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    broken = declare({"number": int, "amount": str}, "number", version="2.0.0")
    later = publish(contract=broken, partitions=DAILY, port={"dataset": sales.dataset})
    later.commit(d2026_01_02=[(2, "ti")])
    later.deliver(["2026-01-02"])  # there are no tables of the older major, and so nothing to mark
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales") == [["ti"]]
    later.deliver()
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales_v1") == [["10"]]
    assert table(gateway, sales, "sales_history")["labels"]["deprecated-since"]
    assert later.compare().differences == ()


def test_a_run_of_older_code_does_not_take_the_view_back(
    publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract]
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    broken = declare({"number": int, "amount": str}, "number", version="2.0.0")
    later = publish(contract=broken, partitions=DAILY, port={"dataset": sales.dataset})
    later.commit(d2026_01_01=[(1, "ti")])
    later.deliver()
    sales.deliver()
    assert gateway.sql(f"SELECT amount FROM {sales.dataset}.sales") == [["ti"]]


def _change(gateway: Gateway, sales: Published, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = f"/bigquery/v2/projects/{PROJECT}/datasets/{sales.dataset}/tables/sales_history"
    held = gateway._tables[path]
    gateway._tables[path] = {**held, "schema": {"fields": change([dict(f) for f in held["schema"]["fields"]])}}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda fs: [f for f in fs if f["name"] != "amount"], r"has lost its column 'amount', which someone else has dropped; restore"),
        (lambda fs: [{**f, "type": "STRING"} if f["name"] == "amount" else f for f in fs], "'amount'.* is STRING instead of INTEGER"),
        (lambda fs: [{**f, "mode": "REPEATED"} if f["name"] == "amount" else f for f in fs], "is ARRAY<INTEGER> instead of INTEGER"),
        (lambda fs: [*fs, {"name": "mine", "type": "STRING", "mode": "REQUIRED"}], "demands a column 'mine' that is not the port's"),
        (lambda fs: [f for f in fs if f["name"] != "_dp_batch"], "has lost its column '_dp_batch'"),
    ],
)
def test_a_table_someone_else_changed_is_told_with_table_column_and_remedy(
    publish: Callable[..., Published], gateway: Gateway, change: Any, text: str
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    sales.commit(d2026_01_02=[(2, 20)])
    _change(gateway, sales, change)
    loads = len(gateway.loads())
    with pytest.raises(PortError, match=text) as told:
        sales.deliver()
    assert f"{PROJECT}.{sales.dataset}.sales_history" in str(told.value)
    assert len(gateway.loads()) == loads


def test_a_column_someone_else_added_and_left_empty_is_no_matter(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    _change(gateway, sales, lambda fs: [*fs, {"name": "note", "type": "STRING", "mode": "NULLABLE"}])
    sales.commit(d2026_01_02=[(2, 20)])
    sales.deliver()
    assert sales.compare().differences == ()


def test_a_table_that_belongs_to_someone_else_is_left_alone(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    gateway.sql(f"CREATE SCHEMA {sales.dataset}")
    gateway.sql(f"CREATE TABLE {sales.dataset}.sales_history (a INT64)")
    sales.commit(d2026_01_01=[(1, 10)])
    with pytest.raises(PortError, match=r"sales_history at BigQuery is there already and belongs to someone else; declare another"):
        sales.deliver()


def test_two_datasets_do_not_share_a_table(publish: Callable[..., Published], gateway: Gateway, declare: Callable[..., Contract]) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    other = declare({"number": int, "amount": int}, "number", dataset="shop/returns")
    returns = publish(contract=other, partitions=DAILY, port={"dataset": sales.dataset, "table": "sales"})
    returns.commit(d2026_01_01=[(1, 10)])
    with pytest.raises(PortError, match="belongs to shop/sales"):
        returns.deliver()


def test_another_division_than_the_table_has_is_told(publish: Callable[..., Published], gateway: Gateway) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    sales.deliver()
    monthly = publish(contract=sales.contract, partitions=DAILY, port={"dataset": sales.dataset, "partition_by": "month"})
    with pytest.raises(PortError, match=r"is partitioned by _dp_day \(day\) and the port declares 'month', which cannot be changed"):
        monthly.deliver()
