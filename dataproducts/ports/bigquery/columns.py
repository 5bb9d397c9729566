"""Columns at BigQuery: the names it takes, the type of each type of a contract, and the same again for Parquet. No connection."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.errors import DeclarationError

if TYPE_CHECKING:
    import pyarrow as pa

Field = dict[str, Any]
"""A column as BigQuery's REST interface writes it: name, type, mode and, where they apply, description, fields, precision, policyTags."""

# BigQuery refuses the lake's own `_partition`; a contract's columns never begin with an underscore, so none is called like these
PARTITION, VERSION, KNOWN_AT, CONTRACT = "_dp_partition", "_dp_version", "_dp_known_at", "_dp_contract"
DAY, BATCH, ROWS, HASH = "_dp_day", "_dp_batch", "_dp_rows", "_dp_content_hash"

_RESERVED = (
    "_table_",
    "_file_",
    "_partition",
    "_row_timestamp",
    "__root__",
    "_colidentifier",
    "_change_sequence_number",
    "_change_type",
    "_change_timestamp",
)
_LONGEST_NAME = 300
_LONGEST_DESCRIPTION = 1_024
_MOST_COLUMNS = 10_000
_MARKS = frozenset("_&%=+:'<>#|- ")
_DEEPEST = 15

# as tables.get answers, which is not how SQL spells them
_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "STRING",
    pl.Int64: "INTEGER",
    pl.Float64: "FLOAT",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMP",
    pl.Binary: "BYTES",
    pl.Struct: "RECORD",
}
_SPELLED_IN_SQL = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
_CLUSTERING = frozenset({"STRING", "INTEGER", "BOOLEAN", "DATE", "TIMESTAMP", "NUMERIC", "BIGNUMERIC"})

STAMPS: tuple[Field, ...] = (
    {"name": PARTITION, "type": "STRING", "mode": "REQUIRED", "description": "Partition of the dataset; '-' where it has none."},
    {"name": VERSION, "type": "INTEGER", "mode": "REQUIRED", "description": "Version of the partition: 1, 2, ... Never changed."},
    {"name": KNOWN_AT, "type": "TIMESTAMP", "mode": "REQUIRED", "description": "When this version became known."},
    {"name": CONTRACT, "type": "STRING", "mode": "REQUIRED", "description": "Version of the contract that the rows keep."},
    {"name": DAY, "type": "DATE", "mode": "REQUIRED", "description": "What the table is divided by. {day}"},
    {"name": BATCH, "type": "STRING", "mode": "REQUIRED", "description": "The load that brought the rows."},
)
"""Columns of every row beside the dataset's own."""

LEDGER: tuple[Field, ...] = (
    *STAMPS,
    {"name": ROWS, "type": "INTEGER", "mode": "REQUIRED", "description": "How many rows the version has, which may be none."},
    {"name": HASH, "type": "STRING", "mode": "REQUIRED", "description": "SHA-256 of the version's content in canonical form."},
)
"""Columns of the table of versions. A version that is not there has not arrived."""

LEDGER_TYPES: dict[str, pl.DataType] = {
    PARTITION: pl.String(),
    VERSION: pl.Int64(),
    KNOWN_AT: pl.Datetime("us", "UTC"),
    CONTRACT: pl.String(),
    DAY: pl.Date(),
    BATCH: pl.String(),
    ROWS: pl.Int64(),
    HASH: pl.String(),
}


def check(contract: Contract) -> None:
    """Raise DeclarationError where BigQuery has no such name or type."""
    if len(contract.columns) + len(STAMPS) > _MOST_COLUMNS:
        raise DeclarationError(
            f"{contract.dataset}: it has {len(contract.columns)} columns and BigQuery takes {_MOST_COLUMNS - len(STAMPS)}; leave some out"
        )
    _check_names(contract.dataset, [c.name for c in contract.columns], "")
    for column in contract.columns:
        _check_type(contract.dataset, column.name, column.dtype, 1)


