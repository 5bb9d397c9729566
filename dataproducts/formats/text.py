"""Values spelled as text without loss, for CSV and JSON: times in ISO 8601 with the offset, binary as Base64, lists and structs as JSON."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import polars as pl

__all__ = ["as_text", "without_binary"]


def as_text(batch: pl.DataFrame) -> pl.DataFrame:
    """Times with a colon in the offset, lists and structs as JSON; the rest CSV can spell."""
    batch = without_binary(batch)
    changed = []
    for name, dtype in batch.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime):
            changed.append(column.dt.to_string("iso:strict").alias(name))
        elif dtype.is_nested():
            text = pl.struct(column.alias("_")).struct.json_encode().str.strip_prefix('{"_":').str.head(-1)
            changed.append(pl.when(column.is_not_null()).then(text).alias(name))
    return batch.with_columns(changed)


def without_binary(batch: pl.DataFrame) -> pl.DataFrame:
    """Binary values as Base64, also within lists and structs."""
    changed = []
    for name, dtype in batch.schema.items():
        if dtype == pl.Binary:
            changed.append(batch[name].bin.encode("base64"))
        elif _holds_binary(dtype):
            changed.append(pl.Series(name, [_encoded(v) for v in batch[name].to_list()], dtype=_text_for_binary(dtype)))
    return batch.with_columns(changed)


def _holds_binary(dtype: Any) -> bool:
    return bool(dtype != _text_for_binary(dtype))


def _text_for_binary(dtype: Any) -> Any:
    if isinstance(dtype, pl.List):
        return pl.List(_text_for_binary(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(f.name, _text_for_binary(f.dtype)) for f in dtype.fields])
    return pl.String() if dtype == pl.Binary else dtype


def _encoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_encoded(v) for v in value]
    if isinstance(value, dict):
        return {name: _encoded(v) for name, v in value.items()}
    return b64encode(value).decode() if isinstance(value, bytes) else value
