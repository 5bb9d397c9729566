"""A year of daily partitions as a backfill that Dagster's own daemon carries out, its storage on PostgreSQL, each run a process.

Floor: Dagster's own default, a run and process for each partition, of an asset that only writes a Parquet file. So few of them are run
that one does not wait for hours, and their time is scaled. Needs a PostgreSQL server (apt: postgresql); nothing is measured without.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.measurement import Comparison, Size, by_turns, processor_seconds, scratch
from benchmarks.peers import Peers
from benchmarks.sales import DAY_ROWS, sales, write_product
from tests import postgres

PARTITIONS = {"small": 2, "full": 365}
SAMPLE = {"small": 1, "full": 12}
"""How many partitions of the floor are run."""
START = date(2025, 1, 1)
RUNS_AT_ONCE = 2
_PATIENCE = 900.0  # seconds

DAGSTER_YAML = """\
storage:
  custom:
    module: dataproducts.postgresql
    class: PostgresStorage
    config:
      postgres_url: "{url}"
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
concurrency:
  runs:
    max_concurrent_runs: {runs}
telemetry:
  enabled: false
"""
_LOCATION = """\
from pathlib import Path
from benchmarks.backfill_postgresql import {contestant}
defs = {contestant}(Path({home!r}), {partitions})
"""


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """From the request for the backfill to the end of its last run, with whatever time Dagster lets pass in between."""
    if postgres.binaries() is None:
        print("no PostgreSQL on this machine", file=sys.stderr)
        return []
    partitions, sample = PARTITIONS[size], SAMPLE[size]
    busy: dict[str, list[float]] = {"ours": [], "floor": []}
    runs: dict[str, int] = {}
    with postgres.server() as server, scratch() as folder:
        sales(partitions * DAY_ROWS).write_parquet(folder / "source.parquet")

        def turn(name: str, contestant: Callable[[Path, int], Any], number: int) -> float:
            home = folder / uuid.uuid4().hex
            home.mkdir()
            (home / "source.parquet").symlink_to(folder / "source.parquet")
            waited, seconds, processor, runs[name] = _backfilled(home, server.new(), contestant, number)
            busy[name].append(processor * partitions / number)
            return waited + seconds * partitions / number

        taken = by_turns(rounds, {"ours": lambda: turn("ours", ours, partitions), "floor": lambda: turn("floor", plain, sample)})
    used = {name: median(values) for name, values in busy.items()}
    return [
        Comparison(
            name="backfill postgresql",
            what=f"a backfill of {partitions} partitions of {DAY_ROWS:,} rows by Dagster's daemon on PostgreSQL, "
            f"{runs['ours']} runs, {used['ours']:.0f} s of processor time",
            ours=taken["ours"],
            floor=taken["floor"],
            floor_is=f"Dagster's default, a run for each partition that writes a Parquet file: {sample} of {partitions}, scaled; "
            f"{used['floor']:.0f} s of processor time",
            target=90.0,
            target_is_seconds=True,
            rounds=rounds,
        )
    ]


def ours(home: Path, partitions: int) -> Any:
    """Definitions with a dataset of the kit, as it is by default."""
    import dagster as dg
    import polars as pl

    import dataproducts as dp
    from benchmarks.sales import Sale

    product = dp.DataProduct(write_product(home / "benchmark", "benchmark"))
    place = {key: number * DAY_ROWS for number, key in enumerate(days(partitions))}

    @product.dataset(schema=Sale, partitions=_daily(partitions))
    def sales(partition: str) -> pl.LazyFrame:
        """Sales of a day."""
        return pl.scan_parquet(home / "source.parquet").slice(place[partition], DAY_ROWS)

    return dg.Definitions(assets=[sales])


def plain(home: Path, partitions: int) -> Any:
    """Definitions with an asset that says nothing of backfills, which gives each partition a run."""
    import dagster as dg

    place = {key: number * DAY_ROWS for number, key in enumerate(days(partitions))}

    @dg.asset(key=["benchmark", "sales"], partitions_def=_daily(partitions))
    def sales(context):  # type: ignore[no-untyped-def]  # whose type Dagster would look for at the top of this module
        import polars as pl

        rows = pl.scan_parquet(home / "source.parquet").slice(place[context.partition_key], DAY_ROWS)
        rows.collect().write_parquet(home / f"{context.partition_key}.parquet")

    return dg.Definitions(assets=[sales])


def days(partitions: int) -> list[str]:
    """The partitions' keys."""
    return [(START + timedelta(days=number)).isoformat() for number in range(partitions)]


