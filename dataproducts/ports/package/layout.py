"""Where the files of a version lie, below the folder of their dataset."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import quote

from dataproducts.history.ledger import Version
from dataproducts.package.descriptor import NAME

_LONGEST = 120  # characters of a partition's folder that are readable


def folder(version: Version) -> str:
    """The folder of a version. A partition's key may be any text; a folder's name is letters, digits, "_", "-" and what "=" spells."""
    key = quote(version.partition, safe="").replace("~", "%7E").replace(".", "%2E").replace("%", "=")
    if len(key) > _LONGEST:
        key = f"{key[:_LONGEST].rpartition('=')[0] or key[:_LONGEST]}-{sha256(version.partition.encode()).hexdigest()[:16]}"
    return f"{key}/v{version.number}"


def marker(version: Version) -> str:
    """The descriptor of a version. It is written last, so where it is, the version has arrived."""
    return f"{folder(version)}/{NAME}"
