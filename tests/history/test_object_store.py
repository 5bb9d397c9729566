"""The lake on an object store: the same code over a real S3 wire protocol."""

from __future__ import annotations

import io
import os
from pathlib import Path

import boto3
import httpx
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.inputs import Chosen, Input
from dataproducts.sql import duck
from dataproducts.sql.query import Upstream, checked
from dataproducts.sql.text import SqlText
from tests.ports.buckets import endpoint  # noqa: F401 - a fixture


class Reading(pa.DataFrameModel):
    sensor: str = dp.column("Sensor")
    value: int = dp.column("Value", nullable=True)


CONTRACT = Contract.of(Reading, dataset="weather/readings", key="sensor", kind="snapshot")


@pytest.fixture
def lake(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811
    return bucket_at(endpoint, monkeypatch)


def bucket_at(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "DATAPRODUCTS_LAKE": "s3://lake/products",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{url}/moto-api/reset")  # its buckets outlive a server
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="lake")
    return "s3://lake/products"


def draft(partition: str, *rows: tuple[str, int | None]) -> Draft:
    return Draft.of(partition, pl.DataFrame(list(rows), schema=CONTRACT.dtypes, orient="row"), CONTRACT)


def test_versions_are_written_and_read_over_s3(lake: str) -> None:
    history = DatasetHistory(lake, CONTRACT.dataset)
    history.commit([draft("2026-01-01", ("a", 1), ("b", None)), draft("2026-01-02", ("a", 2))], CONTRACT)
    history.commit([draft("2026-01-01", ("a", 7))], CONTRACT)
    assert dp.read(CONTRACT.dataset).to_dict("records") == [{"sensor": "a", "value": 2}]
    assert dp.read(CONTRACT.dataset, partition="2026-01-01", version=1)["sensor"].tolist() == ["a", "b"]
    assert dp.read(CONTRACT.dataset, partition="2026-01-01")["value"].tolist() == [7]
    history.verify(history.versions())


def test_a_writer_that_lost_the_race_over_s3_commits_the_next_version(lake: str) -> None:
    first = DatasetHistory(lake, CONTRACT.dataset)
    first.commit([draft("2026-01-01", ("a", 1))], CONTRACT)
    late = DatasetHistory(lake, CONTRACT.dataset)
    assert len(late.versions()) == 1
    first.commit([draft("2026-01-01", ("a", 2))], CONTRACT)
    (done,) = late.commit([draft("2026-01-01", ("a", 3))], CONTRACT)
    assert done.version.number == 3
    assert [v.number for v in dp.versions(CONTRACT.dataset)] == [1, 2, 3]


def test_unchanged_content_is_a_no_op_over_s3(lake: str) -> None:
    history = DatasetHistory(lake, CONTRACT.dataset)
    history.commit([draft("2026-01-01", ("a", 1), ("b", 2))], CONTRACT)
    (done,) = history.commit([draft("2026-01-01", ("b", 2), ("a", 1))], CONTRACT)
    assert not done.is_new


def test_a_query_reads_the_chosen_versions_over_s3(lake: str) -> None:
    history = DatasetHistory(lake, CONTRACT.dataset)
    history.commit([draft("2026-01-01", ("a", 1), ("b", None)), draft("2026-01-02", ("a", 2))], CONTRACT)
    history.commit([draft("2026-01-02", ("a", 7), ("c", 1))], CONTRACT)
    made = Contract.of(pa.DataFrameSchema({"number": pa.Column(int), "total": pa.Column(int)}), dataset="weather/sums")
    text = SqlText(Path("sums.sql"), "SELECT COUNT(*) AS number, SUM(value) AS total FROM {{ readings }}")
    query = checked(text, {"readings": Upstream("readings", CONTRACT)}, made, partitioned=False)
    upstream = Input(CONTRACT, None)
    with duck.opened(query) as engine:
        (rows,) = engine.rows("-", {"readings": Chosen(upstream, tuple(upstream.choose("-", None)))})
    assert rows.rows() == [(2, 8)]


def test_an_erasure_over_s3_leaves_no_object_that_holds_the_row(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.erasure import erasing
    from dataproducts.erasure.erasing import World

    lake = lake
    monkeypatch.setenv("DATAPRODUCTS_ERASURE_KEY", "5e" * 32)
    history = DatasetHistory(lake, CONTRACT.dataset)
    history.commit([draft("2026-01-01", ("gone-sensor", 1), ("b", 2)), draft("2026-01-02", ("gone-sensor", 2))], CONTRACT)
    history.table(1).write_rows([pl.DataFrame({"sensor": ["gone-sensor"], "_partition": ["-"], "_version": [1]})])  # of a run that died
    plan = erasing.plan(World(lake), CONTRACT.dataset, [("--key", "gone-sensor")])
    assert erasing.erase(plan, reason="asked for it", who="tester").places[0].removed == 2
    history.commit([draft("2026-01-03", ("gone-sensor", 3), ("c", 3))], CONTRACT)

    bucket = boto3.resource("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).Bucket("lake")
    bodies = {one.key: one.get()["Body"].read() for one in bucket.objects.all()}
    assert not [key for key, body in bodies.items() if b"gone-sensor" in body]
    rows = [pl.read_parquet(io.BytesIO(body)) for key, body in bodies.items() if "_entry=row" in key]
    assert sorted(value for frame in rows for value in frame["sensor"]) == ["b", "c"]
    history.verify(history.refresh().versions())
    assert history.table(1).is_append_only


def test_doctor_writes_and_reads_a_lake_in_a_bucket(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.cli import examining

    assert examining._lake() == ("well", lake), examining._lake()[1]
    assert "Contents" not in boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).list_objects_v2(Bucket="lake")
    monkeypatch.setenv("DATAPRODUCTS_LAKE", "s3://nowhere/lake")
    state, text = examining._lake()
    assert state == "wrong"
    assert text.startswith("s3://nowhere/lake cannot be written and read (")
    assert text.endswith("); check its address, the credentials, and that they may write there")
