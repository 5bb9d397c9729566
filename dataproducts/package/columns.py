"""Which columns of a dataset may lie in a file that is handed on."""

from __future__ import annotations

from dataclasses import dataclass

from dataproducts.errors import DeclarationError
from dataproducts.ports.port import Offered
from dataproducts.product_facts import AccessLevel


@dataclass(frozen=True)
class Columns:
    """The columns that are taken along and those that are left out, each in the contract's order."""

    taken: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    """Of the taken ones, those with personal data."""


def columns(offered: Offered, with_personal: bool) -> Columns:
    """The columns without personal data, or all of them where that is asked for and access allows.

    A file goes further than the lake, which knows its readers. So personal data leaves only where the dataset is restricted and
    product.yaml names who else may read it, and a protected address never does. Raises DeclarationError where that is not so, and
    where nothing would be left.
    """
    contract = offered.contract
    if with_personal:
        _refuse(offered)
    left_out = tuple(c.name for c in contract.columns if (c.is_personal and not with_personal) or c.personal == "protected_address")
    taken = tuple(name for name in contract.names if name not in left_out)
    if not taken:
        raise DeclarationError(
            f"{offered.dataset}: every column holds personal data, so nothing is left to package; package another dataset of the product"
        )
    return Columns(taken, left_out, tuple(name for name in taken if contract.by_name[name].is_personal))


def _refuse(offered: Offered) -> None:
    if offered.access != AccessLevel.RESTRICTED:
        raise DeclarationError(
            f"{offered.dataset}: its access is {offered.access!r}, so no personal data leaves in a package; declare it 'restricted' first"
        )
    if not offered.facts.access.can_read:
        raise DeclarationError(
            f"{offered.dataset}: product.yaml names nobody under access.can_read, so no personal data leaves in a package; name who may "
            "read it, or leave the personal columns out"
        )
