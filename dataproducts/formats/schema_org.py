"""Products, datasets and the catalog as schema.org JSON-LD: what search engines read in a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dataproducts.formats.addresses import Addresses, clean, link
from dataproducts.formats.dcat import MEDIA_TYPES, file_type
from dataproducts.formats.facts import CatalogFacts, Entry, Newest, covered, described, figures
from dataproducts.formats.linked import filled
from dataproducts.messages import ColumnFacts, ColumnFigures, DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import AccessLevel, Contact, Localized, Organization, ProductFacts

__all__ = ["catalog", "dataset", "embedded", "product"]

CONTEXT = "https://schema.org/"
SHORTEST, LONGEST = 50, 5_000
"""Characters of a description that Google's dataset search takes."""


def dataset(body: DatasetBody, of: ProductBody, addresses: Addresses, newest: Newest | None = None, language: str = "nb") -> dict[str, Any]:
    """A dataset as a schema.org Dataset, its columns as `variableMeasured`. `language` is that of the page."""
    facts, address = of.facts, addresses.dataset(body.name)
    shown = figures(body, newest)
    days = covered(body, of, newest)
    own = dict(described(body, facts))
    issued = facts.issued
    return {"@context": CONTEXT} | filled(
        {
            "@type": "Dataset",
            "@id": address,
            "url": address,
            "identifier": address,
            "name": clean(body.title.strip() or body.name),
            "description": _description(own.get(language) or next(iter(own.values())), facts, language),
            **_shared(facts, addresses, body.access),
            "version": body.contract.version,
            "datePublished": issued.isoformat() if issued else None,
            "dateModified": newest.at.isoformat() if newest else None,
            "temporalCoverage": f"{days[0]}/{days[1] or '..'}" if days else None,
            "size": f"{newest.rows} rows" if newest else None,
            "variableMeasured": [_variable(one, body, addresses, shown.get(one.name)) for one in body.contract.columns],
            "isPartOf": {"@type": "Dataset", "@id": addresses.product(facts.name), "name": clean(facts.title.best(language))},
            "isBasedOn": [addresses.dataset(one) for one in body.upstream]
            + [one for one in [body.source and link(body.source.url)] if one],
            "distribution": [found for port in body.ports if (found := _download(port, addresses, body))],
        }
    )


def product(body: ProductBody, datasets: Sequence[Entry], addresses: Addresses, language: str = "nb") -> dict[str, Any]:
    """A product as a schema.org Dataset with its datasets as parts."""
    facts, address = body.facts, addresses.product(body.facts.name)
    period = facts.temporal
    delivered = max((newest.at for _, newest in datasets if newest), default=None)
    return {"@context": CONTEXT} | filled(
        {
            "@type": "Dataset",
            "@id": address,
            "url": address,
            "identifier": address,
            "name": clean(facts.title.best(language)),
            "description": _description(facts.description.best(language), facts, language),
            **_shared(facts, addresses, str(facts.access.level)),
            "version": facts.version,
            "datePublished": facts.issued.isoformat() if facts.issued else None,
            "dateModified": delivered.isoformat() if delivered else None,
            "temporalCoverage": f"{period.from_}/{period.to or '..'}" if period else None,
            "hasPart": [
                {"@type": "Dataset", "@id": addresses.dataset(one.name), "url": addresses.dataset(one.name), "name": clean(one.title)}
                | {"description": _description(dict(described(one, facts)).get("nb", ""), facts, language)}
                for one, _ in datasets
            ],
        }
    )


def catalog(about: CatalogFacts, addresses: Addresses, language: str = "nb") -> dict[str, Any]:
    """The catalog as a schema.org DataCatalog; its datasets are found through the sitemap and their own pages."""
    return {"@context": CONTEXT} | filled(
        {
            "@type": "DataCatalog",
            "@id": addresses.catalog,
            "url": addresses.catalog,
            "name": _said(about.title, language),
            "description": _said(about.description, language),
            "publisher": _organization(about.publisher, about.contact),
            "license": link(about.license.uri) if about.license else None,
            "inLanguage": ["nb", "en"],
        }
    )


