"""A contract as a Frictionless Table Schema: names and types of fields, and of its rules those the standard has words for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.formats.linked import filled

__all__ = ["PARTITION", "table_schema"]

PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"
PARTITION = "_partition"
_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "string", pl.Int64: "integer", pl.Float64: "number", pl.Decimal: "number", pl.Boolean: "boolean", pl.Date: "date",
    pl.Datetime: "datetime", pl.Binary: "string", pl.List: "array", pl.Struct: "object",
}  # fmt: skip
_LIMITS = {
    "greater_than_or_equal_to": "minimum", "greater_than": "exclusiveMinimum", "less_than_or_equal_to": "maximum",
    "less_than": "exclusiveMaximum",
}  # fmt: skip


def table_schema(contract: Contract, columns: Sequence[str], *, partition: bool, text: bool) -> dict[str, Any]:
    """The schema of a file with these columns, after `_partition` where the file has that.

    `text`: the file is CSV, in which an empty cell of a text column that is never missing is an empty text.
    """
    chosen = [contract.by_name[name] for name in columns]
    key = [PARTITION, *contract.key] if partition else list(contract.key)
    of_partition = {
        "name": PARTITION,
        "type": "string",
        "title": "Partition",
        "description": "The part of the dataset that the row belongs to.",
        "constraints": {"required": True},
    }
    return filled(
        {
            "$schema": PROFILE,
            "fields": [*([of_partition] if partition else []), *(_field(one, text) for one in chosen)],
            "fieldsMatch": "exact",
            # a key of which a column was left out is no key of the file
            "primaryKey": key if contract.key and set(contract.key) <= set(columns) else [],
        }
    )


def _field(column: Column, text: bool) -> dict[str, Any]:
    kind = column.dtype.base_type()
    return filled(
        {
            "name": column.name,
            "type": _TYPES[kind],
            "format": "binary" if kind == pl.Binary else None,
            "title": column.title,
            "description": column.description.strip(),
            "example": str(column.examples[0]) if column.examples and not column.is_personal else None,
            "constraints": _constraints(column),
            "unit": column.unit,
            "personalData": column.personal,
        }
    ) | ({"missingValues": []} if text and kind == pl.String and not column.nullable else {})


def _constraints(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {} if column.nullable else {"required": True}
    for rule in column.rules:
        if rule.severity != "error":
            continue
        stated = rule.statistics
        if rule.kind == "unique":
            found["unique"] = True
        elif rule.kind in _LIMITS:
            value = stated.get("min_value", stated.get("max_value"))
            found[_LIMITS[rule.kind]] = _plain(value)
        elif rule.kind == "in_range":
            found["minimum" if stated.get("include_min", True) else "exclusiveMinimum"] = _plain(stated.get("min_value"))
            found["maximum" if stated.get("include_max", True) else "exclusiveMaximum"] = _plain(stated.get("max_value"))
        elif rule.kind == "isin":
            found["enum"] = sorted((_plain(one) for one in stated.get("allowed_values", ())), key=str)
        elif rule.kind == "str_length":
            exact = stated.get("exact_value")
            found["minLength"] = stated.get("min_value") if exact is None else exact
            found["maxLength"] = stated.get("max_value") if exact is None else exact
        elif rule.kind == "str_matches":
            found["pattern"] = _whole(stated.get("pattern"))
    return {name: value for name, value in found.items() if value is not None}


def _whole(pattern: object) -> str | None:
    """A pattern for a whole value, as XML Schema writes it; None where ours says something that it cannot."""
    found = re.fullmatch(r"\^?(.*)\$", str(getattr(pattern, "pattern", pattern)))
    if found is None or re.search(r"\(\?|\||\\[bBAzZ]|(?<!\\)[$^](?!\])", re.sub(r"\[\^", "[", found[1])):
        return None
    return found[1]


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return value.isoformat() if isinstance(value, dt.date) else value
