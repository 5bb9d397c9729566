"""What a partition looks like: nulls, distinct values, range and most frequent values per column; nothing of personal columns."""

from __future__ import annotations

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
    step = -(-height // EXACT_ROWS) or 1
    distinct = [pl.col(n).drop_nulls().n_unique().alias(f"d\x00{n}") for n in open_]
    figures = (
        frame.select(
            *(pl.col(n).null_count().alias(f"n\x00{n}") for n in contract.names),
            *(pl.col(n).min().alias(f"a\x00{n}") for n in open_),
            *(pl.col(n).max().alias(f"z\x00{n}") for n in open_),
            *(distinct if step == 1 else ()),
        )
        .collect(engine="streaming" if step > 1 else "auto")
        .row(0, named=True)
    )
    rows = frame.select(open_).gather_every(step).collect() if step > 1 else frame.select(open_).collect()
    if step > 1 and open_:
        figures |= rows.select(distinct).row(0, named=True)
    profiles = []
    for column in contract.columns:
        name = column.name
        if name not in open_:
            profiles.append(ColumnProfile(name, figures[f"n\x00{name}"], None))
            continue
        frequent: tuple[tuple[Any, int], ...] = ()
        if 0 < figures[f"d\x00{name}"] <= max(20, rows.height // 2):
            values = rows.get_column(name).drop_nulls()
            counts = values.value_counts(name=f"#{name}").sort([f"#{name}", name], descending=[True, False])
            frequent = tuple(counts.head(TOP).iter_rows())
        profiles.append(
            ColumnProfile(
                name,
                figures[f"n\x00{name}"],
                figures[f"d\x00{name}"],
                figures[f"a\x00{name}"],
                figures[f"z\x00{name}"],
                frequent,
            )
        )
    return profiles


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
