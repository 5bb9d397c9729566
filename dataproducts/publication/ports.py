"""The ports held against their datasets: what was delivered is there, once and whole, and what is still to be delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataproducts.errors import PortError
from dataproducts.messages import PortProof

if TYPE_CHECKING:
    from datetime import datetime

    from dataproducts.port_asset import PortAsset
    from dataproducts.product import DataProduct


@dataclass(frozen=True)
class Found:
    """What was found at one port, and in sentences what differs. `idle`: why the port writes nowhere here; then there is no proof.

    `under_way`: versions that are too young to be waited for. `remedy` says what to do, as the end of a sentence, where something is to
    be delivered or something else is there.
    """

    dataset: str
    port: str
    proof: PortProof | None = None
    differences: tuple[str, ...] = ()
    idle: str | None = None
    remedy: str = ""
    under_way: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether everything is there and nothing differs."""
        return self.proof is None or not (self.proof.differences or self.proof.waiting or self.proof.problem)


def compared(
    products: Mapping[str, DataProduct], resources: Mapping[str, Any], *, full: bool, since: datetime | None = None
) -> Iterator[Found]:
    """Every port of every dataset, one after the other; `full` reads back what was delivered. `resources` are initialized ones.

    What has been known only `since` then is under way; None: nothing is.
    """
    for name in sorted(products):
        for ports in products[name].ports.values():
            for one in ports:
                yield _compared(one, {key: resources[key] for key in one.port.resources()}, full, since)


def resource_keys(products: Mapping[str, DataProduct]) -> set[str]:
    """Names of the resources that the ports of these products need."""
    return {key for p in products.values() for ports in p.ports.values() for one in ports for key in one.port.resources()}


def _compared(one: PortAsset, resources: Mapping[str, Any], full: bool, since: datetime | None) -> Found:
    dataset, port = one.declaration.contract.dataset, one.port.name
    if (idle := one.port.idle()) is not None:
        return Found(dataset, port, idle=idle)
    try:
        comparison, waiting, under_way = one.compare(resources, full, since)
    except PortError as error:
        return Found(dataset, port, PortProof(dataset=dataset, port=port, versions=0, rows=0, problem=str(error)[:2_000]), (str(error),))
    differences = [f"{dataset}, {port}: {difference.text}" for difference in comparison.differences]
    if waiting:
        first = f"partition {waiting[0].partition} version {waiting[0].number}"
        differences.append(f"{dataset}, {port}: {first}{f' and {len(waiting) - 1} more' if len(waiting) > 1 else ''} still to be delivered")
    deliver = f"materialize {dataset}/{port} to deliver what is missing there"
    remedy = one.remedy() if comparison.differences else deliver if waiting else ""
    proof = PortProof(
        dataset=dataset,
        port=port,
        versions=comparison.versions,
        rows=comparison.rows,
        waiting=len(waiting),
        differences=len(comparison.differences),
    )
    return Found(dataset, port, proof, tuple(differences), remedy=remedy, under_way=len(under_way))
