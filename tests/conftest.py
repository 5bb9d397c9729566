"""Shared by all tests: a home of their own, small products, and what a run in Dagster left behind."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import broker, broker_of_session, kafka, real_kafka, sandbox, topic_name  # noqa: F401
from tests.dagster_storage import quicken

# products read under the home on which day their history began, and tests import them before they have homes of their own
os.environ["DATAPRODUCTS_HOME"] = str(Path(tempfile.gettempdir(), f"dataproducts-tests-{os.getpid()}", "not-there"))

HOME = "hjemme hos Åse"
"""A folder as people have them: with a space and letters that an address would have to escape."""

FACTS = """\
name: {name}
title: {{nb: Butikk, en: Shop}}
description: {{nb: Salget i butikkene., en: What the shops sell.}}
status: active
team: team-shop
contact: {{name: Team Shop, email: team-shop@example.com}}
personal_data: {personal_data}
access: {access}
license: CC_BY_4_0
publisher: {{name: NAV, organization_number: "889640782"}}
purpose: Tests.
themes: [ECON]
keywords: [sales]
periodicity: DAILY
spatial: [NOR]
language: [nb]
"""
PUBLIC = {"personal_data": "{class: none, reason: Only amounts.}", "access": "{level: internal}"}
PERSONAL = {
    "personal_data": "{class: directly_identifying, reason: Names.}",
    "access": "{level: restricted, can_read: [team-shop]}",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come first: what they start takes longest, and idle workers steal from the end, so that it is started once."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)


def pytest_configure() -> None:
    """Nothing of what is imported for the tests goes away again: there is nothing for the collector to find."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor need it go through all that again for every few hundred objects of a test."""
    if "dagster" in sys.modules:
        quicken()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def pytest_unconfigure() -> None:
    """Libraries take for a leak what is left of them at the end."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lake and everything else of a test; no variable of the developer's own reaches it."""
    ours = ("DATAPRODUCTS_", "CATALOG_", "ENHETSREGISTERET_", "FIST_", "OPENLINEAGE_", "DAGSTER_HOME", "BIGQUERY_", "KAFKA_")
    for variable in [name for name in os.environ if name.startswith(ours)]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path / HOME))
    return tmp_path / HOME


@pytest.fixture
def instance() -> Iterator[Any]:
    """Dagster's memory, for one test."""
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def persistent() -> Iterator[Any]:
    """Dagster's memory on SQLite, for what looks at it from elsewhere: schedules, retries, other processes."""
    import dagster as dg

    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture(scope="session")
