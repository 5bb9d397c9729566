"""Thousands of datasets materialized, published and cataloged on PostgreSQL while servers and processes are killed: is anything lost?

`python -m benchmarks.soak` (apt: postgresql). Runs are real ones of small datasets, in processes of their own; the sensor's ticks and the
catalog's service are processes too. All of them, and the database, are killed or stopped again and again. At the end lake and catalog are
held against what was to be made, and the memory of sensor and catalog early and late against each other.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.backfill_postgresql import DAGSTER_YAML
from benchmarks.measurement import machine, processor_seconds, scratch
from benchmarks.sales import write_product
from tests import postgres

PRODUCT_DATASETS = 100  # of one product
RUN_DATASETS = 20
START = date(2026, 1, 1)
ROWS = 20
TOKEN_NAME = "soak"
_QUIET = 1.0  # seconds between looks
_PATIENCE = 900.0  # seconds for what is left to be published at the end


@dataclass(frozen=True)
class Job:
    """A run: datasets by number, partitions from the first to the last, and the edition of their content."""

    number: int
    datasets: range
    days: tuple[str, str]
    edition: int

    def text(self) -> str:
        """A line that a worker reads."""
        return f"{self.number} {self.datasets.start} {self.datasets.stop} {self.days[0]} {self.days[1]} {self.edition}\n"


@dataclass
class Faults:
    """How often what was killed."""

    runs: int = 0
    sensor: int = 0
    catalog: int = 0
    database: int = 0


@dataclass
class Outcome:
    """What was made and what is missing, of how many; memory in MiB, early and late."""

    datasets: int
    materializations: int
    versions: int
    lost: int
    doubled: int
    behind: int
    seconds: float
    processor: float
    faults: Faults
    failed_runs: int
    memory: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost and nothing is there twice."""
        return not (self.lost or self.doubled or self.behind)


