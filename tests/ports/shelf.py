"""A port whose other end is a file: as plain as a port can be, and made to fail where a test says so."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataproducts.errors import DeclarationError
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.messages import PortFacts
from dataproducts.ports.port import Batch, Comparison, Delivered, Difference, Facts, Offered, OutputPort


@dataclass(frozen=True)
class Shelf(OutputPort):
    """Puts the rows of every version into one file; a batch twice is once."""

    kind = "file"
    path: str
    per_batch: int = 2
    why_idle: str | None = None
    before: Callable[[Batch], None] = field(default=lambda batch: None, compare=False)
    after: Callable[[Batch], None] = field(default=lambda batch: None, compare=False)

    @property
    def name(self) -> str:
        return "shelf"

    def check(self, offered: Offered) -> None:
        if offered.contract.kind == "history":
            raise DeclarationError(f"{offered.dataset}: intervals do not go on a shelf; offer the snapshots")

    def facts(self, offered: Offered) -> PortFacts:
        return PortFacts(name=self.name, kind="file", address=self.path, facts={"format": "JSON"})

    def remedy(self, offered: Offered) -> str:
        """What is not there is put there again."""
        return "take it off the shelf"

    def resources(self) -> Mapping[str, Any]:
        return {"bracket": "steel"}

    def idle(self) -> str | None:
        return self.why_idle

    @contextmanager
    def open(self, offered: Offered, history: DatasetHistory, resources: Mapping[str, Any], run: str) -> Iterator[Standing]:
        assert resources == {"bracket": "steel"}
        yield Standing(self, history)


@dataclass
class Standing:
    """The shelf during a run."""

    shelf: Shelf
    history: DatasetHistory

    def prepare(self) -> None:
        Path(self.shelf.path).touch()

    def next_batch(self, delivered: Delivered, versions: Sequence[Version]) -> Sequence[Version]:
        return [v for v in versions if (v.partition, v.number) not in delivered.versions][: self.shelf.per_batch]

    def deliver(self, batch: Batch, delivered: Delivered) -> Facts:
        self.shelf.before(batch)
        with Path(self.shelf.path).open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            held = [json.loads(line) for line in file]
            if not any(one["batch"] == batch.identity for one in held):
                lines = [
                    json.dumps({"batch": batch.identity, "partition": v.partition, "number": v.number, "rows": v.rows})
                    for v in batch.versions
                ]
                file.write("\n".join(lines) + "\n")
        self.shelf.after(batch)
        return {"lines": len(batch.versions)}

    def compare(self, versions: Sequence[Version], full: bool) -> Comparison:
        held = [json.loads(line) for line in Path(self.shelf.path).read_text(encoding="utf-8").splitlines()]
        there = [(one["partition"], one["number"]) for one in held]
        differences = [
            Difference(v.partition, v.number, f"version {v.number} of {v.partition} is there {there.count((v.partition, v.number))} times")
            for v in versions
            if there.count((v.partition, v.number)) != 1
        ]
        return Comparison(len(versions), sum(v.rows for v in versions), tuple(differences))
