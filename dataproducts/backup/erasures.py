"""The registry of erasures as lines of JSON, and back into a lake: lines are only ever added, and what is erased stays so.

An erasure that a lake does not know as done is added as begun alone, whatever the backup says: the lake may be older than it, and then
`dataproducts erase --resume` carries it out there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from dataproducts.catalog.tables import canonical
from dataproducts.erasure.registry import Line, Registry
from dataproducts.erasure.secret import secret
from dataproducts.erasure.subjects import Erased
from dataproducts.errors import ConfigurationError
from dataproducts.history.store import DatasetHistory


def lines(registry: Registry) -> Iterator[str]:
    """What the registry holds, oldest first."""
    for line in registry.lines:
        yield canonical({**asdict(line), "at": line.at.isoformat()})


def line(said: Mapping[str, Any]) -> Line:
    """A line of a backup."""
    pairs = {name: tuple((first, second) for first, second in said[name]) for name in ("columns", "empties")}
    return Line(**{**said, **pairs, "at": datetime.fromisoformat(said["at"])})


def missing(registry: Registry, held: Iterable[Line]) -> list[Line]:
    """The lines of a backup that a lake has to be given."""
    known = set(registry.lines)
    return [one for one in held if one.state == "begun" and one not in known]


def refuse_other_key(held: Iterable[Line]) -> None:
    """Raise ConfigurationError where the key that the hashes were made with is not the one at hand."""
    if (name := next((one.key for one in held), None)) is not None and (at_hand := secret().name) != name:
        raise ConfigurationError(
            f"the erasures of the backup were written with the key {name}, and the one at hand is {at_hand}; "
            "set DATAPRODUCTS_ERASURE_KEY to that key"
        )


def obeyed(registry: Registry) -> dict[str, Erased]:
    """Those erased, by dataset, as the registry has them."""
    found = {name: registry.erased(name) for name in sorted({one.dataset for one in registry.lines if one.hash})}
    return {name: one for name, one in found.items() if one is not None}


def touched(root: str, registry: Registry, name: str, kept: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Of the versions that a catalog keeps figures of, those in which somebody was whom an erasure removes, as far as is known.

    One that the lake does not have may have held anybody, and any may while an erasure is not done.
    """
    if any(line.dataset == name for lines in registry.open().values() for line in lines):
        return set(kept)
    held = DatasetHistory(root, name).versions()
    return set(kept) - {(v.partition, v.number) for v in held if not v.is_view and "at" not in v.note.get("erased", {})}
