"""The composition root: the products under `assets/`, on the resources of the environment. Loading it does no I/O of theirs."""

from __future__ import annotations

import gc
import os
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import dagster as dg

from dataproducts import code_location, logs, settings
from dataproducts.errors import DeclarationError
from dataproducts.examples import job as examples
from dataproducts.kubernetes.executor import product_executor
from dataproducts.product import DataProduct
from dataproducts.source import InputPort

_NOT_DEFINITIONS = {"sandbox", "examples", "schemas"}


def products() -> dict[str, DataProduct]:
    """Every product of this code location, by name: the DataProducts that the packages of `assets` define."""
    found: dict[str, DataProduct] = {}
    for package in pkgutil.iter_modules(code_location.assets().__path__):
        if not package.ispkg:
            continue
        root = import_module(f"assets.{package.name}")
        modules = [m.name for m in pkgutil.iter_modules(root.__path__) if m.name not in _NOT_DEFINITIONS]
        for module in [root, *(import_module(f"assets.{package.name}.{name}") for name in sorted(modules))]:
            found.update({v.name: v for v in vars(module).values() if isinstance(v, DataProduct)})
    return found


def resources() -> dict[str, Any]:
    """The resources of the environment in use, from `resources/<DATAPRODUCTS_ENV>.py`; a location without that folder has none."""
    module = code_location.resources(settings.environment())
    return {} if module is None else dict(module.resources())


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Definitions of the whole location; `overrides` replace resources, for tests."""
    logs.of_dagster()
    with _nothing_to_collect():
        located = products()
        at_hand = {**port_resources(located), **resources(), **(overrides or {})}
        _refuse_unknown_parameters(located.values(), {*at_hand, "io_manager"})
        more = [publication(located), examples.definitions(located), dg.Definitions(resources=at_hand, executor=product_executor)]
        return dg.Definitions.merge(*(p.definitions() for p in located.values()), *more)


def publication(located: Mapping[str, DataProduct]) -> dg.Definitions:
    """What tells the catalog of it all, and proves that it has arrived; OpenLineage too, where its client is configured; and alerts."""
    from dataproducts.alerts.sensor import alerts_sensor
    from dataproducts.catalog.target import target
    from dataproducts.publication import lineage_events, sensor
    from dataproducts.publication.reconcile import reconciliation

    where = settings.location()
    sensors = [sensor.publication_sensor(located, target, where)]
    if any(os.environ.get(variable) for variable in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")):
        other = lineage_events.OpenLineageTarget(located)
        sensors.append(sensor.publication_sensor(located, other, where, name=lineage_events.NAME))
    asset, *rest = reconciliation(located, target, where, sensors=[one.name for one in sensors])
    checks = [one for one in rest if isinstance(one, dg.AssetChecksDefinition)]
    schedules = [one for one in rest if isinstance(one, dg.ScheduleDefinition)]
    jobs = [one for one in rest if one not in checks and one not in schedules]
    if (alerts := alerts_sensor(located, where)) is not None:
        sensors.append(alerts)
    return dg.Definitions(assets=[asset], asset_checks=checks, jobs=jobs, schedules=schedules, sensors=sensors)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_defs()


def port_resources(located: Mapping[str, DataProduct]) -> dict[str, Any]:
    """What ports need where the location gives no resource of that name."""
    found: dict[str, Any] = {}
    for product in located.values():
        for dataset in product.datasets.values():
            source = dataset.declaration.source
            found.update(source.defaults() if isinstance(source, InputPort) else {})
        for of_dataset in product.ports.values():
            for one in of_dataset:
                found.update(one.port.resources())
    return found


def _refuse_unknown_parameters(located: Iterable[DataProduct], known: set[str]) -> None:
    """A misspelt parameter looks like a resource; Dagster would refuse the whole location in its own words."""
    for dataset in (d for product in located for d in product.datasets.values()):
        for unknown in sorted(dataset.required_resource_keys - known):
            raise DeclarationError(
                f"{dataset.contract.dataset}: its function takes {unknown!r}, which is neither `partition`, `context`, a dataset of its "
                f"product nor a resource of resources/{settings.environment()}.py; correct the name, or add the resource"
            )


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Definitions live as long as the process; to look for garbage among them takes a fifth of the time a large location loads."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()
