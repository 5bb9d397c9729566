"""The lake on an object store: the same code over a real S3 wire protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pandera.polars as pa
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.inputs import Chosen, Input
from dataproducts.sql import duck
from dataproducts.sql.query import Upstream, checked
from dataproducts.sql.text import SqlText


class Reading(pa.DataFrameModel):
    sensor: str = dp.column("Sensor")
    value: int = dp.column("Value", nullable=True)


CONTRACT = Contract.of(Reading, dataset="weather/readings", key="sensor", kind="snapshot")


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "DATAPRODUCTS_LAKE": "s3://lake/products",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{endpoint}/moto-api/reset")  # its buckets outlive a server
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="lake")
    yield "s3://lake/products"
    server.stop()


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
