"""What follows from what a product has made: datasets and ports with an automation condition, as the daemon would ask for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dataproducts.cli.partitions import runs
from dataproducts.cli.runs import UNCUT, Outcome, Runs

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.dataset import Dataset
    from dataproducts.port_asset import PortAsset
    from dataproducts.product import DataProduct


WAITS = (30.0, 60.0, 120.0)
"""Seconds before a port is tried again whose other end was away."""


class Following:
    """What is asked for from one look to the next. The first look asks for what is missing and can be made."""

    def __init__(self, product: DataProduct, instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
        from dataproducts.definitions import build_defs

        self.product = product
        self.instance = instance
        self.say = say
        self.defs = build_defs()
        self._cursor: Any = None
        self._wanted: dict[dg.AssetKey, set[str]] = {}

    def look(self) -> bool:
        """See what has become due; whether anything has."""
        import dagster as dg

        selection = dg.AssetSelection.assets(*(dataset.key if port is None else port.key for dataset, port in self._assets()))
        found = dg.evaluate_automation_conditions(self.defs, self.instance, selection, cursor=self._cursor)
        self._cursor = found.cursor
        for dataset, port in self._assets():
            key = dataset.key if port is None else port.key
            if keys := {key_ or UNCUT for key_ in found.get_requested_partitions(key)}:
                self._wanted.setdefault(key, set()).update(keys)
        return bool(self._wanted)

    def make(self) -> Iterator[tuple[str, Outcome]]:
        """Make what has become due, what others are made from first; gives what became of each partition, with the asset's name."""
        order = {key: place for place, key in enumerate(self.defs.resolve_asset_graph().toposorted_asset_keys)}
        wanted, self._wanted = self._wanted, {}
        assets = [(d, p, d.key if p is None else p.key) for d, p in self._assets()]
        for dataset, port, key in sorted(assets, key=lambda one: order[one[2]]):
            if key not in wanted:
                continue
            one_by_one = Runs(dataset, self.instance, self.say, port)
            for keys in self._in_order(dataset, wanted[key]):
                for outcome in self._again(one_by_one, keys):
                    yield "/".join(key.path), outcome

    def _again(self, one_by_one: Runs, keys: Sequence[str]) -> list[Outcome]:
        """What a run gives, tried again as the daemon would; here an interrupt ends the wait."""
        outcomes = one_by_one.run(keys)
        for seconds in WAITS:
            passing = next((o.error for o in outcomes if o.passing), None)
            if passing is None:
                break
            self.say(f"{passing}; trying again in {seconds:g} seconds")
            time.sleep(seconds)
            outcomes = one_by_one.run(keys)
        return outcomes

    def _in_order(self, dataset: Dataset, wanted: set[str]) -> list[list[str]]:
        """The partitions of each run: neighbours together, as many as the dataset allows."""
        partitions = dataset.declaration.partitions
        if partitions is None:
            return [[]]
        spans: list[list[str]] = [[]]
        for key in partitions.get_partition_keys(dynamic_partitions_store=self.instance):
            if key in wanted:
                spans[-1].append(key)
            elif spans[-1]:
                spans.append([])
        return [some for span in spans for some in runs(span, dataset.declaration.partitions_per_run)]

    def _assets(self) -> list[tuple[Dataset, PortAsset | None]]:
        """Datasets and the ports that have somewhere to go."""
        found: list[tuple[Dataset, PortAsset | None]] = []
        for name, dataset in self.product.datasets.items():
            found.append((dataset, None))
            found += [(dataset, port) for port in self.product.ports[name] if port.port.idle() is None]
        return found
