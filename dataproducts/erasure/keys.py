"""The keys that a person names: on the command line, or one a line in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dataproducts.erasure.subjects import refuse_type, spelled
from dataproducts.errors import DataProductsError, DeclarationError
from dataproducts.history.intervals import FROM


class MalformedKey(DataProductsError):
    """A key is not written as the dataset's key is."""


@dataclass(frozen=True)
class Keys:
    """The values, spelled, of those to erase, and the columns of the dataset they are in."""

    columns: tuple[str, ...]
    spelled: frozenset[str]

    @classmethod
    def of(cls, dataset: str, key: Sequence[str], dtypes: Mapping[str, pl.DataType], texts: Sequence[tuple[str, str]]) -> Keys:
        """Keys as (where it was written, text) pairs: a value of the dataset's one key column, or a JSON object of columns and values.

        Raises MalformedKey, DeclarationError for a dataset without a key where no columns are named.
        """
        own = tuple(name for name in key if name != FROM)
        rows: list[dict[str, Any]] = []
        columns: tuple[str, ...] | None = None
        for where, text in texts:
            row = _row(dataset, own, dtypes, where, text)
            names = tuple(sorted(row))
            if columns is not None and names != columns:
                raise MalformedKey(
                    f"{where} names the columns {', '.join(names)}, and the keys before it {', '.join(columns)}; give each alike"
                )
            columns = names
            rows.append(row)
        if columns is None:
            raise MalformedKey(f"{dataset}: there is no key to erase; give --key, or --keys-file with one a line")
        for name in columns:
            refuse_type(dataset, name, dtypes[name])
        frame = _typed(dataset, columns, dtypes, rows, [where for where, _ in texts])
        return cls(columns, frozenset(frame.select(spelled(columns, frame.schema)).to_series()))


def written(key: Sequence[str], file: Path | None) -> list[tuple[str, str]]:
    """The keys of the command line and of a file, each with where it stands. Empty lines and those that begin with # are none."""
    found = [(f"--key {number}" if len(key) > 1 else "--key", text) for number, text in enumerate(key, 1)]
    if file is None:
        return found
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise MalformedKey(f"{file} is not text in UTF-8; write one key a line") from None
    except OSError as error:
        raise MalformedKey(f"{file} cannot be read ({error.strerror}); give a file with one key a line") from None
    own = [(f"{file}, line {n}", line.strip()) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not own:
        raise MalformedKey(f"{file} has no keys; write one a line")
    return found + own


def _row(dataset: str, key: Sequence[str], dtypes: Mapping[str, pl.DataType], where: str, text: str) -> dict[str, Any]:
    example = json.dumps(dict.fromkeys(key or list(dtypes)[:1], "..."), ensure_ascii=False)
    if not text.startswith("{"):
        if not key:
            raise DeclarationError(f"{dataset} has no key; name the column that tells who it is, as --key '{example}'")
        if len(key) > 1:
            raise MalformedKey(f"{dataset} has the key {', '.join(key)}, and {where} is one value; write it as '{example}'")
        if not text:
            raise MalformedKey(f"{where} is empty; give a value of {key[0]}")
        return {key[0]: text}
    try:
        row = json.loads(text)
    except ValueError as error:
        raise MalformedKey(f"{where} is no JSON object ({error}); write it as '{example}'") from None
    if unknown := next((name for name in row if name not in dtypes), None):
        raise MalformedKey(f"{where} names {unknown!r}, which {dataset} does not have; its columns are {', '.join(dtypes)}")
    if not row or any(isinstance(value, dict | list) or value is None for value in row.values()):
        raise MalformedKey(f"{where} has to give each column one value, as '{example}'")
    return dict(row)


def _typed(
    dataset: str, columns: Sequence[str], dtypes: Mapping[str, pl.DataType], rows: Sequence[Mapping[str, Any]], where: Sequence[str]
) -> pl.DataFrame:
    made = {}
    for name in columns:
        dtype = dtypes[name]
        values = typed(pl.Series(name, [_plain(row[name]) for row in rows], dtype=pl.String), dtype)
        if values.null_count():
            raise MalformedKey(f"{where[values.is_null().arg_max() or 0]} is no {dtype}, the type of {name!r} in {dataset}; correct it")
        made[name] = values
    return pl.DataFrame(made)


def typed(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Texts, as people and JSON write them, as values of a column; missing where one is no such value."""
    if isinstance(dtype, pl.Datetime):
        return texts.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if isinstance(dtype, pl.Date):
        return texts.str.to_date("%Y-%m-%d", strict=False)
    if isinstance(dtype, pl.Binary):
        return texts.str.decode("hex", strict=False)
    if isinstance(dtype, pl.Boolean):
        return texts.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    return texts.cast(dtype, strict=False)


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