@click.command()
@click.option("--assets", default=3_000, show_default=True, type=click.IntRange(1))
@click.option("--materializations", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--every", default=45.0, show_default=True, help="Seconds from one fault to the next.")
@click.option("--minutes", type=float, help="When no more runs are begun; what was begun is made and counted.")
@click.option("--seed", default=1, show_default=True)
def main(assets: int, materializations: int, every: float, minutes: float | None, seed: int) -> None:
    """Run it and print what was found; exit status 1 where anything is lost."""
    if postgres.binaries() is None:
        sys.exit("no PostgreSQL on this machine (apt: postgresql)")
    print(", ".join(f"{name} {value}" for name, value in machine().items()), flush=True)
    done = soak(assets, materializations, every, seed, minutes, say=lambda text: print(text, flush=True))
    for name, value in done.__dict__.items():
        print(f"{name}: {value}")
    sys.exit(0 if done.is_whole else 1)


def soak(
    assets: int, materializations: int, every: float, seed: int = 1, minutes: float | None = None, say: Any = lambda text: None
) -> Outcome:
    """Make so many materializations of so many datasets, with a fault every so many seconds, or what of it can be begun in the minutes."""
    days = max(1, -(-materializations // assets))
    with postgres.server() as server, scratch() as home:
        supervisor = _Supervisor(home, server, jobs(assets, days), random.Random(seed), every, say)
        with supervisor.running(assets):
            return supervisor.run(60 * minutes if minutes else None)


def jobs(assets: int, days: int) -> list[Job]:
    """Every dataset and day once, and for every fourth run of datasets a second edition of the first half of its days."""
    keys = [(START + timedelta(days=n)).isoformat() for n in range(days)]
    found = []
    for first in range(0, assets, RUN_DATASETS):
        datasets = range(first, min(first + RUN_DATASETS, assets))
        found.append((datasets, (keys[0], keys[-1]), 1))
    again = [(datasets, (keys[0], keys[(days - 1) // 2]), 2) for datasets, _, _ in found[::4]]
    return [Job(number, *one) for number, one in enumerate([*found, *again])]


def editions(made: Collection[Job]) -> dict[str, dict[str, int]]:
    """By dataset and day, how many versions there are to be."""
    wanted: dict[str, dict[str, int]] = {name(n): {} for job in made for n in job.datasets}
    for job in sorted(made, key=lambda job: job.number):
        first, last = (date.fromisoformat(day) for day in job.days)
        for n in job.datasets:
            for offset in range((last - first).days + 1):
                wanted[name(n)][(first + timedelta(days=offset)).isoformat()] = job.edition
    return wanted


def name(number: int) -> str:
    """The name of a dataset, "product/dataset"."""
    return f"soak_{number // PRODUCT_DATASETS}/dataset_{number}"


def declared(home: Path, numbers: range, edition: int = 1) -> dict[str, Any]:
    """Products with the datasets of these numbers."""
    import dagster as dg
    import pandera.polars as pa

    import dataproducts as dp

    class Row(pa.DataFrameModel):
        """A row."""

        number: int = dp.column("Number of the row.", ge=0)
        text: str = dp.column("Anything.", nullable=True)
        amount: float = dp.column("How much.", ge=0)

        class Config:
            """One row for each number."""

            unique = "number"

    partitions, products = dg.DailyPartitionsDefinition(start_date=START.isoformat()), {}
    for n in numbers:
        product_name, dataset_name = name(n).split("/")
        if product_name not in products:
            products[product_name] = dp.DataProduct(write_product(home / "products" / product_name, product_name))

        products[product_name].dataset(schema=Row, name=dataset_name, partitions=partitions)(_maker(n, edition))
    return products


def _maker(number: int, edition: int) -> Any:
    import polars as pl

    def made(partition: str) -> pl.DataFrame:
        chance = random.Random(f"{number} {partition} {edition}")
        text, amount = [chance.choice(["a", "b", None]) for _ in range(ROWS)], [chance.random() for _ in range(ROWS)]
        return pl.DataFrame(
            {"number": range(ROWS), "text": text, "amount": amount}, schema={"number": pl.Int64, "text": pl.String, "amount": pl.Float64}
        )

    return made


class _Supervisor:
    """Starts the processes, gives them work, kills them, and starts them again."""

    def __init__(self, home: Path, server: postgres.Postgres, work: list[Job], chance: random.Random, every: float, say: Any) -> None:
        self.home, self.server, self.chance, self.every, self.say = home, server, chance, every, say
        self.waiting, self.begun, self.done = deque(work), set[Job](), 0
        self.faults, self.failed = Faults(), 0
        self.memory: dict[str, list[float]] = {"sensor": [], "catalog": []}
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.busy: dict[str, Job] = {}
        self.spent: Counter[str] = Counter()

    @contextmanager
    def running(self, assets: int) -> Iterator[None]:
        """The processes, and a catalog and an instance in which nothing is yet."""
        from dataproducts.catalog import tokens
        from dataproducts.catalog.database import Database
        from dataproducts.catalog.store import Store

        catalog, dagster = self.server.new(), self.server.new()
        (self.home / "dagster.yaml").write_text(DAGSTER_YAML.format(url=dagster.replace("+psycopg", ""), runs=2), encoding="utf-8")
        database = Database(catalog)
        token = tokens.issue(Store(database), TOKEN_NAME, ["publish:dataproducts"])
        database.close()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DAGSTER", "DATAPRODUCTS", "CATALOG"))}
        self.environment = {
            **kept,
            "DAGSTER_HOME": str(self.home),
            "DATAPRODUCTS_HOME": str(self.home),
            "PYTHONWARNINGS": "ignore",
            "POLARS_MAX_THREADS": "2",
            "CATALOG_URL": f"http://127.0.0.1:{self.port}",
            "CATALOG_TOKEN": token,
            "CATALOG_DATABASE_URL": catalog,
        }
        os.environ.update(self.environment)
        import dagster as dg

        with dg.DagsterInstance.get():  # which makes Dagster's tables
            pass
        self.assets = assets
        try:
            for one in ("catalog", "sensor", "worker 1", "worker 2"):
                self._start(one)
            yield
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
            for variable in set(self.environment) - set(kept):
                del os.environ[variable]

    def run(self, seconds: float | None) -> Outcome:
        """Until all is made, or all that was begun in so many seconds; then wait for what is still to be published."""
        began = time.perf_counter()
        next_fault, shown = began + self.every, began
        while self.waiting or self.busy:
            self._give_and_take()
            now = time.perf_counter()
            if seconds is not None and now - began > seconds:
                self.waiting = deque(job for job in self.waiting if job in self.begun)
            if now >= next_fault:
                self._fault()
                next_fault = time.perf_counter() + self.every
            if now - shown > 30:
                shown = now
                self.say(f"{now - began:.0f} s: {self.done} runs done, {len(self.waiting)} wait; {self._sampled()}")
            self._sample()
        self.say(f"{time.perf_counter() - began:.0f} s: all runs are done")
        wanted = editions(self.begun)
        lost, doubled, versions = self._against_truth(wanted)
        behind = self._published(began)
        taken = time.perf_counter() - began
        for one in list(self.processes):
            self._count(one)
        held = {which: (median(of[len(of) // 4 : len(of) // 2]), median(of[-max(1, len(of) // 4) :])) for which, of in self.memory.items()}
        return Outcome(
            datasets=len(wanted),
            materializations=sum(edition for of in wanted.values() for edition in of.values()),
            versions=versions,
            lost=lost,
            doubled=doubled,
            behind=behind,
            seconds=round(taken, 1),
            processor=round(sum(self.spent.values()), 1),
            faults=self.faults,
            failed_runs=self.failed,
            memory={which: (round(early), round(late)) for which, (early, late) in held.items()},
        )

    def _give_and_take(self) -> None:
        """An idle worker gets a job; what one was at when it died is given out again."""
        import select

        for which in [one for one in self.processes if one.startswith("worker")]:
            process = self.processes[which]
            assert process.stdin is not None
            assert process.stdout is not None
            if process.poll() is not None:
                if which in self.busy:
                    self.waiting.appendleft(self.busy.pop(which))
                self._start(which)
            elif which in self.busy:
                if select.select([process.stdout], [], [], 0)[0] and (said := process.stdout.readline().split()):
                    job = self.busy.pop(which)
                    if said[0] == "done":
                        self.done += 1
                    else:
                        self.failed += 1
                        self.waiting.appendleft(job)
            elif self.waiting and not any(self.waiting[0].datasets == job.datasets for job in self.busy.values()):
                self.busy[which] = self.waiting.popleft()
                self.begun.add(self.busy[which])
                with suppress(BrokenPipeError):
                    process.stdin.write(self.busy[which].text())
                    process.stdin.flush()
        time.sleep(0.05)

    def _fault(self) -> None:
        what = self.chance.choice(["runs", "runs", "sensor", "catalog", "database"])
        setattr(self.faults, what, getattr(self.faults, what) + 1)
        self.say(f"a fault: {what}")
        if what == "database":
            self.server.stop("immediate")
            time.sleep(self.chance.uniform(0, 3))
            self.server.start()
        elif what == "runs":
            self._kill(self.chance.choice(["worker 1", "worker 2"]))
        else:
            self._kill(what)
            if what == "catalog":
                time.sleep(self.chance.uniform(1, 10))
            self._start(what)

    def _kill(self, which: str) -> None:
        self._count(which)
        self.processes[which].kill()
        self.processes[which].wait()

    def _count(self, which: str) -> None:
        self.spent[which] += processor_seconds(self.processes[which].pid)

    def _start(self, which: str) -> None:
        command = [sys.executable, "-m", "benchmarks.soak_worker", which.split()[0], str(self.home), str(self.assets)]
        if which == "catalog":
            command = [str(Path(sys.executable).parent / "dataproducts"), "catalog", "serve", "--port", str(self.port)]
        log = (self.home / f"{which.replace(' ', '-')}.log").open("a", encoding="utf-8")
        with log:
            self.processes[which] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log if which in ("catalog", "sensor") else subprocess.PIPE, stderr=log,
                text=True, env=self.environment, start_new_session=True,
            )  # fmt: skip

    def _sample(self) -> None:
        now = time.monotonic()
        if now - getattr(self, "_sampled_at", 0.0) < 2:
            return
        self._sampled_at = now
        for which, of in self.memory.items():
            if (resident := _resident(self.processes[which].pid)) is not None:
                of.append(resident)

    def _sampled(self) -> str:
        return ", ".join(f"{which} {of[-1]:.0f} MiB" for which, of in self.memory.items() if of)

    def _against_truth(self, wanted: Mapping[str, Mapping[str, int]]) -> tuple[int, int, int]:
        """Versions that are missing from the lake, those that are there more often than they were made, and all."""
        from dataproducts.history.store import DatasetHistory

        lost = doubled = versions = 0
        for dataset, of in wanted.items():
            held = Counter(v.partition for v in DatasetHistory(str(self.home / "lake"), dataset).versions())
            versions += held.total()
            lost += sum(max(0, number - held[day]) for day, number in of.items())
            doubled += sum(max(0, number - of.get(day, 0)) for day, number in held.items())
        return lost, doubled, versions

    def _published(self, began: float) -> int:
        """Partitions and datasets that the catalog lacks when the sensor has nothing more to send."""
        import dagster as dg

        from dataproducts.catalog.target import target
        from dataproducts.errors import CatalogUnavailable
        from dataproducts.publication.reconcile import compare

        products = declared(self.home, range(self.assets))
        patience, behind, shown = time.monotonic() + _PATIENCE, -1, 0.0
        with dg.DagsterInstance.get() as instance:
            while behind and time.monotonic() < patience:
                self._sample()
                time.sleep(_QUIET)
                if time.monotonic() - shown < 15:
                    continue
                shown = time.monotonic()
                with suppress(CatalogUnavailable):
                    found = compare(instance, products, target(), "dataproducts", datetime.now(UTC) + timedelta(hours=1))
                    behind = len(found.behind) + len(found.missing)
                    self.say(f"{time.perf_counter() - began:.0f} s: {behind} behind or missing; {self._sampled()}")
        return behind


def _resident(process: int) -> float | None:
    """Resident memory in MiB."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return None


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.soak")
