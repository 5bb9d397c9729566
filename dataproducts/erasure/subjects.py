"""Who is erased from a dataset, and which of its rows, refused rows and notes that is. Known by keyed hash, or by value as well.

Only the process that was told a value knows it; whoever comes after, to finish or to obey, knows its hash.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import polars as pl

from dataproducts.erasure.secret import Secret
from dataproducts.errors import DeclarationError
from dataproducts.history.ledger import THROUGH, VIEW

ERASED = "erased"
"""Stands where a value stood in a note or a text; also the name in a version's note."""

_LONG_ENOUGH = 6  # characters a value needs to be looked for inside text; a shorter one stands there by chance
_KIT = frozenset(
    {"run", "received", "refused", "inputs", "between", "replayed", "replayed_rows", "kafka", ERASED, VIEW, THROUGH}
)  # notes of the kit's own
_FREE = (pl.String, pl.Int64, pl.Boolean, pl.Date, pl.Decimal, pl.Datetime, pl.Binary)


def spelled(columns: Sequence[str], dtypes: Any) -> pl.Expr:
    """The values of these columns as one text, in which no two differ alike. Missing where one of them is."""
    parts: list[pl.Expr] = []
    for name in columns:
        text = _text(pl.col(name), dtypes[name])
        parts += [text.str.len_bytes().cast(pl.String), pl.lit(":"), text]
    return pl.concat_str(parts)


def spelled_texts(texts: Sequence[str]) -> str:
    """As `spelled`, of values that are texts already."""
    return "".join(f"{len(text.encode())}:{text}" for text in texts)


def unspelled(text: str) -> list[str]:
    """The texts that `spelled_texts` put together."""
    rest, found = text.encode(), []
    while rest:
        length, _, rest = rest.partition(b":")
        found.append(rest[: int(length)].decode())
        rest = rest[int(length) :]
    return found


def refuse_type(dataset: str, name: str, dtype: pl.DataType) -> None:
    """Raise DeclarationError for a column whose values cannot name anybody."""
    if not isinstance(dtype, _FREE):
        raise DeclarationError(
            f"{dataset}: column {name!r} is {dtype}, by which nobody can be erased; name a column of text or whole numbers"
        )


