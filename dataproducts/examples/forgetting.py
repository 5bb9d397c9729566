"""What examples showed may be rows of somebody who is erased: which examples that is, and results that are not kept, or no longer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dataproducts import settings
from dataproducts.examples import kept, running

if TYPE_CHECKING:
    from dataproducts.product import DataProduct


def may_show(product: str, sources: Collection[str], erased: Collection[str]) -> bool:
    """Whether examples of a product may show rows of these datasets: of its own, or of products whose names stand in their sources."""
    products = {name.split("/")[0] for name in erased}
    return product in products or any(name in source for name in products for source in sources)


def forget(products: Mapping[str, DataProduct], erased: Collection[str]) -> int:
    """Drop what is kept of the examples that may show them, until they run again; gives of how many products.

    Of a lake without code only the products of the datasets themselves are known.
    """
    own = {name.split("/")[0] for name in erased}
    others = {name for name, product in products.items() if may_show(name, _sources(product.folder), erased)}
    return sum(kept.drop(product) for product in sorted(own | others))


def keep(product: str, folder: Path, outcomes: Collection[running.Outcome]) -> bool:
    """Keep what a run of a product's examples showed, unless somebody was being erased from what they read; gives whether it was kept."""
    since = min(outcome.at for outcome in outcomes)
    if _is_erased_since(product, folder, since):
        return False
    kept.store(product, outcomes)
    if _is_erased_since(product, folder, since):  # it began while this was written, and may have been here before it
        kept.drop(product)
        return False
    return True


def _is_erased_since(product: str, folder: Path, since: datetime) -> bool:
    from dataproducts.erasure.registry import Registry

    registry = Registry(settings.lake()).refresh()
    under_way = registry.open()
    erased = {line.dataset for line in registry.lines if line.at >= since or line.erasure in under_way}
    return bool(erased) and may_show(product, _sources(folder), erased)


def _sources(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8", errors="replace") for path in running.files(folder)]
