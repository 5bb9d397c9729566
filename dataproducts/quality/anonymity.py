"""k-anonymity: nobody stands out by a combination of properties that fewer than k share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError

CHECK = "k_anonymity"
"""Name of the asset check."""


@dataclass(frozen=True)
class KAnonymity:
    """That every combination of values of these columns occurs at least `k` times in a partition: `KAnonymity(5, ["municipality", "age"])`.

    A missing value is a value like others.
    """

    k: int
    columns: tuple[str, ...] | list[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", (self.columns,) if isinstance(self.columns, str) else tuple(self.columns))

    def refuse_faults(self, contract: Contract) -> None:
        """Raise DeclarationError where it promises nothing, or of columns there are not."""
        where = f"{contract.dataset}: k-anonymity"
        if self.k < 2:
            raise DeclarationError(f"{where} with k={self.k} promises nothing; k is at least 2, and commonly 5")
        if not self.columns:
            raise DeclarationError(f"{where} names no columns; name those by which somebody could be known")
        if unknown := [c for c in self.columns if c not in contract.by_name]:
            raise DeclarationError(f"{where} names {unknown[0]!r}, which is no column; its columns are {', '.join(contract.names)}")

    @property
    def promise(self) -> str:
        """What it promises, in a sentence."""
        return f"Every combination of {', '.join(self.columns)} occurs at least {self.k} times in a partition."

    def breach(self, rows: Iterable[pl.DataFrame]) -> str | None:
        """How many combinations, of how many rows, are too rare; None where none is. No value is told."""
        counts = [frame.select(self.columns).group_by(self.columns).agg(pl.len().alias("\x00n")) for frame in rows]
        if not counts:
            return None
        together = counts[0] if len(counts) == 1 else pl.concat(counts).group_by(self.columns).agg(pl.col("\x00n").sum())
        rare = together.filter(pl.col("\x00n") < self.k).get_column("\x00n")
        if not rare.len():
            return None
        many = "1 combination" if rare.len() == 1 else f"{rare.len():,} combinations"
        held = "1 row" if rare.sum() == 1 else f"{rare.sum():,} rows"
        return f"{many} of {', '.join(self.columns)} ({held}) occur{'s' if rare.len() == 1 else ''} fewer than {self.k} times"
