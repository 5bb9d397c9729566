"""What a partition looks like: nulls, distinct values, range and most frequent values per column; nothing of personal columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dataproducts.contract import Contract

EXACT_ROWS = 100_000
"""Up to here every figure is exact; beyond it, distinct and most frequent values come from this many evenly spaced rows."""
TOP, SAMPLE_ROWS, TEXT = 3, 5, 60


@dataclass(frozen=True)
class ColumnProfile:
    """Figures of one column. `smallest`, `largest` and `frequent` are None for personal and nested columns."""

    name: str
    nulls: int
    distinct: int | None
    smallest: Any = None
    largest: Any = None
    frequent: tuple[tuple[Any, int], ...] = ()


def profile(frame: pl.LazyFrame, height: int, contract: Contract) -> list[ColumnProfile]:
    """Profile the columns of a contract over `height` rows; rows on disk stay there."""
    open_ = [c.name for c in contract.columns if not c.is_personal and not c.dtype.is_nested()]
    extents = _extents(frame, height, contract.names, open_)
    step = -(-height // EXACT_ROWS) or 1
    rows = frame.select(open_).gather_every(step).collect() if step > 1 else frame.select(open_).collect()
    profiles = []
    for column in contract.columns:
        name = column.name
        nulls, smallest, largest = extents[name]
        if name not in open_:
            profiles.append(ColumnProfile(name, nulls, None))
            continue
        values = rows.get_column(name).drop_nulls()
        distinct = values.n_unique()
        frequent: tuple[tuple[Any, int], ...] = ()
        if 0 < distinct <= max(20, rows.height // 2):
            counts = values.value_counts(name=f"#{name}").sort([f"#{name}", name], descending=[True, False])
            frequent = tuple(counts.head(TOP).iter_rows())
        profiles.append(ColumnProfile(name, nulls, distinct, smallest, largest, frequent))
    return profiles


def _extents(frame: pl.LazyFrame, height: int, names: Sequence[str], open_: Sequence[str]) -> dict[str, tuple[int, Any, Any]]:
    """How many values are missing and, of the open columns, the smallest and the largest."""
    if height <= EXACT_ROWS:
        # of few rows a query over all columns costs more than the answer: a backfill asks for hundreds of partitions
        columns = {column.name: column for column in frame.select(names).collect()}
        return {n: (c.null_count(), c.min() if n in open_ else None, c.max() if n in open_ else None) for n, c in columns.items()}
    found = (
        frame.select(
            *(pl.col(n).null_count().alias(f"n\x00{n}") for n in names),
            *(pl.col(n).min().alias(f"a\x00{n}") for n in open_),
            *(pl.col(n).max().alias(f"z\x00{n}") for n in open_),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    return {n: (found[f"n\x00{n}"], found.get(f"a\x00{n}"), found.get(f"z\x00{n}")) for n in names}


def plain(profiles: Sequence[ColumnProfile]) -> list[dict[str, Any]]:
    """The profile for JSON: values as short texts; of personal and nested columns only how many are missing."""
    return [
        {"name": p.name, "nulls": p.nulls}
        if p.distinct is None
        else {
            "name": p.name,
            "nulls": p.nulls,
            "distinct": p.distinct,
            "smallest": _short(p.smallest),
            "largest": _short(p.largest),
            "frequent": [[_short(value), count] for value, count in p.frequent],
        }
        for p in profiles
    ]


def _short(value: Any) -> str | None:
    if value is None:
        return None
    text = "".join(c if c.isprintable() else " " for c in str(value)[: 2 * TEXT]).strip()
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"


def profile_markdown(profiles: list[ColumnProfile], rows: int) -> str:
    """The profile as a table for people."""
    lines = ["| column | missing | distinct | smallest | largest | most frequent |", "|---|---:|---:|---|---|---|"]
    for p in profiles:
        share = f"{p.nulls} ({p.nulls / rows:.0%})" if p.nulls and rows else str(p.nulls)
        frequent = ", ".join(f"{_text(v)} ({n})" for v, n in p.frequent)
        hidden = p.distinct is None
        cells = ("", "", "", "") if hidden else (str(p.distinct), _text(p.smallest), _text(p.largest), frequent)
        lines.append(f"| {p.name} | {share} | {' | '.join(cells)} |")
    if rows > EXACT_ROWS:
        lines.append(f"\nDistinct and most frequent values are of {EXACT_ROWS:,} evenly spaced rows.")
    return "\n".join(lines)


def sample_markdown(frame: pl.DataFrame, contract: Contract) -> str:
    """A few rows as a table, without personal columns and without columns that are missing throughout."""
    shown = [c.name for c in contract.columns if not c.is_personal]
    rows = frame.head(SAMPLE_ROWS).select(shown)
    shown = [n for n in shown if rows.get_column(n).null_count() < rows.height][:12]
    if not shown:
        return "_no rows, or no columns that may be shown_"
    lines = [f"| {' | '.join(shown)} |", f"|{'---|' * len(shown)}"]
    lines += [f"| {' | '.join(_text(v) for v in row)} |" for row in rows.select(shown).iter_rows()]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"