def embedded(document: dict[str, Any]) -> str:
    """A document as JSON that can stand inside `<script type="application/ld+json">`: nothing in it ends or opens markup."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _shared(facts: ProductFacts, addresses: Addresses, level: str) -> dict[str, Any]:
    is_open = level == AccessLevel.OPEN
    return {
        "keywords": [clean(one) for one in facts.keywords],
        "license": link(facts.license.uri),
        "creator": _organization(facts.creator or facts.publisher, None if facts.creator else facts.contact),
        "publisher": _organization(facts.publisher, facts.contact),
        "inLanguage": list(facts.language),
        "spatialCoverage": [clean(one) for one in facts.spatial],
        "isAccessibleForFree": True if is_open else None,
        "conditionsOfAccess": clean(level),
        "includedInDataCatalog": {"@type": "DataCatalog", "@id": addresses.catalog, "url": addresses.catalog},
        "usageInfo": None if is_open else addresses.product(facts.name),
        "creditText": clean(facts.rights.strip()) if facts.rights else None,
    }


def _basis(body: DatasetBody, addresses: Addresses) -> list[str]:
    source = link(body.source.url) if body.source else None
    return [*map(addresses.dataset, body.upstream), *([source] if source else [])]


def _description(text: str, facts: ProductFacts, language: str) -> str:
    """A description no shorter (with the product's behind it) and no longer than search engines take."""
    own, whole = clean(text).strip(), clean(facts.description.best(language)).strip()
    if len(own) < SHORTEST and whole not in own:
        own = f"{own} {facts.title.best(language)}: {whole}".strip()
    return own if len(own) <= LONGEST else own[: LONGEST - 1].rsplit(None, 1)[0] + "…"


def _said(text: Localized, language: str) -> str:
    return clean(text.best(language))


def _organization(found: Organization, contact: Contact | None) -> dict[str, Any]:
    return filled(
        {
            "@type": "Organization",
            "name": clean(found.name),
            "identifier": found.organization_number,
            "url": link(found.url),
            "contactPoint": filled(
                {
                    "@type": "ContactPoint",
                    "contactType": "data",
                    "name": clean(contact.name),
                    "email": clean(contact.email),
                    "url": link(contact.url),
                }
            )
            if contact
            else None,
        }
    )


def _variable(column: ColumnFacts, body: DatasetBody, addresses: Addresses, found: ColumnFigures | None) -> dict[str, Any]:
    return filled(
        {
            "@type": "PropertyValue",
            "name": clean(column.name),
            "alternateName": clean(column.title) if column.title else None,
            "description": clean(column.description.strip()),
            "url": addresses.column(body.name, column.name),
            "unitText": clean(column.unit) if column.unit else None,
            "minValue": _number(found.smallest, column) if found else None,
            "maxValue": _number(found.largest, column) if found else None,
        }
    )


def _number(figure: str | None, column: ColumnFacts) -> float | int | None:
    """A bound of a column of numbers; dates and texts have no place in schema.org's."""
    if figure is None or not column.type.startswith(("Int", "UInt", "Float", "Decimal")):
        return None
    try:
        number = float(figure)
    except ValueError:
        return None
    if number != number or abs(number) == float("inf"):
        return None
    return int(figure) if figure.lstrip("-").isdecimal() else number


def _download(port: PortFacts, addresses: Addresses, body: DatasetBody) -> dict[str, Any] | None:
    """A port whose data lies on the web; other ports are explained on the page, which is no download."""
    address = link(port.address)
    if address is None:
        return None
    format_ = file_type(port) or ""
    return filled(
        {
            "@type": "DataDownload",
            "@id": addresses.distribution(body.name, port.name),
            "name": clean(port.title.strip() or port.name),
            "encodingFormat": MEDIA_TYPES.get(format_) or format_.lower() or clean(port.kind),
            "contentUrl": address,
        }
    )
