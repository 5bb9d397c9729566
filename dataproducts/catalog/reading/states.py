"""Where a dataset stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class State:
    """Where a dataset stands. `freshness`: fresh, late, never, none (nothing promised); `quality`: passing, warning, failing, unchecked."""

    partitions: int = 0
    rows: int = 0
    refused: int = 0
    newest_partition: str | None = None
    newest_at: datetime | None = None
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    fresh_until: datetime | None = None
    freshness: str = "never"
    quality: str = "unchecked"
    checks_passed: int = 0
    checks_failed: int = 0

    def at(self, now: datetime) -> State:
        """The state with freshness judged at a moment: what was due and has not come is late, whenever it was last written down."""
        if self.freshness == "fresh" and self.fresh_until is not None and self.fresh_until < now:
            return State(**{**self.__dict__, "freshness": "late"})
        return self
