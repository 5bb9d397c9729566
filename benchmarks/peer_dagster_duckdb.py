"""Dagster's DuckDB IO manager on the work of `backfill`. Runs in the peers' environment, alone."""

import json
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import dagster as dg
import pandas as pd
from dagster_duckdb_pandas import DuckDBPandasIOManager


def backfill(home: Path, source: Path, partitions: int, day_rows: int, start: date) -> float:
    """All partitions in a single run; the asset returns the rows of its partition range."""
    os.environ["DAGSTER_HOME"] = str(home)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    days = [start + timedelta(days=number) for number in range(partitions)]
    daily = dg.DailyPartitionsDefinition(start_date=str(days[0]), end_date=str(days[-1] + timedelta(days=1)))
    rows = pd.read_parquet(source)
    rows["day"] = pd.to_datetime([day for day in days for _ in range(day_rows)])

    @dg.asset(partitions_def=daily, metadata={"partition_expr": "day"}, backfill_policy=dg.BackfillPolicy.single_run())
    def sales(context) -> pd.DataFrame:
        keys = context.partition_keys
        return rows[rows["day"].between(pd.Timestamp(keys[0]), pd.Timestamp(keys[-1]))]

    manager = DuckDBPandasIOManager(database=str(home / "peer.duckdb"), schema="main")
    tags = {"dagster/asset_partition_range_start": str(days[0]), "dagster/asset_partition_range_end": str(days[-1])}
    with dg.DagsterInstance.get() as instance:
        begun = perf_counter()
        assert dg.materialize([sales], instance=instance, resources={"io_manager": manager}, tags=tags).success
        return perf_counter() - begun


if __name__ == "__main__":
    _, _, home, source, partitions, day_rows, start = sys.argv
    seconds = backfill(Path(home), Path(source), int(partitions), int(day_rows), date.fromisoformat(start))
    print(json.dumps({"seconds": seconds}))
