"""How far publication has come: what a tick remembers for the next one, as text that Dagster keeps."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dataproducts.publication.reading import Mark

VERSION = 1
_REASONS = 100  # of dead letters; of those beyond only the names are kept


@dataclass
class Dead:
    """A message given up: why, and when it was last tried."""

    reason: str
    tried: datetime


@dataclass
class Cursor(Mark):
    """What has been published of the event log, which is a mark in it, and of the declarations.

    `failing` counts attempts and `dead` holds what was given up, by id or by "subject@hash". `published` is the hash of each declared
    subject the catalog has, `whole` one over all of them. `shown` is what the check in Dagster last said.
    """

    failing: dict[str, int] = field(default_factory=dict)
    dead: dict[str, Dead] = field(default_factory=dict)
    whole: str = ""
    shown: str = ""
    _packed: str = ""
    _published: dict[str, str] | None = None

    @property
    def published(self) -> dict[str, str]:
        """Unpacked when first asked for: most ticks have no use for it."""
        if self._published is None:
            text = zlib.decompress(base64.b85decode(self._packed)).decode() if self._packed else ""
            self._published = dict(line.split(" ") for line in text.splitlines())  # type: ignore[misc]
        return self._published

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """The cursor of a tick before; one that begins at the beginning where there is none, or one of another version."""
        try:
            held = json.loads(text or "{}")
            if not isinstance(held, dict) or held.get("version") != VERSION:
                return cls()
            cursor = cls(
                **Mark.fields(held),
                failing=held["failing"],
                dead={key: Dead(reason, _at(tried)) for key, (reason, tried) in held["dead"].items()},
                whole=held["whole"],
                shown=held["shown"],
                _packed=held["published"],
            )
        except (ValueError, KeyError, TypeError, IndexError):
            return cls()
        return cursor

    def text(self) -> str:
        """What `read` reads."""
        if self._published is not None:
            lines = "\n".join(f"{subject} {digest}" for subject, digest in sorted(self._published.items()))
            self._packed = base64.b85encode(zlib.compress(lines.encode(), 6)).decode() if lines else ""
        held: dict[str, Any] = {
            "version": VERSION,
            **self.plain(),
            "failing": self.failing,
            "dead": {
                key: [dead.reason if number < _REASONS else "", dead.tried.timestamp()]
                for number, (key, dead) in enumerate(self.dead.items())
            },
            "whole": self.whole,
            "shown": self.shown,
            "published": self._packed,
        }
        return json.dumps(held, separators=(",", ":"), ensure_ascii=False)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