def _daily(partitions: int) -> Any:
    import dagster as dg

    return dg.DailyPartitionsDefinition(start_date=str(START), end_date=(START + timedelta(days=partitions)).isoformat())


def _backfilled(home: Path, url: str, contestant: Callable[[Path, int], Any], partitions: int) -> tuple[float, float, float, int]:
    """Seconds until the first run, from there until all is there, and of processor time of all processes; how many runs there were."""
    import dagster as dg
    from dagster._core.execution.backfill import PartitionBackfill
    from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunsFilter

    (home / "dagster.yaml").write_text(DAGSTER_YAML.format(url=url.replace("+psycopg", ""), runs=RUNS_AT_ONCE), encoding="utf-8")
    location = home / "location.py"
    location.write_text(_LOCATION.format(contestant=contestant.__name__, home=str(home), partitions=partitions), encoding="utf-8")
    environment = {**os.environ, "DAGSTER_HOME": str(home), "DATAPRODUCTS_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    with dg.DagsterInstance.from_config(str(home)) as instance, (home / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-f", str(location), "-d", str(Path.cwd())],
            stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            _until(lambda: any(beat.healthy for beat in instance.get_daemon_statuses().values()), daemon, instance, home)
            began = time.time()
            instance.add_backfill(
                PartitionBackfill.from_asset_partitions(
                    backfill_id="benchmark",
                    asset_graph=contestant(home, partitions).resolve_asset_graph(),
                    partition_names=days(partitions),
                    asset_selection=[dg.AssetKey(["benchmark", "sales"])],
                    backfill_timestamp=time.time(),
                    tags={},
                    dynamic_partitions_store=instance,
                    all_partitions=False,
                    title=None,
                    description=None,
                    run_config=None,
                )
            )
            _until(lambda: len(_made(instance)) == partitions and not instance.get_runs(_unfinished()), daemon, instance, home)
            ended, processor = time.time(), processor_seconds(daemon.pid)
        finally:
            daemon.terminate()
            daemon.wait()
            with suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)  # its code servers, which may wait for it for ever
        runs = instance.get_run_records(RunsFilter(statuses=list(FINISHED_STATUSES)))
        assert all(run.dagster_run.is_success for run in runs)
        first = min(run.create_timestamp.timestamp() for run in runs)
        return first - began, ended - first, processor, len(runs)


def _made(instance: Any) -> set[str]:
    import dagster as dg

    return set(instance.get_materialized_partitions(dg.AssetKey(["benchmark", "sales"])))


def _unfinished() -> Any:
    from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunsFilter

    return RunsFilter(statuses=list(NOT_FINISHED_STATUSES))


def _until(done: Callable[[], bool], daemon: subprocess.Popen[bytes], instance: Any, home: Path) -> None:
    from dagster._core.execution.backfill import BulkActionStatus

    patience = perf_counter() + _PATIENCE
    while not done():
        failed = any(one.status == BulkActionStatus.FAILED for one in instance.get_backfills())
        if failed or daemon.poll() is not None or perf_counter() > patience:
            said = (home / "daemon.log").read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            raise RuntimeError("Dagster's daemon did not get there:\n" + "\n".join(said))
        time.sleep(0.25)
