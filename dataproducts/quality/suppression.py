"""Small cells of an aggregate: counts so low that they tell of single persons or firms, and what else would give them away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError


@dataclass(frozen=True)
class Suppressed:
    """Rows without their small cells, and how many cells were hidden for being small (`primary`) or for protecting these (`secondary`)."""

    frame: pl.DataFrame
    primary: int
    secondary: int


@dataclass(frozen=True)
class Suppression:
    """Hide cells of fewer than `threshold` units, as a property of a dataset of counts.

    `count` is the column that counts the units of a row; where it is above 0 and below `threshold` it becomes null, and so do `columns`,
    which are computed from the same units. `within` are columns whose rows add up to a total that readers have or can work out, or a list
    of such lists where a table has totals both ways. In each such group what the total less the visible cells gives away has to be the
    sum of at least two cells and of at least `threshold` units; the smallest visible cell that is not 0 is hidden until it is.
    The same rows always give the same cells: of equal counts the first by the other columns goes.
    """

    count: str
    threshold: int = 5
    columns: Sequence[str] = ()
    within: Sequence[str] | Sequence[Sequence[str]] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns that are hidden together."""
        return (self.count, *(c for c in self.columns if c != self.count))

    @property
    def groupings(self) -> tuple[tuple[str, ...], ...]:
        """Each set of columns whose groups have a total."""
        if not self.within:
            return ()
        plain = [c for c in self.within if isinstance(c, str)]
        return (tuple(plain),) if plain else tuple(tuple(one) for one in self.within)

    @property
    def digest(self) -> str:
        """Eight hex digits of what is hidden: another threshold gives other rows of the same query."""
        return sha256(repr((self.threshold, self.cells, self.groupings)).encode()).hexdigest()[:8]

    def check(self, contract: Contract) -> None:
        """Raise DeclarationError where the contract has no such cells, or does not let them be missing."""
        where = f"{contract.dataset}: suppression"
        if self.threshold < 2:
            raise DeclarationError(f"{where} has the threshold {self.threshold}, below which there is nothing to hide; write 2 or more")
        if (mixed := [c for c in self.within if isinstance(c, str)]) and len(mixed) < len(self.within):
            raise DeclarationError(f"{where} has within={list(self.within)!r}; write names of columns, or lists of names, not both")
        for name in (*self.cells, *(c for group in self.groupings for c in group)):
            if name not in contract.by_name:
                raise DeclarationError(
                    f"{where} names the column {name!r}, which is not in the schema; there are {', '.join(contract.names)}"
                )
        if contract.dtypes[self.count] != pl.Int64():
            raise DeclarationError(f"{where} counts by {self.count!r}, which is {contract.dtypes[self.count]}; count by an integer")
        for name in self.cells:
            if not contract.by_name[name].nullable:
                raise DeclarationError(f"{where} hides values of {name!r}, which is never missing; declare it nullable=True")
            if any(name in group for group in self.groupings):
                raise DeclarationError(f"{where} hides {name!r} and groups by it; group by other columns")

    def apply(self, frame: pl.DataFrame) -> Suppressed:
        """The rows of a whole partition with their small cells hidden."""
        counts: list[int | None] = frame.get_column(self.count).to_list()
        small = {row for row, count in enumerate(counts) if count is not None and 0 < count < self.threshold}
        hidden = self._with_protection(frame, counts, small)
        if not hidden:
            return Suppressed(frame, 0, 0)
        keep = pl.Series([row not in hidden for row in range(frame.height)], dtype=pl.Boolean)
        shown = [pl.when(keep).then(pl.col(name)).otherwise(None).alias(name) for name in self.cells]
        return Suppressed(frame.with_columns(shown), len(small), len(hidden) - len(small))

    def left(self, frame: pl.DataFrame) -> str | None:
        """What a reader of these rows could still learn of a small cell, as a sentence; None where there is nothing. Never a value."""
        count = pl.col(self.count)
        small = frame.filter((count > 0) & (count < self.threshold)).height
        if small:
            return f"{small} cells of {self.count!r} are above 0 and below {self.threshold}"
        for name in self.cells[1:]:
            if beside := frame.filter(count.is_null() & pl.col(name).is_not_null()).height:
                return f"{beside} values of {name!r} are shown where {self.count!r} is hidden"
        for group in self.groupings:
            alone = (
                frame.group_by(group)
                .agg(hidden=count.is_null().sum(), rows=pl.len())
                .filter((pl.col("hidden") == 1) & (pl.col("rows") > 1))
            )
            if alone.height:
                return f"in {alone.height} groups of {', '.join(group)} a single cell is hidden, which the total gives away"
        return None

    def _with_protection(self, frame: pl.DataFrame, counts: Sequence[int | None], small: set[int]) -> set[int]:
        """The small cells, and those hidden beside them. What is hidden for one total counts for the others, so until nothing changes."""
        hidden = set(small)
        if not hidden or not self.groupings:
            return hidden
        others = [c for c in frame.columns if c not in self.cells]
        order = frame.select(others).with_row_index("_row").sort(others, nulls_last=True, maintain_order=True).get_column("_row")
        place = {row: at for at, row in enumerate(order.to_list())} if others else {row: row for row in range(frame.height)}
        groups = [
            g
            for by in self.groupings
            for g in frame.select(by).with_row_index("_row").group_by(by).agg("_row").get_column("_row").to_list()
        ]
        changed = True
        while changed:
            changed = False
            for rows in groups:
                while (more := self._next(rows, counts, hidden, place)) is not None:
                    hidden.add(more)
                    changed = True
        return hidden

    def _next(self, rows: Sequence[int], counts: Sequence[int | None], hidden: set[int], place: dict[int, int]) -> int | None:
        """The next cell of a group to hide; None where its total gives nothing away, or there is no other cell."""
        within = [row for row in rows if row in hidden]
        if not within or (len(within) > 1 and sum(counts[row] or 0 for row in within) >= self.threshold):
            return None
        visible = [(counts[row] == 0, counts[row], place[row], row) for row in rows if row not in hidden and counts[row] is not None]
        return min(visible)[3] if visible else None
