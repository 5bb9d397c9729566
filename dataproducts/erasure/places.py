"""Places beside the lake that hold copies: ports, Dagster's event log, the catalog. A step yields (place, rows, what goes later)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from dataproducts.erasure.subjects import Erased
from dataproducts.errors import PortError

if TYPE_CHECKING:
    from dataproducts.erasure.erasing import World
    from dataproducts.port_asset import PortAsset
    from dataproducts.ports.port import Removed

Touched = Mapping[str, set[tuple[str, int]]]
Step = Iterator[tuple[str, int, str]]


@runtime_checkable
class Erasing(Protocol):
    """A port's session that can take back what it has delivered."""

    def erase(self, erased: Erased) -> Removed:
        """Remove the rows of those who are erased at the other end; what is no longer there is no fault.

        The lake is clean by now, and no batch is open. Raises PortError or PortUnavailable.
        """


def at_ports(world: World, erased: Mapping[str, Erased], touched: Touched, unfinished: list[str]) -> Step:
    """Every port that a dataset has ever left through. One that cannot be reached now keeps the erasure from being done."""
    for name, one in erased.items():
        product, own = name.split("/")
        for asset in world.products[product].ports[own] if product in world.products else ():
            where = f"{name}/{asset.port.name}"
            lines = asset.journal().refresh().lines
            if not lines:
                continue
            if (reason := asset.port.idle()) is not None:
                last: dict[str, str] = next((line.content for line in reversed(lines) if line.state == "delivered"), {})
                if last.get("sandbox") == "yes":
                    yield where, 0, "the sandbox broker that had it is gone with its process"
                else:
                    unfinished.append(f"{where} holds what was delivered and cannot be reached: {reason}")
                continue
            try:
                removed = _removed(world, asset, one)
            except PortError as error:
                unfinished.append(str(error))
                continue
            if removed is None:
                unfinished.append(f"{where} has no way to erase; remove the rows there by hand")
                continue
            yield where, removed.rows, removed.later


def _removed(world: World, asset: PortAsset, erased: Erased) -> Removed | None:
    from dataproducts.history.store import DatasetHistory
    from dataproducts.port_asset import offered
    from dataproducts.ports.delivery import finish

    d, port = asset.declaration, asset.port
    history = DatasetHistory(world.root, d.contract.dataset)
    resources = {name: world.resources[name] for name in port.resources()}
    with port.open(offered(d), history, resources, "erasure") as session:
        # a batch that a run has begun may carry what the lake had before: it is ended here, so that nothing of it arrives later
        finish(session, asset.journal(), history, "erasure")
        return session.erase(erased) if isinstance(session, Erasing) else None


def in_event_log(world: World, erased: Mapping[str, Erased], touched: Touched, unfinished: list[str]) -> Step:
    """Samples, profiles and examples in Dagster's events; then an event for each newest version that is other than it was."""
    if world.instance is None:
        return
    from dataproducts.erasure import event_log

    yield "Dagster's event log", event_log.erase(world.instance, erased, touched), ""
    for name in erased:
        if (dataset := world.datasets.get(name)) is not None:
            event_log.tell(world.instance, dataset, touched[name])


def in_examples(world: World, erased: Mapping[str, Erased], touched: Touched, unfinished: list[str]) -> Step:
    """What examples showed when they last ran: pictures and tables in which nobody can be looked for, so all of it goes."""
    from dataproducts.examples import forgetting

    if dropped := forgetting.forget(world.products, erased):
        yield "results of examples", dropped, ""


def in_catalog(world: World, erased: Mapping[str, Erased], touched: Touched, unfinished: list[str]) -> Step:
    """Profiles and facts in the catalog's tables, or told to the catalog that is a service. Its search index holds no rows."""
    import os

    if not world.catalog:
        return
    if os.environ.get("CATALOG_URL", ""):
        from dataproducts.catalog.target import service
        from dataproducts.erasure.wire import told

        yield "catalog", service().erase(told(erased, touched)), ""
        return
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.erasure import erase

    database = Database()
    if database.path is not None and not database.path.exists():
        return
    try:
        yield "catalog", erase(database, erased, touched), ""
    finally:
        database.close()
