"""Dagster's BigQuery IO manager for pandas on the work of `bigquery`. Runs in the peers' environment, alone."""

import json
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import dagster as dg
import google.auth
import pandas as pd
from dagster_gcp_pandas import BigQueryPandasIOManager
from google.auth.credentials import AnonymousCredentials


def publish(dataset: str, home: Path, source: Path, partitions: int, day_rows: int, start: date, at_a_time: int) -> float:
    """All partitions, so many in a run; the asset returns the rows of its partitions."""
    os.environ["DAGSTER_HOME"] = str(home)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    google.auth.default = lambda *_, **__: (AnonymousCredentials(), os.environ["BIGQUERY_PROJECT"])
    days = [start + timedelta(days=number) for number in range(partitions)]
    daily = dg.DailyPartitionsDefinition(start_date=str(days[0]), end_date=str(days[-1] + timedelta(days=1)))
    rows = pd.read_parquet(source)
    rows["day"] = pd.to_datetime([day for day in days for _ in range(day_rows)])

    @dg.asset(partitions_def=daily, metadata={"partition_expr": "day"}, backfill_policy=dg.BackfillPolicy.multi_run(at_a_time))
    def sales(context) -> pd.DataFrame:
        keys = context.partition_keys
        first, last = days.index(date.fromisoformat(keys[0])), days.index(date.fromisoformat(keys[-1]))
        return rows.iloc[first * day_rows : (last + 1) * day_rows]

    manager = BigQueryPandasIOManager(project=os.environ["BIGQUERY_PROJECT"], dataset=dataset)
    with dg.DagsterInstance.get() as instance:
        begun = perf_counter()
        for first in range(0, partitions, at_a_time):
            chunk = days[first : first + at_a_time]
            tags = {"dagster/asset_partition_range_start": str(chunk[0]), "dagster/asset_partition_range_end": str(chunk[-1])}
            assert dg.materialize([sales], instance=instance, resources={"io_manager": manager}, tags=tags).success
        return perf_counter() - begun


if __name__ == "__main__":
    _, dataset, home, source, partitions, day_rows, start, at_a_time = sys.argv
    arguments = (dataset, Path(home), Path(source), int(partitions), int(day_rows), date.fromisoformat(start), int(at_a_time))
    print(json.dumps({"seconds": publish(*arguments)}))