def unused_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Dagster keeps on SQLite before its first run; to copy it is much quicker than to make it."""
    import dagster as dg

    folder = tmp_path_factory.mktemp("dagster")
    with dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}):
        return folder


@pytest.fixture
def log(tmp_path: Path, unused_storage: Path) -> Iterator[Any]:
    """As `persistent`, beside the lake of the test and without a place in the environment."""
    import dagster as dg

    shutil.copytree(unused_storage, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.fixture(scope="session")
def shared_instance() -> Iterator[Any]:
    """As `persistent`, for what only looks at it: making one takes a second."""
    import dagster as dg

    with dg.instance_for_test(set_dagster_home=False) as instance:
        yield instance


@pytest.fixture
def facts_file(tmp_path: Path) -> Callable[..., Path]:
    """Write the product.yaml of a small product; gives its folder."""

    def write(name: str = "shop", *, personal: bool = False) -> Path:
        folder = tmp_path / "assets" / name
        folder.mkdir(parents=True)
        (folder / "product.yaml").write_text(FACTS.format(name=name, **(PERSONAL if personal else PUBLIC)))
        return folder

    return write


@pytest.fixture
def product(facts_file: Callable[..., Path]) -> Any:
    """The product "shop", which has no datasets yet."""
    import dataproducts as dp

    return dp.DataProduct(facts_file())


@dataclass(frozen=True)
class Recorded:
    """What Dagster's event log holds of a run; also of a failed one, whose result in memory leaves out what it stored."""

    run_id: str
    instance: Any

    @property
    def success(self) -> bool:
        """Whether the run ended well."""
        return bool(self.instance.get_run_by_id(self.run_id).is_success)

    @property
    def events(self) -> dict[tuple[str, str | None], dict[str, Any]]:
        """Metadata of each materialization by (dataset, partition)."""
        found = [e.asset_materialization for e in self._of_type("ASSET_MATERIALIZATION")]
        return {("/".join(m.asset_key.path), m.partition): {k: v.value for k, v in m.metadata.items()} for m in found}

    @property
    def checks(self) -> dict[str, Any]:
        """Check evaluations by name."""
        found = [e.dagster_event.asset_check_evaluation_data for e in self._of_type("ASSET_CHECK_EVALUATION")]
        return {e.check_name: e for e in found}

    @property
    def warned(self) -> dict[str, str]:
        """Severity of each check that did not pass."""
        return {name: check.severity.value for name, check in self.checks.items() if not check.passed}

    @property
    def failure(self) -> str:
        """What the failed step says: its sentence, or the error it was not prepared for."""
        (event,) = self._of_type("STEP_FAILURE")
        data = event.dagster_event.step_failure_data
        if data.user_failure_data is not None:
            return str(data.user_failure_data.description)
        error = data.error
        while error.cause is not None:
            error = error.cause
        return str(error.message.strip())

    @property
    def text(self) -> str:
        """Everything the run wrote: messages, metadata, errors with their causes."""
        return "\n".join(repr(entry) for entry in self.instance.all_logs(self.run_id))

    def _of_type(self, name: str) -> list[Any]:
        entries = self.instance.all_logs(self.run_id)
        return [e for e in entries if e.dagster_event and e.dagster_event.event_type_value == name]


@pytest.fixture
def materialize(instance: Any) -> Callable[..., Recorded]:
    """Materialize datasets of a product in one run: of one partition, or of a span of them (first, last)."""
    import dagster as dg

    own = instance

    def run(
        product: Any,
        *names: str,
        partition: str | None = None,
        span: tuple[str, str] | None = None,
        instance: Any = None,
        resources: dict[str, Any] | None = None,
    ) -> Recorded:
        tags = dict(zip(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), span or (), strict=False))
        result = dg.materialize(
            list(product.datasets.values()),
            selection=[product.datasets[name].declaration.key for name in names],
            partition_key=partition,
            tags=tags,
            instance=instance or own,
            resources=resources or {},
            raise_on_error=False,
        )
        return Recorded(result.run_id, instance or own)

    return run


@pytest.fixture
def lake(home: Path) -> str:
    """The lake of the test's own home."""
    return str(home / "lake")


@pytest.fixture
def declare() -> Callable[..., Any]:
    """Declare a contract without a product: columns by name, as pandera columns or just types."""
    import pandera.polars as pa

    import dataproducts as dp

    def contract(columns: dict[str, Any], key: Any = (), *, dataset: str = "shop/sales", rules: Any = (), **more: Any) -> dp.Contract:
        given = {name: c if isinstance(c, pa.Column) else pa.Column(c, nullable=name not in key) for name, c in columns.items()}
        return dp.Contract.of(pa.DataFrameSchema(given, checks=list(rules)), dataset=dataset, key=key, **more)

    return contract


@pytest.fixture
def store(lake: str) -> Callable[..., Any]:
    """Materialize partitions (key: rows, or a function of the key) without Dagster; gives the report, of which none may have failed."""
    import logging

    from dataproducts.materialization import Limits, Materializer

    def materialize(
        contract: Any, rows: Any, partitions: Any = None, *, run: str = "run", lenient: bool = False, lake: str = lake, **limits: Any
    ) -> Any:
        materializer = Materializer(lake, contract, Limits(**{"row_change": None, **limits}), run=run, log=logging.getLogger("test"))
        produce = rows if callable(rows) else rows.__getitem__
        report = materializer.materialize(list(partitions if partitions is not None else rows), produce)
        assert lenient or not report.failed, [o.error for o in report.failed]
        return report

    return materialize