def fields(columns: Iterable[Column], required: Callable[[Column], bool], tags: Mapping[str, str]) -> list[Field]:
    """Columns of a contract. `tags` gives the policy tag of a personal-data class; a class without one is told in the description."""
    return [_column(c, "REQUIRED" if required(c) else "NULLABLE", tags) for c in columns]


def field(name: str, dtype: pl.DataType, mode: str = "NULLABLE", description: str = "") -> Field:
    """A column of this type. Inner fields are NULLABLE, for a contract promises nothing of them."""
    if isinstance(dtype, pl.List):
        return {**field(name, _inner(dtype), "REPEATED", description)}
    found: Field = {"name": name, "type": _type(dtype), "mode": mode}
    if description:
        found["description"] = _cut(description)
    if isinstance(dtype, pl.Decimal):
        found |= {"precision": str(dtype.precision), "scale": str(dtype.scale)}
    if isinstance(dtype, pl.Struct):
        found["fields"] = [field(f.name, _instance(f.dtype)) for f in dtype.fields]
    return found


def stamps(day: str, kind: Sequence[Field] = STAMPS) -> list[Field]:
    """The columns that every row has; `day` says what its day is."""
    return [{**f, "description": f["description"].format(day=day)} if f["name"] == DAY else dict(f) for f in kind]


def difference(wanted: Field, found: Field) -> str | None:
    """How the type of a column differs from what it should be, as "X instead of Y"; modes NULLABLE and REQUIRED are the same type."""
    ours, theirs = _spelled(wanted), _spelled(found)
    if ours != theirs:
        return f"{theirs} instead of {ours}"
    there = {f["name"].lower(): f for f in found.get("fields", ())}
    for inner in wanted.get("fields", ()):
        if inner["name"].lower() not in there:
            return f"without its field {inner['name']!r}"
        if differing := difference(inner, there[inner["name"].lower()]):
            return f"in its field {inner['name']!r} {differing}"
    return None


def can_cluster(dtype: pl.DataType) -> bool:
    """Whether BigQuery clusters by a column of this type."""
    return not isinstance(dtype, pl.List) and _type(dtype) in _CLUSTERING


def has_lists(dtype: pl.DataType) -> bool:
    """Whether the values hold lists, of which BigQuery does not keep everything: see `kept`."""
    if isinstance(dtype, pl.Struct):
        return any(has_lists(_instance(f.dtype)) for f in dtype.fields)
    return isinstance(dtype, pl.List)


