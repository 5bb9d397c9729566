"""Erasing from published files: those of a version that has lost rows are written anew, and then the descriptor beside them.

Until the descriptor tells the version's content hash of today the erasure has not come to it, so the same again goes on after a crash.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataproducts.errors import PortError
from dataproducts.formats.table_schema import PARTITION
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.package import files
from dataproducts.package.descriptor import told
from dataproducts.package.files import FORMATS, File
from dataproducts.ports.package.layout import folder, marker
from dataproducts.ports.package.place import Place


def erase(place: Place, history: DatasetHistory, name: str, version: Version, there: Mapping[str, int]) -> int:
    """Bring the files of one version in line with the lake, where rows of it were erased; gives how many rows went.

    `name` is the dataset's own, `there` what was listed. Drafts go too, and files that no descriptor names: somebody died over them.
    Raises PortError where the files are of another version than any that this one was.
    """
    content = place.read(marker(version))
    document = _parsed(content)
    resource = document["resources"][0] if document else None
    here = folder(version)
    named = f"{here}/{resource['path']}" if resource else None
    stray = [path for form in FORMATS if (path := f"{here}/{name}.{form}") in there and path != named]
    for path in [*place.drafts(here), *stray]:
        place.remove(path)
    if resource is None or named is None:
        return 0
    stated, held = resource["versions"][0]["content_hash"], resource["files"][0]
    if stated == version.content_hash and there.get(named) == held["bytes"]:
        return 0
    if stated not in (version.content_hash, *version.void_hashes):
        raise PortError(
            f"{version.dataset}: {place.root}/{marker(version)} is of another content than version {version.number} of partition "
            f"{version.partition} ever had; delete its folder, and the version is written again"
        )
    file = _written_anew(place, history, version, resource, named)
    place.put(marker(version), _described(document, version, file))
    return int(held["rows"]) - file.rows


def _written_anew(place: Place, history: DatasetHistory, version: Version, resource: Mapping[str, Any], path: str) -> File:
    """The file with the columns it had, which are not those of the contract of today."""
    names = [field["name"] for field in resource["schema"]["fields"]]
    columns, partition = [name for name in names if name != PARTITION], PARTITION in names
    with tempfile.TemporaryDirectory(prefix="package-") as scratch:
        draft = Path(scratch) / "file"
        schema = files.schema(history, [version], columns, partition=partition)
        file = files.write(files.frames(history, [version], columns, partition=partition), schema, resource["format"], draft)
        place.bring(path, draft)
    return file


def _described(document: Mapping[str, Any], version: Version, file: File) -> bytes:
    resource = dict(document["resources"][0])
    resource["files"] = [{**resource["files"][0], "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}]
    resource["versions"] = [told(version)]
    resource["rowCount"] = file.rows
    if "hash" in resource:
        resource.update(bytes=file.bytes, hash=f"sha256:{file.sha256}")
    return (json.dumps({**document, "resources": [resource]}, ensure_ascii=False, indent=2) + "\n").encode()


def _parsed(content: bytes | None) -> dict[str, Any]:
    """A descriptor of ours; empty for anything else."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        return {}
    resources = found.get("resources") if isinstance(found, dict) else None
    ours = isinstance(resources, list) and resources and isinstance(resources[0], dict) and {"files", "versions"} <= resources[0].keys()
    return found if ours else {}
