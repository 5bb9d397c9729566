"""What examples showed, kept beside the data of their product: `<lake>/<product>/_examples/results.json`, one small document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pydantic

from dataproducts import settings
from dataproducts.errors import ConfigurationError
from dataproducts.examples.running import Outcome, files
from dataproducts.messages import ExampleOutput
from dataproducts.ports.package.place import Place, place

if TYPE_CHECKING:
    from dataproducts.product import DataProduct

NAME = "results.json"


@dataclass(frozen=True)
class Kept:
    """What is known of one example: when it last passed and what it showed then, and when and why it failed since."""

    name: str
    digest: str
    passed_at: datetime | None = None
    seconds: float = 0.0
    outputs: tuple[ExampleOutput, ...] = ()
    failed_at: datetime | None = None
    problem: str | None = None

    def after(self, outcome: Outcome) -> Kept:
        """With one run more; what another source showed counts for nothing."""
        known = self if self.digest == outcome.digest else Kept(outcome.name, outcome.digest)
        if outcome.ok:
            return Kept(outcome.name, outcome.digest, outcome.at, outcome.seconds, outcome.outputs)
        return replace(known, failed_at=outcome.at, problem=outcome.problem)


def load(product: str) -> dict[str, Kept]:
    """What is kept of a product's examples, by name of the file. Raises ConfigurationError where the document cannot be read."""
    content = _place(product).read(NAME)
    return _parsed(content, product) if content is not None else {}


def store(product: str, outcomes: Iterable[Outcome]) -> dict[str, Kept]:
    """Keep what these runs showed beside what is known of the others; gives all of it."""
    found = load(product)
    for outcome in outcomes:
        known = found.get(outcome.name, Kept(outcome.name, outcome.digest))
        found[outcome.name] = known.after(outcome)
    text = json.dumps({name: _plain(found[name]) for name in sorted(found)}, ensure_ascii=False, indent=1)
    there = _place(product)
    there.ready()
    there.put(NAME, text.encode())
    return found


def drop(product: str) -> bool:
    """Forget what a product's examples showed; gives whether there was anything."""
    there = _place(product)
    was = there.read(NAME) is not None
    for path in (NAME, *there.drafts(".")):
        there.remove(path)
    return was


def stamp(products: Mapping[str, DataProduct]) -> str:
    """Changes whenever anything that is kept of these products' examples does."""
    seen = sha256()
    for name in sorted(products):
        if files(products[name].folder):
            seen.update(name.encode() + b"\0" + (_place(name).read(NAME) or b"") + b"\0")
    return seen.hexdigest()


def _place(product: str) -> Place:
    return place(f"{settings.lake()}/{product}/_examples")


def _plain(kept: Kept) -> dict[str, Any]:
    return {
        "digest": kept.digest,
        "passed_at": kept.passed_at.isoformat() if kept.passed_at else None,
        "seconds": kept.seconds,
        "outputs": [one.model_dump() for one in kept.outputs],
        "failed_at": kept.failed_at.isoformat() if kept.failed_at else None,
        "problem": kept.problem,
    }


def _parsed(content: bytes, product: str) -> dict[str, Kept]:
    try:
        return {
            name: Kept(
                name,
                one["digest"],
                _moment(one["passed_at"]),
                float(one["seconds"]),
                tuple(ExampleOutput.model_validate(output) for output in one["outputs"]),
                _moment(one["failed_at"]),
                one["problem"],
            )
            for name, one in json.loads(content).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, pydantic.ValidationError) as error:
        where = f"{settings.lake()}/{product}/_examples/{NAME}"
        raise ConfigurationError(f"{where} cannot be read ({type(error).__name__}); delete it and run the examples again") from error


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
