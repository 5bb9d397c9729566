"""The changes from one version to another, a piece at a time: both are read once, in the order of their key, and never held whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from dataproducts.history.changes import CHANGE, CHANGED, difference


class Unordered(Exception):
    """Rows are not in the order of the key: they were stored under another."""


def changes(before: Iterable[pl.DataFrame], after: Iterable[pl.DataFrame], key: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Frames of `_change` (insert, update, delete) and the columns, together what `history.changes.difference` finds.

    Both are frames of rows sorted by key, which is unique and has no missing parts. Raises Unordered where they are not sorted.
    """
    old, new = _Rows(before, key), _Rows(after, key)
    while True:
        old.fill()
        new.fill()
        if new.frame.is_empty() and old.frame.is_empty():
            return
        ends = [rows.last for rows in (old, new) if not rows.ended]
        bound = min(ends) if ends else None
        mine, theirs = old.until(bound), new.until(bound)
        if mine.is_empty():
            yield theirs.select(pl.lit("insert").alias(CHANGE), *theirs.columns)
        elif theirs.is_empty():
            yield mine.select(pl.lit("delete").alias(CHANGE), *mine.columns)
        else:
            yield difference(mine, theirs, key).drop(CHANGED)


class _Rows:
    """Rows as they come, with those that are not compared yet."""

    def __init__(self, frames: Iterable[pl.DataFrame], key: Sequence[str]) -> None:
        self._frames = iter(frames)
        self._key = list(key)
        self.frame = pl.DataFrame()
        self.ended = False

    def fill(self) -> None:
        while self.frame.is_empty() and not self.ended:
            following = next(self._frames, None)
            if following is None:
                self.ended = True
                return
            if not following.is_empty() and not _is_sorted(following, self._key):
                raise Unordered
            self.frame = following

    @property
    def last(self) -> tuple[Any, ...]:
        return self.frame.select(self._key).row(-1)

    def until(self, bound: tuple[Any, ...] | None) -> pl.DataFrame:
        """The rows up to a key (None: all), which are then no longer here."""
        if bound is None or self.frame.is_empty():
            taken, self.frame = self.frame, self.frame.clear()
            return taken
        count = int(self.frame.select(_at_most(self._key, bound, self.frame.schema).sum()).item())
        taken, self.frame = self.frame.head(count), self.frame.slice(count)
        return taken


def _at_most(key: Sequence[str], bound: Sequence[Any], schema: pl.Schema) -> pl.Expr:
    """Whether a row's key is not after the bound."""
    ends = [pl.lit(value, schema[name]) for name, value in zip(key, bound, strict=True)]
    same: pl.Expr = pl.lit(True)
    ways = []
    for name, end in zip(key, ends, strict=True):
        ways.append(same & (pl.col(name) < end))
        same = same & (pl.col(name) == end)
    return reduce(or_, [*ways, same])


def _is_sorted(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    if len(key) == 1:
        return frame.get_column(key[0]).is_sorted()
    later, earlier = frame.select(key).slice(1), frame.select(pl.all().name.prefix("\x00")).head(frame.height - 1)
    both = pl.concat([later, earlier.select([f"\x00{n}" for n in key])], how="horizontal")
    same: pl.Expr = pl.lit(True)
    ways = []
    for name in key:
        ways.append(same & (pl.col(name) > pl.col(f"\x00{name}")))
        same = same & (pl.col(name) == pl.col(f"\x00{name}"))
    return bool(both.select(reduce(or_, [*ways, same]).all()).item())
