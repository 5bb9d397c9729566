"""dlt on the work of `bulk` and `scd2`, into DuckDB. Runs in the peers' environment, alone."""

import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import dlt
import duckdb
import pyarrow.parquet as pq
from dlt.sources.helpers.transform import add_row_hash_to_table


def bulk(folder: Path, source: str) -> float:
    """One load of an Arrow table; dlt holds rows against no rules."""

    @dlt.resource(name="sales", write_disposition="append", primary_key="sale_id")
    def sales():
        yield pq.read_table(source)

    start = perf_counter()
    _pipeline(folder).run(sales())
    seconds = perf_counter() - start
    assert _count(folder) == pq.read_metadata(source).num_rows
    return seconds


def scd2(folder: Path, *snapshots: str) -> float:
    """Its scd2 strategy, a load per snapshot."""

    def sales(snapshot: str, day: str):
        strategy = {
            "disposition": "merge",
            "strategy": "scd2",
            "row_version_column_name": "row_hash",
            "validity_column_names": ["valid_from", "valid_to"],
            "boundary_timestamp": day,
        }

        @dlt.resource(name="sales", write_disposition=strategy)
        def rows():
            yield pq.read_table(snapshot)

        return rows().add_map(add_row_hash_to_table("row_hash"))

    start = perf_counter()
    for snapshot in snapshots:
        _pipeline(folder).run(sales(snapshot, Path(snapshot).stem))
    seconds = perf_counter() - start
    assert _count(folder) > pq.read_metadata(snapshots[0]).num_rows
    return seconds


def _pipeline(folder: Path) -> dlt.Pipeline:
    destination = dlt.destinations.duckdb(str(folder / "dlt.duckdb"))
    return dlt.pipeline("benchmark", pipelines_dir=str(folder), destination=destination, dataset_name="benchmark")


def _count(folder: Path) -> int:
    with duckdb.connect(str(folder / "dlt.duckdb")) as database:
        return database.sql("select count(*) from benchmark.sales").fetchall()[0][0]


if __name__ == "__main__":
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with tempfile.TemporaryDirectory() as scratch:
        seconds = {"bulk": bulk, "scd2": scd2}[sys.argv[1]](Path(scratch), *sys.argv[2:])
    print(json.dumps({"seconds": seconds}))
