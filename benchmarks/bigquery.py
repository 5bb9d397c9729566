"""A year of daily partitions published to BigQuery, on the emulator of the tests.

Floor: google's client with one load job of the same rows. With the peers also the port's asset in Dagster beside Dagster's own IO manager
for pandas, partition by partition as it does a backfill by default, and in a single run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import PeerFailed, Peers, in_process, report
from benchmarks.sales import DAY_ROWS, sales, write_product

PARTITIONS = {"small": 3, "full": 365}
START = date(2025, 1, 1)
MOST_JOBS = 5


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Every turn is a fresh process and a BigQuery dataset of its own. The IO manager has one turn, for it takes minutes."""
    from tests import bigquery as bq

    if bq.environment() is None:
        raise PeerFailed(f"bigquery {bq.NOT_THERE}")
    partitions = PARTITIONS[size]
    jobs = 0
    turn = 0
    others: dict[str, float] = {}
    with scratch() as folder, bq.server() as gateway, _emulated(gateway.url, bq.PROJECT):
        source = folder / "source.parquet"
        sales(partitions * DAY_ROWS).write_parquet(source)

        def entrant(name: str) -> float:
            nonlocal jobs, turn
            gateway.reset()
            turn += 1
            with scratch() as home:
                seconds = in_process("bigquery", name, home, source, partitions, f"{name}{turn}")["seconds"]
            jobs = max(jobs, len(gateway.loads()))
            assert jobs <= MOST_JOBS, f"{jobs} load jobs"
            return seconds

        names = {"ours": "port", "floor": "plain", **({"dagster": "dagster"} if peers else {})}
        taken = by_turns(rounds, {name: lambda chosen=chosen: entrant(chosen) for name, chosen in names.items()})
        if peers is not None:
            for place, name in ((1, "one by one"), (partitions, "single run")):
                with scratch() as home:
                    dataset = f"peer{place}"
                    others[name] = peers.seconds("dagster_bigquery", dataset, home, source, partitions, DAY_ROWS, START, place)
    what = f"publish {partitions} partitions of {DAY_ROWS:,} rows to BigQuery (emulator) in {jobs} load jobs"
    found = [
        Comparison("bigquery", what, taken["ours"], taken["floor"], "google's client, one load job of the same rows", 5.0, rounds=rounds)
    ]
    if others:
        manager = "dagster-gcp-pandas' IO manager, a run per partition (its default), one turn"
        peer = {"IO manager in a single run": others["single run"]}
        inside = f"{what}, through Dagster"
        found.append(
            Comparison("bigquery in dagster", inside, taken["dagster"], others["one by one"], manager, 0.1, rounds=rounds, peers=peer)
        )
    return found


@contextmanager
def _emulated(url: str, project: str) -> Iterator[None]:
    """The emulator as what the environment says is BigQuery, also in the processes begun from here."""
    before = dict(os.environ)
    os.environ.update({"BIGQUERY_EMULATOR_HOST": url, "BIGQUERY_PROJECT": project})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _main(contestant: str, home: Path, source: Path, partitions: int, dataset: str) -> None:
    """One contestant's turn, in a process of its own: what is published lies ready."""
    import polars as pl
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    rows = pl.read_parquet(source)
    keys = [(START + timedelta(days=number)).isoformat() for number in range(partitions)]
    if contestant == "plain":
        begun = perf_counter()
        client = bigquery.Client(project=os.environ["BIGQUERY_PROJECT"], credentials=AnonymousCredentials())
        client.create_dataset(dataset)
        path = home / "rows.parquet"
        days = pl.Series("day", [key for key in keys for _ in range(DAY_ROWS)]).str.to_date()
        rows.with_columns(days).write_parquet(path, compression="zstd", compression_level=1)
        types = {pl.Int64: "INTEGER", pl.String: "STRING", pl.Float64: "FLOAT", pl.Date: "DATE", pl.Datetime: "TIMESTAMP"}
        schema = [bigquery.SchemaField(name, types[type(dtype)]) for name, dtype in {**rows.schema, "day": pl.Date()}.items()]
        config = bigquery.LoadJobConfig(source_format="PARQUET", schema=schema)
        with path.open("rb") as file:
            client.load_table_from_file(file, f"{dataset}.sales", size=path.stat().st_size, job_config=config).result()
        report(seconds=perf_counter() - begun)
        return
    os.environ["DAGSTER_HOME"] = os.environ["DATAPRODUCTS_HOME"] = str(home)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    import dagster as dg
    from dagster_gcp import BigQueryResource

    import dataproducts as dp
    from benchmarks.sales import Sale
    from dataproducts import settings
    from dataproducts.history.store import DatasetHistory, Draft
    from dataproducts.port_asset import offered
    from dataproducts.ports.bigquery import BigQuery
    from dataproducts.ports.delivery import deliver

    product = dp.DataProduct(write_product(home / "assets" / "benchmark", "benchmark"))
    daily = dg.DailyPartitionsDefinition(start_date=keys[0], end_date=(START + timedelta(days=partitions)).isoformat())

    @product.dataset(schema=Sale, partitions=daily, ports=[BigQuery(dataset=dataset)])
    def sales(partition: str) -> pl.DataFrame:
        raise NotImplementedError

    history, promised = DatasetHistory(settings.lake(), "benchmark/sales"), sales.declaration.contract
    drafts = [Draft.of(key, rows.slice(number * DAY_ROWS, DAY_ROWS), promised) for number, key in enumerate(keys)]
    for first in range(0, partitions, 100):
        history.commit(drafts[first : first + 100], promised)
    (asset,) = product.ports["sales"]
    if contestant == "port":
        history = DatasetHistory(settings.lake(), "benchmark/sales")
        begun = perf_counter()
        with asset.port.open(offered(sales.declaration), history, {"bigquery": BigQueryResource()}, "run") as session:
            done = deliver(session, asset.journal(), history, None, "run")
        assert len(done.versions) == partitions
        report(seconds=perf_counter() - begun)
        return
    policy = asset.backfill_policy
    at_a_time = partitions if policy is None or policy.max_partitions_per_run is None else policy.max_partitions_per_run
    with dg.DagsterInstance.get() as instance:
        begun = perf_counter()
        for first in range(0, partitions, at_a_time):
            chunk = keys[first : first + at_a_time]
            tags = {"dagster/asset_partition_range_start": chunk[0], "dagster/asset_partition_range_end": chunk[-1]}
            assert dg.materialize([asset], instance=instance, tags=tags, resources={"bigquery": BigQueryResource()}).success
        report(seconds=perf_counter() - begun)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
