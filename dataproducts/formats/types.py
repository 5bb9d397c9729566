"""Column types, written as polars writes them, as the few kinds that other standards know."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Kind", "inner", "kind"]

Kind = Literal["string", "integer", "number", "decimal", "boolean", "date", "datetime", "time", "duration", "binary", "list", "object"]

_KINDS: dict[str, Kind] = {
    "String": "string", "Utf8": "string", "Categorical": "string", "Enum": "string", "Int": "integer", "UInt": "integer",
    "Float": "number", "Decimal": "decimal", "Boolean": "boolean", "Date": "date", "Datetime": "datetime", "Time": "time",
    "Duration": "duration", "Binary": "binary", "List": "list", "Array": "list", "Struct": "object", "Object": "object",
}  # fmt: skip


def kind(type_: str) -> Kind:
    """The kind of a type such as `Int64` or `List(String)`; one nobody knows is text."""
    found = re.match(r"[A-Za-z]+", type_)
    return _KINDS.get(found[0], "string") if found else "string"


def inner(type_: str) -> str:
    """The type of a list's items; `String` where it is not stated."""
    found = re.match(r"(?:List|Array)\((.+)\)$", type_, re.DOTALL)
    return found[1] if found else "String"