def _text(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return expr.dt.timestamp("us").cast(pl.String)
    if isinstance(dtype, pl.Binary):
        return expr.bin.encode("hex")
    return expr if isinstance(dtype, pl.String) else expr.cast(pl.String)


@dataclass(frozen=True)
class Subjects:
    """Those erased by the values of some columns. `sources` are the columns' paths in the records of the source.

    `known` are spelled values that this process was told; the others are known by hash only. `empties` are the columns whose values go
    where the rows stay, each with what stands in its place as JSON.
    """

    columns: tuple[str, ...]
    sources: tuple[str, ...]
    hashes: frozenset[str]
    secret: Secret = field(repr=False)
    known: frozenset[str] = field(default=frozenset(), repr=False)
    empties: tuple[tuple[str, str], ...] = ()

    @cached_property
    def unknown(self) -> frozenset[str]:
        """The hashes of which no value is known."""
        if not self.hashes:
            return frozenset()
        return self.hashes - frozenset(self.secret.hashed(self.known))

    def hits(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows are theirs; values that are all known are compared as they are, which costs no text and no hash."""
        if len(self.columns) == 1 and not self.unknown:
            (name,) = self.columns
            return frame.get_column(name).is_in(self._native(frame.schema[name]).implode()).fill_null(False)
        return self.among(self.spelled(frame))

    def held(self, frame: pl.DataFrame) -> pl.Series:
        """Which of their rows still hold a value of a column that is emptied."""
        there = [_holds(pl.col(name), json.loads(instead)) for name, instead in self.empties if name in frame.columns]
        if not there:
            return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
        return self.hits(frame) & frame.select(pl.any_horizontal(there)).to_series()

    def emptied(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows, theirs without the values of the columns that are emptied."""
        theirs = self.held(frame)
        if not theirs.any():
            return frame
        return frame.with_columns(
            pl.when(theirs).then(pl.lit(pl.Series([json.loads(instead)], dtype=frame.schema[name])).first()).otherwise(name).alias(name)
            for name, instead in self.empties
            if name in frame.columns
        )

    def spelled(self, frame: pl.DataFrame) -> pl.Series:
        """The values of each row, spelled."""
        return frame.select(spelled(self.columns, frame.schema)).to_series()

    def _native(self, dtype: pl.DataType) -> pl.Series:
        texts = pl.Series([text.partition(":")[2] for text in sorted(self.known)], dtype=pl.String)
        if isinstance(dtype, pl.Datetime):
            return texts.cast(pl.Int64).cast(dtype)
        if isinstance(dtype, pl.Date):
            return texts.str.to_date("%Y-%m-%d")
        if isinstance(dtype, pl.Binary):
            return texts.str.decode("hex")
        return texts == "true" if isinstance(dtype, pl.Boolean) else texts.cast(dtype)

    def among(self, texts: pl.Series) -> pl.Series:
        """Which of these spelled values are theirs. Values are hashed once each, and not at all where all of them are known."""
        hit = texts.is_in(list(self.known)).fill_null(False) if self.known else pl.repeat(False, len(texts), eager=True)
        if not self.unknown:
            return hit
        unique = texts.drop_nulls().unique()
        met = [text for text, digest in zip(unique, self.secret.hashed(unique), strict=True) if digest in self.unknown]
        return hit | texts.is_in(met).fill_null(False) if met else hit

    def holds(self, texts: Sequence[str]) -> bool:
        """Whether these values, as texts, one for each column, are theirs."""
        text = spelled_texts(texts)
        return text in self.known or (bool(self.unknown) and self.secret.hashed([text])[0] in self.unknown)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The known values that are long enough to be looked for inside text; of several columns none."""
        if len(self.columns) > 1:
            return ()
        found = (text.partition(":")[2] for text in self.known)
        return tuple(sorted(value for value in found if len(value) >= _LONG_ENOUGH))


@dataclass(frozen=True)
class Erased:
    """All that are erased from one dataset: `subjects` with their rows, `emptied` by values of columns while the rows stay.

    `count` is the number of lines of the registry that say so: it only grows.
    """

    dataset: str
    subjects: tuple[Subjects, ...]
    count: int
    is_quarantine: bool = False
    emptied: tuple[Subjects, ...] = ()

    def needs(self, names: Sequence[str]) -> list[str]:
        """Of the columns a file has, those that have to be read to find the rows."""
        if self.is_quarantine:
            return ["received"]
        mine = [s for s in (*self.subjects, *self.emptied) if set(s.columns) <= set(names)]
        return sorted({c for s in mine for c in (*s.columns, *(n for n, _ in s.empties if n in names))})

    def hits(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows are theirs and go."""
        if self.is_quarantine:
            return pl.Series([self.names(received) for received in frame.get_column("received")], dtype=pl.Boolean)
        return _any(self.subjects, frame, Subjects.hits)

    def stays(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows are theirs and stay, without what is emptied."""
        return _any(self.emptied, frame, Subjects.hits)

    def held(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows stay and still hold what is to be emptied."""
        return _any(self.emptied, frame, Subjects.held)

    def without(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that are not theirs; of those that stay, without what is emptied."""
        hit = self.hits(frame)
        kept = frame.filter(~hit) if hit.any() else frame
        for one in self.emptied:
            if set(one.columns) <= set(frame.columns):
                kept = one.emptied(kept)
        return kept

    def names(self, received: str) -> bool:
        """Whether a refused row, as it was received, is theirs: by the columns' places in it, or because it has a known value."""
        try:
            record = json.loads(received)
        except ValueError:
            record = None
        inside = list(_carried(record))
        everybody = (*self.subjects, *self.emptied)
        if any(value in text for text in (received, *inside) for one in everybody for value in one.values):
            return True
        records = [record, *(found for text in inside for found in _parsed(text))]
        return any(one.holds(texts) for record in records for one in everybody for texts in _found(record, one))

    def scrubbed(self, note: dict[str, Any]) -> dict[str, Any]:
        """What is said beside rows, without their values: what a product says, not what the kit counts."""
        return {name: value if name in _KIT else self._scrubbed(value) for name, value in note.items()}

    def _scrubbed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._scrubbed(inner) for name, inner in value.items() if not self._is_theirs(name)}
        if isinstance(value, list | tuple):
            return [self._scrubbed(inner) for inner in value if not self._is_theirs(inner)]
        if isinstance(value, str):
            return ERASED if self._is_theirs(value) else self.scrubbed_text(value)
        return ERASED if self._is_theirs(value) else value

    def scrubbed_text(self, text: str) -> str:
        """Text with their values taken out: known ones wherever they stand, others where they are a word."""
        for one in self.subjects:
            for value in one.values:
                text = text.replace(value, ERASED)
            if one.unknown and len(one.columns) == 1:
                words = {word for word in re.findall(r"[\w@.+-]+", text) if len(word) >= _LONG_ENOUGH}
                for word in words:
                    if one.holds([word]):
                        text = text.replace(word, ERASED)
        return text

    def _is_theirs(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return False
        text = str(value)
        return any(len(one.columns) == 1 and len(text) >= _LONG_ENOUGH and one.holds([text]) for one in self.subjects)

    def of_quarantine(self) -> Erased:
        """The same, for the dataset's refused rows: those go as they are, whatever would be emptied of them."""
        return replace(self, dataset=f"{self.dataset}/quarantine", is_quarantine=True)

    def of_links(self) -> Erased:
        """The same, for the dataset's links from pseudonyms to those of the next key: a link is theirs by either end."""
        ends = ("former", "pseudonym")
        alone = [replace(one, columns=(end,), sources=(end,)) for one in self.subjects if len(one.columns) == 1 for end in ends]
        return replace(self, dataset=f"{self.dataset}/pseudonyms", subjects=tuple(alone), emptied=())


def _any(subjects: Sequence[Subjects], frame: pl.DataFrame, question: Callable[[Subjects, pl.DataFrame], pl.Series]) -> pl.Series:
    """Of which rows the answer is yes for any of those whose columns the frame has."""
    found = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    for one in subjects:
        if set(one.columns) <= set(frame.columns):
            found |= question(one, frame)
    return found


def _holds(column: pl.Expr, instead: Any) -> pl.Expr:
    """Whether a column holds anything but what stands in place of erased values."""
    if instead is None:
        return column.is_not_null()
    return (column.list.len() != 0).fill_null(True) if instead == [] else column.ne_missing(pl.lit(instead))


def _carried(record: Any) -> Iterator[str]:
    """Key and value of a message that was kept byte for byte, as text."""
    message = record.get("undecoded") if isinstance(record, dict) else None
    if isinstance(message, dict):
        for name in ("key_base64", "value_base64"):
            with suppress(ValueError):
                yield base64.b64decode(message.get(name) or "").decode("utf-8", errors="replace")


def _parsed(text: str) -> Iterator[Any]:
    with suppress(ValueError):
        yield json.loads(text)


def _found(record: Any, one: Subjects) -> Iterator[list[str]]:
    """The subject's values in a record under the source's names and under our own."""
    for paths in {one.sources, one.columns}:
        texts = [_at(record, path) for path in paths]
        if all(text is not None for text in texts):
            yield [str(text) for text in texts]


def _at(record: Any, path: str) -> str | None:
    if isinstance(record, dict) and path in record:
        value = record[path]
    else:
        value = record
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None
