"""Where things are named and found in documents: the addresses of a catalog, and text that may stand as an address or in one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from dataproducts.messages import PortFacts

__all__ = ["Addresses", "clean", "link", "location", "told"]

# Beside the control characters also what neither UTF-8 nor XML 1.0 has a place for.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_IRI = re.compile(r'[\x00-\x20<>"{}|\\^`\x7f]')


@dataclass(frozen=True)
class Addresses:
    """The addresses of a catalog's pages, which are the identifiers of what they show. `base` has no slash at the end."""

    base: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", self.base.rstrip("/"))

    @property
    def catalog(self) -> str:
        """The catalog itself."""
        return f"{self.base}/"

    def product(self, name: str) -> str:
        """A product, by its name."""
        return f"{self.base}/products/{_part(name)}"

    def dataset(self, name: str) -> str:
        """A dataset, by its whole name "product/dataset"."""
        return f"{self.base}/datasets/{'/'.join(map(_part, name.split('/')))}"

    def column(self, dataset: str, column: str) -> str:
        """A column of a dataset."""
        return f"{self.dataset(dataset)}/columns/{_part(column)}"

    def port(self, dataset: str, port: str) -> str:
        """Where a dataset's page says how to get at one of its ports."""
        return f"{self.dataset(dataset)}#port-{_part(port)}"

    def distribution(self, dataset: str, port: str) -> str:
        """A dataset as it can be had through one of its ports."""
        return f"{self.dataset(dataset)}#data-{_part(port)}"

    def concept(self, product: str, name: str) -> str:
        """A concept of a product's glossary."""
        return f"{self.glossary(product)}/{_part(name)}"

    def glossary(self, product: str) -> str:
        """The glossary of a product."""
        return f"{self.base}/concepts/{_part(product)}"

    def organization(self, name: str) -> str:
        """An organization that no register of organizations is known to have."""
        return f"{self.base}/organizations/{_part(name)}"


def _part(name: str) -> str:
    return quote(clean(name), safe="")


def clean(text: str) -> str:
    """The text without characters that are not text: controls other than line ends and tabs, and lone surrogates."""
    return _NOT_TEXT.sub("", text)


def link(address: str | None) -> str | None:
    """The address where it leads to the web (http or https) and nowhere else, fit to stand in any document; else None."""
    if not address or not re.match(r"(?i)https?://[^\s/?#@]", address):
        return None
    return _NOT_IN_IRI.sub(lambda found: quote(found[0]), clean(address))


def location(port: PortFacts, dataset: str, addresses: Addresses) -> str:
    """Where a port's data can be fetched, or, where it is not on the web, where the catalog says how to get at it."""
    return link(port.address) or addresses.port(dataset, port.name)


def told(port: PortFacts) -> str:
    """A port's address as it may be told to anybody: "" for a path on somebody's own disk, which is no use elsewhere and names them."""
    return "" if re.match(r"[/~\\]|[A-Za-z]:[/\\]|(?i:file:)", port.address) else clean(port.address)