def kept(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """What BigQuery keeps of the values: its arrays have no missing items, and a missing array is an empty one."""
    if isinstance(dtype, pl.List):
        items = pl.when(values.is_null()).then(pl.lit([], dtype)).otherwise(values.list.drop_nulls())
        inner = _inner(dtype)
        return items.list.eval(kept(pl.element(), inner)) if has_lists(inner) else items
    if isinstance(dtype, pl.Struct) and has_lists(dtype):
        fields = [kept(values.struct.field(f.name), _instance(f.dtype)).alias(f.name) for f in dtype.fields]
        return pl.when(values.is_null()).then(pl.lit(None, dtype)).otherwise(pl.struct(fields))
    return values


def arrow_type(dtype: pl.DataType) -> pa.DataType:
    """The Arrow type whose Parquet BigQuery reads as the type of `field`."""
    import pyarrow as pa

    if isinstance(dtype, pl.List):
        return pa.list_(arrow_type(_inner(dtype)))
    if isinstance(dtype, pl.Struct):
        return pa.struct([pa.field(f.name, arrow_type(_instance(f.dtype))) for f in dtype.fields])
    if isinstance(dtype, pl.Decimal):
        return pa.decimal128(dtype.precision, dtype.scale)
    return {
        pl.String: pa.string(),
        pl.Int64: pa.int64(),
        pl.Float64: pa.float64(),
        pl.Boolean: pa.bool_(),
        pl.Date: pa.date32(),
        pl.Datetime: pa.timestamp("us", "UTC"),
        pl.Binary: pa.binary(),
    }[type(dtype)]


def arrow_schema(there: Sequence[Field], dtypes: Mapping[str, pl.DataType]) -> pa.Schema:
    """The schema of a file for a table with these columns: BigQuery refuses one whose columns are optional where the table's are not."""
    import pyarrow as pa

    return pa.schema(
        [pa.field(f["name"], arrow_type(dtypes[f["name"]]), nullable=f["mode"] != "REQUIRED") for f in there if f["name"] in dtypes]
    )


def _column(column: Column, mode: str, tags: Mapping[str, str]) -> Field:
    tag = tags.get(column.personal) if column.personal is not None and column.is_personal else None
    said = ". ".join(part.rstrip(". ") for part in (column.title or "", column.description) if part)
    if column.unit:
        said += f" ({column.unit})"
    if column.is_personal and tag is None:
        said = f"{_cut(said, 900)} [personal data: {column.personal}]"
    found = field(column.name, column.dtype, mode, said)
    return _tagged(found, tag) if tag else found


def _tagged(found: Field, tag: str) -> Field:
    """A policy tag stands at the leaves: BigQuery has none for records."""
    if "fields" in found:
        return {**found, "fields": [_tagged(f, tag) for f in found["fields"]]}
    return {**found, "policyTags": {"names": [tag]}}


def _type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        assert dtype.precision is not None
        return "NUMERIC" if dtype.scale <= 9 and dtype.precision - dtype.scale <= 29 else "BIGNUMERIC"
    return _TYPES[type(dtype)]


def _spelled(found: Field) -> str:
    kind = str(_SPELLED_IN_SQL.get(found["type"], found["type"]))
    if found.get("precision"):
        kind += f"({found['precision']}, {found.get('scale') or 0})"
    return f"ARRAY<{kind}>" if found.get("mode") == "REPEATED" else kind


def _check_names(dataset: str, names: Sequence[str], within: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        shown = f"{dataset}: column {within + name!r}"
        if not name or len(name) > _LONGEST_NAME:
            raise DeclarationError(f"{shown} has a name of {len(name)} characters and BigQuery takes 1 to {_LONGEST_NAME}; rename it")
        if begun := next((prefix for prefix in _RESERVED if name.lower().startswith(prefix)), None):
            raise DeclarationError(f"{shown} begins with {begun!r}, which BigQuery keeps for itself; rename it")
        if wrong := next((c for c in name if not _is_taken(c)), None):
            raise DeclarationError(f"{shown} has {wrong!r} in its name, which BigQuery does not take; rename it")
        if name.lower() in seen:
            raise DeclarationError(f"{shown} and {seen[name.lower()]!r} are one and the same name to BigQuery; rename one")
        seen[name.lower()] = name


def _is_taken(character: str) -> bool:
    return character in _MARKS or unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) in ("Pc", "Pd")


def _check_type(dataset: str, name: str, dtype: pl.DataType, depth: int) -> None:
    if depth > _DEEPEST:
        raise DeclarationError(f"{dataset}: column {name!r} is nested deeper than the {_DEEPEST} levels BigQuery takes; flatten it")
    if isinstance(dtype, pl.List):
        inner = _inner(dtype)
        if isinstance(inner, pl.List):
            raise DeclarationError(
                f"{dataset}: column {name!r} is a list of lists, which BigQuery has no type for; make it a list of structs"
            )
        _check_type(dataset, name, inner, depth)
    elif isinstance(dtype, pl.Struct):
        if not dtype.fields:
            raise DeclarationError(f"{dataset}: column {name!r} is a struct without fields, which BigQuery has no type for; leave it out")
        _check_names(dataset, [f.name for f in dtype.fields], f"{name}.")
        for inner_field in dtype.fields:
            _check_type(dataset, f"{name}.{inner_field.name}", _instance(inner_field.dtype), depth + 1)


def _cut(text: str, most: int = _LONGEST_DESCRIPTION) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _inner(dtype: pl.List) -> pl.DataType:
    return _instance(dtype.inner)


def _instance(dtype: Any) -> pl.DataType:
    found: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return found
