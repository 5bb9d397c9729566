"""Columns as pages show them: their profile in a few words, and no value of a column that may say something about a person."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from dataproducts.catalog.drawing.charts import Spread, bars, spread_chart
from dataproducts.catalog.web.words import Speech
from dataproducts.formats.facts import is_sensitive
from dataproducts.messages import ColumnFacts, ColumnFigures, DatasetBody


@dataclass(frozen=True)
class Shown:
    """A column in the table. `filled`: share of rows that have a value, or None; `wide` is the same in hundredths."""

    facts: ColumnFacts
    is_key: bool
    is_personal: bool
    filled: float | None
    distinct: int | None
    smallest: str | None
    largest: str | None

    @property
    def wide(self) -> float:
        """Width of the bar, of 100; what is not nothing can be seen."""
        return round(max(100 * (self.filled or 0), 2.0 if self.filled else 0), 1)


def may_be_shown(column: ColumnFacts, body: DatasetBody) -> bool:
    """Whether values of a column may be on a page: declared free of personal data, or undeclared in a dataset that is free of it."""
    if column.personal is None:
        return not is_sensitive(body)
    return not column.is_personal


def shown(body: DatasetBody, figures: dict[str, ColumnFigures], rows: int | None) -> list[Shown]:
    """Every column in the contract's order, with the newest version's figures."""
    key = frozenset(body.contract.key)
    sensitive = is_sensitive(body)
    found = []
    for column in body.contract.columns:
        given = figures.get(column.name)
        open_ = not sensitive if column.personal is None else not column.is_personal
        filled = None if given is None or not rows else max(0.0, 1 - given.nulls / rows)
        values = given if open_ else None
        found.append(
            Shown(
                column,
                column.name in key,
                not open_,
                filled,
                values.distinct if values else None,
                values.smallest if values else None,
                values.largest if values else None,
            )
        )
    return found


def pictures(column: ColumnFacts, body: DatasetBody, figures: ColumnFigures | None, rows: int | None, speech: Speech) -> list[Markup]:
    """The spread of a column and its most frequent values, as far as they may be shown."""
    if figures is None or not rows:
        return []
    missing = min(1.0, figures.nulls / rows)
    if not may_be_shown(column, body):
        return [spread_chart(Spread(missing=missing), language=speech.language, wide=320)]
    low, high = (speech.value(one) if one is not None else None for one in (figures.smallest, figures.largest))
    made = [spread_chart(Spread(low, high, missing), language=speech.language, wide=320)]
    if figures.frequent:
        made.append(bars(figures.frequent[:8], total=rows, language=speech.language))
    return made
