"""`datapackage.json`: a Frictionless Data Package (version 2) of files that lie beside it, with where their rows come from.

Nothing in it depends on when or by whom it is written: `created` is when the newest of the rows became known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataproducts.contract import SemVer
from dataproducts.formats.addresses import Addresses, clean, link
from dataproducts.formats.datapackage import PROFILES, contributors
from dataproducts.formats.linked import filled
from dataproducts.formats.table_schema import table_schema
from dataproducts.history.ledger import Version
from dataproducts.package.columns import Columns
from dataproducts.package.files import MEDIA_TYPES, File, Format
from dataproducts.ports.port import Offered
from dataproducts.product_facts import ProductFacts

NAME = "datapackage.json"


@dataclass(frozen=True)
class Resource:
    """One dataset in a package. `paths` are its files, relative to the descriptor, and `files` what is in them, in the same order."""

    offered: Offered
    columns: Columns
    versions: tuple[Version, ...]
    form: Format
    paths: tuple[str, ...]
    files: tuple[File, ...]
    partition: bool = False
    name: str = ""
    """In the package, where it is not the dataset's."""

    @property
    def rows(self) -> int:
        """How many rows the files have."""
        return sum(file.rows for file in self.files)

    def apart(self) -> list[Resource]:
        """A resource for each file: readers of Parquet take one that names several files for the first of them."""
        if self.form == "csv" or len(self.paths) < 2:
            return [self]
        found: list[Resource] = []
        for version, path, file in zip(self.versions, self.paths, self.files, strict=True):
            wanted = re.sub(r"[^a-z0-9._-]+", "-", f"{self.name or self.offered.name}-{version.partition}".lower())
            taken = {one.name for one in found}
            name = wanted if wanted not in taken else f"{wanted}-{len(found)}"
            found.append(replace(self, versions=(version,), paths=(path,), files=(file,), name=name))
        return found

    def as_dict(self) -> dict[str, Any]:
        """The resource, with the versions that its rows are."""
        contract = self.offered.contract
        schema = table_schema(contract, self.columns.taken, partition=self.partition, text=self.form == "csv")
        if any(SemVer.parse(v.contract) < contract.version for v in self.versions):
            for field in schema["fields"]:  # rows that passed an older contract need not keep this one
                field.pop("constraints", None)
        # a program that holds bytes and hash against the file has counted none when it reads Parquet
        alone = self.files[0] if len(self.files) == 1 and self.form == "csv" else None
        return filled(
            {
                "name": self.name or self.offered.name,
                "type": "table",
                "$schema": f"{PROFILES}/dataresource.json",
                "path": self.paths[0] if len(self.paths) == 1 else list(self.paths),
                "title": clean(self.offered.title),
                "description": clean(self.offered.description),
                "format": self.form,
                "mediatype": MEDIA_TYPES[self.form],
                "encoding": "utf-8" if self.form == "csv" else None,
                "bytes": alone.bytes if alone else None,
                "hash": f"sha256:{alone.sha256}" if alone else None,
                "rowCount": self.rows,
                "leftOut": list(self.columns.left_out),
                "personalData": self.offered.personal,
                "accessRights": self.offered.access,
                "schema": schema,
                "files": [
                    {"path": path, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
                    for path, file in zip(self.paths, self.files, strict=True)
                ],
                "versions": [told(version) for version in self.versions],
            }
        )


def told(version: Version) -> dict[str, Any]:
    """Provenance: which version of the dataset it is. `content_hash` is of the version in the lake, all columns included."""
    known_at = version.known_at.isoformat().replace("+00:00", "Z")
    return {
        "partition": version.partition,
        "version": version.number,
        "known_at": known_at,
        "contract": version.contract,
        "rows": version.rows,
        "content_hash": version.content_hash,
    }


def descriptor(name: str, title: str, description: str, version: str | None, resources: Sequence[Resource], addresses: Addresses) -> bytes:
    """The descriptor of a package: of a product ("shop") or of one dataset ("shop/sales")."""
    facts = resources[0].offered.facts
    home = addresses.dataset(name) if "/" in name else addresses.product(name)
    newest = max((v.known_at for one in resources for v in one.versions), default=None)
    document = filled(
        {
            "$schema": f"{PROFILES}/datapackage.json",
            "name": name.replace("/", "."),
            "id": home,
            "title": clean(title),
            "description": clean(description),
            "homepage": home,
            "version": version,
            "created": newest.isoformat().replace("+00:00", "Z") if newest else None,
            "keywords": [clean(one) for one in facts.keywords],
            "contributors": contributors(facts),
            "licenses": [licence(facts)],
            "sources": [filled({"title": clean(one.name), "path": link(one.url)}) for one in facts.sources],
            "resources": [one.as_dict() for one in resources],
        }
    )
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def licence(facts: ProductFacts) -> dict[str, Any]:
    """The license as a Data Package names it."""
    return filled({"name": SPDX.get(facts.license.name), "title": clean(facts.license.name), "path": link(facts.license.uri)})


SPDX = {
    "Norwegian Licence for Open Government Data 2.0": "NLOD-2.0",
    "Norwegian Licence for Open Government Data 1.0": "NLOD-1.0",
    "Creative Commons Attribution 4.0 International": "CC-BY-4.0",
    "Creative Commons Attribution-ShareAlike 4.0 International": "CC-BY-SA-4.0",
    "Creative Commons CC0 1.0 Universal": "CC0-1.0",
    "Open Data Commons Open Database License 1.0": "ODbL-1.0",
}
"""Names of licenses as programs know them, by their titles in `product_facts.LICENSES`."""
