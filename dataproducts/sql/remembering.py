"""What has been found out about queries, kept under the home: reading it is a hundred times as fast as finding it out again.

Loading a location only reads; runs write. A file that is missing, garbled or cannot be written costs time and nothing else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import dataproducts
from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.sql.text import SqlText

Lineage = Mapping[str, tuple[tuple[str, str], ...]]

_ROUND = "1"
"""Raised when queries are checked otherwise, so that what was found before does not count."""


_MOST = 10_000


def mark(text: SqlText, upstreams: Mapping[str, tuple[str, Contract]], contract: Contract, partitioned: bool) -> str:
    """Names all that the findings depend on: the file, the contracts, and what checks it."""
    read = [[name, key, up.dataset, up.fingerprint] for name, (key, up) in sorted(upstreams.items())]
    known = [*_tools(), str(text.path), text.text, read, contract.dataset, contract.fingerprint]
    return sha256(json.dumps([*known, partitioned]).encode()).hexdigest()


@cache
def _tools() -> tuple[str, ...]:
    return _ROUND, dataproducts.__version__, version("sqlglot")


def recalled(mark: str) -> Lineage | None:
    """What a run has remembered."""
    found = _file(str(_path())).get(mark)
    return None if found is None else {column: tuple((name, of) for name, of in pairs) for column, pairs in found.items()}


def remember(findings: Mapping[str, Lineage]) -> None:
    """Keep these beside what other processes have found; once that is a lot, much of it is of texts that are no more, and goes."""
    path = _path()
    there = _read(path)
    if there.keys() >= findings.keys():
        return
    kept = findings if len(there) > _MOST else {**there, **findings}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(kept, file)
        Path(file.name).replace(path)
    except OSError:  # a read-only or full disk: the next process checks again
        return


def _path() -> Path:
    return settings.home() / "checked_queries.json"


@lru_cache(maxsize=4)
def _file(path: str) -> Mapping[str, Mapping[str, list[list[str]]]]:
    return _read(Path(path))


def _read(path: Path) -> Mapping[str, Mapping[str, list[list[str]]]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
