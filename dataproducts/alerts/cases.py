"""What goes wrong, and what of it has been told: what a tick remembers for the next one, as text that Dagster keeps."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dataproducts.product_facts import Trouble
from dataproducts.publication.reading import Mark

VERSION = "1"
LONGEST = 400
"""Characters that are kept of what is said of a case."""
MOST_WAITING, MOST_OVER = 100, 500  # partitions of one case; cases that are over and could not be told


@dataclass
class Case:
    """One trouble of one thing, from when it began.

    `subject` is a dataset, "shop/sales", a port of one, "shop/sales/bigquery", or the code location. `waiting` are the partitions
    that have to be made before it is over. `told` is when each receiver last heard of it, `heard_end` those who know that it is over.
    """

    kind: Trouble
    subject: str
    since: datetime
    text: str
    check: str = ""
    run: str = ""
    waiting: set[str] = field(default_factory=set)
    ended: datetime | None = None
    told: dict[str, datetime] = field(default_factory=dict)
    heard_end: set[str] = field(default_factory=set)

    @property
    def key(self) -> str:
        """What makes it the same trouble."""
        return key(self.kind, self.subject, self.check)


def key(kind: Trouble, subject: str, check: str = "") -> str:
    """Of a case by what it is about."""
    return f"{kind}:{subject}{f'#{check}' if check else ''}"


@dataclass
class Memory:
    """How far the log has been read, the cases, since when datasets that were never made are waited for, and who does not answer.

    `silent` counts, by receiver, the ticks in a row in which it took nothing.
    """

    mark: Mark = field(default_factory=Mark)
    cases: dict[str, Case] = field(default_factory=dict)
    unmade: dict[str, datetime] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)

    def begin(
        self, kind: Trouble, subject: str, at: datetime, text: str, *, check: str = "", run: str = "", waiting: set[str] | None = None
    ) -> None:
        """Something goes wrong, or still does."""
        case = self.cases.setdefault(key(kind, subject, check), Case(kind, subject, at, "", check))
        if case.ended is not None:  # again: who has heard that it was over hears that it is not
            case.ended, case.since = None, at
            for receiver in case.heard_end:
                case.told.pop(receiver, None)
            case.heard_end.clear()
        case.text, case.run = _line(text), run or case.run
        case.waiting |= set(sorted(waiting or ())[: max(0, MOST_WAITING - len(case.waiting))])

    def end(self, kind: Trouble, subject: str, at: datetime, *, check: str = "") -> None:
        """It is over, if it ever began."""
        case = self.cases.get(key(kind, subject, check))
        if case is not None and case.ended is None:
            case.ended = at
            case.waiting.clear()

    def forget_oldest(self) -> int:
        """Of what is over and nobody could be told, keep the newest; gives how many are gone."""
        over = sorted((case for case in self.cases.values() if case.ended is not None), key=lambda case: case.since)
        gone = over[: max(0, len(over) - MOST_OVER)]
        for case in gone:
            del self.cases[case.key]
        return len(gone)

    @classmethod
    def read(cls, text: str | None) -> Memory | None:
        """What `text` gave; None where there is nothing, or something of another version."""
        version, _, packed = (text or "").partition(" ")
        if version != VERSION:
            return None
        try:
            held = json.loads(zlib.decompress(base64.b85decode(packed)))
            cases = [_case(one) for one in held["cases"]]
            return cls(
                mark=Mark(**Mark.fields(held["mark"])),
                cases={case.key: case for case in cases},
                unmade=_moments(held["unmade"]),
                silent=held["silent"],
            )
        except (ValueError, KeyError, TypeError, IndexError, zlib.error):
            return None

    def text(self) -> str:
        """What `read` reads: packed, since there may be thousands of cases."""
        held = {
            "mark": self.mark.plain(),
            "cases": [_plain(case) for case in self.cases.values()],
            "unmade": _seconds(self.unmade),
            "silent": self.silent,
        }
        text = json.dumps(held, separators=(",", ":"), ensure_ascii=False)
        return f"{VERSION} {base64.b85encode(zlib.compress(text.encode(), 6)).decode()}"


def _plain(case: Case) -> dict[str, Any]:
    return {
        "kind": case.kind,
        "subject": case.subject,
        "since": case.since.timestamp(),
        "text": case.text,
        "check": case.check,
        "run": case.run,
        "waiting": sorted(case.waiting),
        "ended": case.ended.timestamp() if case.ended else None,
        "told": _seconds(case.told),
        "heard_end": sorted(case.heard_end),
    }


def _case(held: Mapping[str, Any]) -> Case:
    return Case(
        kind=Trouble(held["kind"]),
        subject=held["subject"],
        since=_at(held["since"]),
        text=held["text"],
        check=held["check"],
        run=held["run"],
        waiting=set(held["waiting"]),
        ended=_at(held["ended"]) if held["ended"] is not None else None,
        told=_moments(held["told"]),
        heard_end=set(held["heard_end"]),
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moments(held: Mapping[str, float]) -> dict[str, datetime]:
    return {name: _at(seconds) for name, seconds in held.items()}


def _seconds(moments: Mapping[str, datetime]) -> dict[str, float]:
    return {name: at.timestamp() for name, at in moments.items()}


def _line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
