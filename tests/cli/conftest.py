"""A code location in a folder of its own, made by `dataproducts new` and with a few datasets more, and the command run in it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

TODAY = date(2026, 11, 22)
COMMAND = [sys.executable, "-m", "dataproducts"]

MORE = '''\
"""Datasets whose rows a test chooses, in `rows.json`, and some that misbehave."""

import json
from pathlib import Path
from typing import Annotated

import dagster as dg
import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.weather.datasets import product
from assets.weather.schemas import Reading

days = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-11", timezone="Europe/Oslo")


def chosen(name):
    return json.loads(Path("rows.json").read_text())[name]


class Item(pa.DataFrameModel):
    """A thing in a shop."""

    name: str = dp.column("What it is called.", source="name")
    price: Annotated[pl.Decimal, 20, 2] = dp.column("What it costs.", source="price", unit="NOK", nullable=True, ge=0)
    sold_on: pl.Date = dp.column("When it was sold.", source="sold_on", nullable=True)
    seen_at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When it was seen.", source="seen_at", nullable=True)
    tags: Annotated[pl.List, pl.String()] = dp.column("Words about it.", source="tags", nullable=True)


class Person(pa.DataFrameModel):
    """A customer."""

    number: int = dp.column("Customer number.", source="number", personal="possibly_identifying", ge=1)
    name: str = dp.column("Name.", source="name", personal="directly_identifying")


@product.dataset(schema=Item, key="name", least_rows=0)
def items():
    """Things in a shop."""
    return chosen("items")


@product.dataset(schema=Item, key="name", quarantine=0.9, partitions=days)
def sales(partition):
    """Things sold on a day."""
    return chosen("sales")


@product.dataset(schema=Person, key="number", quarantine=0.9, personal="directly_identifying", access="restricted")
def people():
    """Customers."""
    return chosen("people")


@product.dataset(schema=Reading, key="station", kind="snapshot", partitions=days)
def stations(partition):
    """All stations as they were that day."""
    return pl.DataFrame(chosen("stations")[partition], schema={"station": str, "day": str, "temperature": float}).with_columns(
        pl.col("day").str.to_date()
    )


stations_history = product.history(stations)


@product.dataset(schema=Reading, key="station", partitions=days, partitions_per_run=3)
def moody(partition, context):
    """Readings that go wrong on some days."""
    context.log.info(f"reading {partition}")
    print("printed by the product")
    if partition == "2026-11-04":
        raise ValueError("no thermometer")
    warm = 500.0 if partition in ("2026-11-05", "2026-11-06") else 5.0
    return pl.DataFrame({"station": ["Vestly"], "temperature": [warm]}).with_columns(day=pl.lit(partition).str.to_date())


@product.dataset(schema=Reading, key="station", partitions=dg.StaticPartitionsDefinition(["north", "south", "west"]))
def regions(partition):
    """Readings by region."""
    return pl.DataFrame({"station": [partition], "temperature": [1.0]}).with_columns(day=pl.date(2026, 11, 1))


@product.dataset(
    schema=Reading,
    key="station",
    partitions=dg.MultiPartitionsDefinition({"day": days, "region": dg.StaticPartitionsDefinition(["north", "south"])}),
)
def both(partition):
    """Readings by day and region."""
    return pl.DataFrame({"station": [partition], "temperature": [1.0]}).with_columns(day=pl.date(2026, 11, 1))


@product.dataset(schema=Reading, key="station")
def sleepy(context):
    """Readings that take a while."""
    import time

    context.log.info("asleep")
    time.sleep(60)
'''


@dataclass
class Location:
    """A code location on disk, and the command run in it; `run` in this process, `process` in one of its own."""

    folder: Path
    modules: dict[str, ModuleType] = field(default_factory=dict)

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run the command in this process, as far from a terminal as a pipe."""
        from dataproducts.cli import cli

        return CliRunner().invoke(cli, list(arguments), env=environment, prog_name="dataproducts")

    def ok(self, *arguments: str) -> str:
        """Standard output of a command that has to succeed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, f"{arguments}: {result.output}"
        return result.stdout

    def refusal(self, *arguments: str, status: int = 1) -> str:
        """The one line on standard error of a command that has to fail."""
        result = self.run(*arguments)
        assert result.exit_code == status, f"{arguments}: {result.output}"
        errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
        assert len(errors) == 1, result.stderr
        assert result.stderr.splitlines()[-1] == errors[0]
        assert "Traceback" not in result.output
        return errors[0].removeprefix("error: ")

    def process(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own."""
        environment = {**os.environ, **more.pop("env", {})}
        return subprocess.run([*COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, env=environment, **more)

    def runs(self) -> list[dict[str, str]]:
        """Tags of the runs that Dagster's UI shows, oldest first."""
        import dagster as dg

        home = self.folder / ".dataproducts/dagster"
        if not home.exists():  # no test of this module has run anything yet
            return []
        with dg.DagsterInstance.from_config(str(home)) as instance:
            return [run.tags for run in reversed(instance.get_runs())]

    def rows(self, **of_dataset: Any) -> None:
        """Choose the rows that datasets give from now on."""
        (self.folder / "rows.json").write_text(json.dumps(of_dataset))


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Location:
    """The folder, for the tests of one module; they share its lake. A module's own `MORE` stands in it in place of this one."""
    from dataproducts.scaffold import new_product

    folder = tmp_path_factory.mktemp("location")
    new_product("weather", folder, TODAY)
    (folder / "assets/weather/more.py").write_text(getattr(request.module, "MORE", MORE))
    return Location(folder)


@contextmanager
def inside(place: Location) -> Iterator[None]:
    """The code location as the working directory, with its own `assets` and `resources` imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        patch.setenv("DATAPRODUCTS_HOME", str(place.folder / ".dataproducts"))
        patch.setattr(sys, "dont_write_bytecode", True)  # a file may change twice in a second
        patch.setattr(sys, "path", [str(place.folder), *sys.path])
        others = _taken_out()
        sys.modules.update(place.modules)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            place.modules = _taken_out()
            sys.modules.update(others)


@pytest.fixture
def location(place: Location, home: Path) -> Iterator[Location]:
    """The code location of the module, in use."""
    with inside(place):
        yield place


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    """An empty folder as the working directory; the command runs there in processes of their own."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(folder / ".dataproducts"))
    return Location(folder)


def _taken_out() -> dict[str, ModuleType]:
    names = [n for n in sys.modules if n.split(".")[0] in ("assets", "resources")]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture
def changed_code(location: Location) -> Iterator[Callable[[str, str, str], None]]:
    """Change a file of the location as an author would, for one test: file, what to replace, by what."""
    before: dict[Path, str] = {}

    def change(name: str, old: str, new: str) -> None:
        path = location.folder / name
        text = path.read_text()
        assert old in text
        before.setdefault(path, text)
        path.write_text(text.replace(old, new))
        _taken_out()

    yield change
    for path, text in before.items():
        path.write_text(text)
    _taken_out()
