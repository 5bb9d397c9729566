"""Put pseudonyms in place of what they stand for, before anything else sees the rows: nothing after it holds the raw value.

That goes for the quarantine too, which keeps rows as they were received.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.errors import ContractBreach
from dataproducts.pseudonym import Key, Keys, Pseudonym, pseudonyms_of
from dataproducts.quality.conform import Refused, to_json
from dataproducts.quality.frames import Records

LINKS: dict[str, pl.DataType] = {"former": pl.String(), "pseudonym": pl.String()}


class Pseudonymizer:
    """Makes the pseudonyms of a dataset's columns. Raises ConfigurationError where a key is missing, before any row is asked for."""

    def __init__(self, contract: Contract) -> None:
        self.dataset = contract.dataset
        self.columns = [c for c in contract.columns if c.pseudonym is not None]
        self.keys = {c.name: Keys.of(c.pseudonym, contract.dataset) for c in self.columns if c.pseudonym is not None}

    @property
    def is_rotating(self) -> bool:
        """Whether former keys are held, so that pseudonyms are linked to those of before."""
        return any(len(keys.keys) > 1 for keys in self.keys.values())

    def batch(self, rows: pl.DataFrame | Records) -> tuple[pl.DataFrame | Records, list[pl.DataFrame]]:
        """The rows with pseudonyms, and the links between those and the ones of former keys."""
        links: list[pl.DataFrame] = []
        for column in self.columns:
            rows = self._frame(rows, column, links) if isinstance(rows, pl.DataFrame) else self._records(rows, column, links)
        return rows, links

    def refused(self, given: Sequence[tuple[Any, str]]) -> Refused:
        """Records an author could not make rows of. One that cannot be read is kept as what tells it from others, and no more."""
        kept = Refused()
        for record, rule in given:
            found = record
            if isinstance(record, str):
                try:
                    found = json.loads(record)
                except ValueError:
                    found = None
            if not isinstance(found, dict):
                kept.add(self._withheld(record), [rule])
                continue
            rows, _ = self.batch([found])
            kept.add(rows[0], [rule])
        return kept

    def _frame(self, frame: pl.DataFrame, column: Column, links: list[pl.DataFrame]) -> pl.DataFrame:
        name = column.source or column.name
        if name not in frame.columns:
            if (outer := name.split(".")[0]) in frame.columns:
                raise ContractBreach(
                    f"{self.dataset}: column {column.name!r} is made a pseudonym of {name!r}, which lies within {outer!r}; "
                    f"return records, or a column of the name {name!r} in place of {outer!r}"
                )
            return frame
        values = frame.get_column(name)
        if values.dtype.is_integer() or isinstance(values.dtype, pl.Categorical | pl.Enum) or values.dtype == pl.Null:
            values = values.cast(pl.String)
        elif values.dtype != pl.String:
            raise ContractBreach(
                f"{self.dataset}: column {column.name!r} is made a pseudonym of {values.dtype}; return text or whole numbers for {name!r}"
            )
        return frame.with_columns(self._made(values, column, links).alias(name))

    def _records(self, records: Records, column: Column, links: list[pl.DataFrame]) -> Records:
        path = (column.source or column.name).split(".")
        texts: list[str | None] = []
        places: list[tuple[dict[str, Any], str] | None] = []
        done: Records = []
        for record in records:
            if not isinstance(record, dict):
                done.append(self._withheld(record))
                continue
            copied = dict(record)  # the author's own stays as it is
            done.append(copied)
            holder, name = _opened(copied, path)
            value = holder.get(name)
            if value is None:
                continue
            if isinstance(value, str) and name == path[-1]:
                texts.append(value)
            elif isinstance(value, int | Decimal) and not isinstance(value, bool) and value == int(value) and name == path[-1]:
                texts.append(str(int(value)))
            else:
                holder[name] = self._withheld(value)
                continue
            places.append((holder, name))
        if texts:
            made = self._made(pl.Series(_sound(texts), dtype=pl.String), column, links).to_list()
            for place, value in zip(places, made, strict=True):
                assert place is not None
                place[0][place[1]] = value
        return done

    def _made(self, values: pl.Series, column: Column, links: list[pl.DataFrame]) -> pl.Series:
        pseudonym: Pseudonym | None = column.pseudonym
        assert pseudonym is not None
        made, linked = pseudonyms_of(values, pseudonym, self.keys[column.name])
        if linked is not None:
            links.append(linked)
        return made

    def _withheld(self, value: Any) -> str:
        """A text in place of a value no pseudonym can be made of, which no rule takes for one."""
        key: Key = next(iter(self.keys.values())).keys[0]
        text = value if isinstance(value, str) else to_json(value)
        (digest,) = key.digests(pl.Series(_sound([text]), dtype=pl.String))
        return f"!{key.name}:{digest}"


def _opened(record: dict[str, Any], path: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The innermost record of a path, copied on the way, and the field in it; where the path ends early, the field it ends at."""
    holder = record
    for name in path[:-1]:
        inner = holder.get(name)
        if not isinstance(inner, dict):
            return holder, name
        holder[name] = inner = dict(inner)
        holder = inner
    return holder, path[-1]


def _sound(texts: Sequence[str | None]) -> list[str | None]:
    """Texts without half letters, which JSON can hold and UTF-8 cannot."""
    return [t.encode("utf-8", "backslashreplace").decode() if t is not None and not t.isascii() else t for t in texts]
