"""Types: those of a contract as BigQuery and DuckDB spell them, and whether what a query gives can be stored as promised without loss."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ContractBreach
from dataproducts.ports.bigquery.columns import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp

_SPELLED: dict[type[pl.DataType], tuple[str, str]] = {
    pl.String: ("STRING", "VARCHAR"),
    pl.Int64: ("INT64", "BIGINT"),
    pl.Float64: ("FLOAT64", "DOUBLE"),
    pl.Boolean: ("BOOL", "BOOLEAN"),
    pl.Date: ("DATE", "DATE"),
    pl.Datetime: ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
    pl.Binary: ("BYTES", "BLOB"),
}
"""Of each type of a contract, BigQuery's name and DuckDB's."""


def spelled(dtype: Any) -> str:
    """The type as BigQuery's SQL writes it."""
    instance: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    if isinstance(instance, pl.List):
        return f"ARRAY<{spelled(instance.inner)}>"
    if isinstance(instance, pl.Struct):
        return f"STRUCT<{', '.join(f'`{f.name}` {spelled(f.dtype)}' for f in instance.fields)}>"
    if isinstance(instance, pl.Decimal):
        assert instance.precision is not None
        small = instance.scale <= 9 and instance.precision - instance.scale <= 29
        return f"{'NUMERIC' if small else 'BIGNUMERIC'}({instance.precision}, {instance.scale})"
    return _SPELLED[type(instance)][0]


@lru_cache(maxsize=1_000)
def expression(text: str) -> exp.DataType:
    """A type of BigQuery's, parsed; parsing is slow and types are few."""
    from sqlglot import exp

    return exp.DataType.build(text, dialect="bigquery")


def misfit(inferred: exp.DataType | None, dtype: Any) -> bool:
    """Whether a query's type is certain to be another than the contract's. Where it could not be inferred it may fit."""
    from sqlglot import exp

    kinds = exp.DataType.Type
    if inferred is None or inferred.this in (kinds.UNKNOWN, kinds.NULL):
        return False
    want = expression(spelled(dtype))
    if want.this == kinds.ARRAY or inferred.this == kinds.ARRAY:
        if want.this != inferred.this:
            return True
        inner = inferred.expressions[0] if inferred.expressions else None
        return misfit(inner, dtype.inner) if isinstance(inner, exp.DataType) else False
    if want.this == kinds.STRUCT or inferred.this == kinds.STRUCT:
        if want.this != inferred.this:
            return True
        there = {f.name.lower(): f.args.get("kind") for f in inferred.expressions if isinstance(f, exp.ColumnDef)}
        if len(there) < len(inferred.expressions):
            return False
        return set(there) != {f.name.lower() for f in dtype.fields} or any(misfit(there[f.name.lower()], f.dtype) for f in dtype.fields)
    have, wanted = _family(inferred), _family(want)
    return have is not None and have != wanted and (have, wanted) not in (("integer", "float"), ("integer", "decimal"))


def _family(kind: exp.DataType) -> str | None:
    from sqlglot import exp

    families = {
        "integer": exp.DataType.INTEGER_TYPES,
        "float": exp.DataType.FLOAT_TYPES,
        "decimal": {exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL},
        "text": exp.DataType.TEXT_TYPES,
        "boolean": {exp.DataType.Type.BOOLEAN},
        "date": {exp.DataType.Type.DATE, exp.DataType.Type.DATE32},
        "instant": {exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ},
        "local time": {exp.DataType.Type.TIMESTAMP, exp.DataType.Type.DATETIME, exp.DataType.Type.TIMESTAMPNTZ},
        "bytes": {exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY, exp.DataType.Type.BLOB},
        "time": {exp.DataType.Type.TIME},
        "json": {exp.DataType.Type.JSON},
        "interval": {exp.DataType.Type.INTERVAL},
    }
    return next((name for name, kinds in families.items() if kind.this in kinds), None)


def duckdb_type(dtype: Any) -> str:
    """The type as DuckDB's SQL writes it."""
    instance: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    if isinstance(instance, pl.List):
        return f"{duckdb_type(instance.inner)}[]"
    if isinstance(instance, pl.Struct):
        fields = ", ".join('"' + f.name.replace('"', '""') + '" ' + duckdb_type(f.dtype) for f in instance.fields)
        return f"STRUCT({fields})"
    if isinstance(instance, pl.Decimal):
        return f"DECIMAL({instance.precision}, {instance.scale})"
    return _SPELLED[type(instance)][1]


def fitted(rows: pa.Table | pa.RecordBatch, contract: Contract, where: str) -> pl.DataFrame:
    """Rows as a query gave them, with the contract's names, order and types. ContractBreach where a value would lose anything."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = {name.lower(): name for name in rows.schema.names}
    columns = []
    for name, dtype in contract.dtypes.items():
        given = rows.column(there[name.lower()])
        want = arrow_type(dtype)
        if given.type == want:
            columns.append(given)
            continue
        if not _may_become(given.type, want):
            raise ContractBreach(
                f"{where}: column {name!r} came out as {given.type}, and the contract has {spelled(dtype)}; cast it to that in the query"
            )
        try:
            if pa.types.is_integer(given.type) and pa.types.is_decimal(want):  # Arrow asks for room for 19 digits, whatever they are
                given = pc.cast(given, pa.decimal128(38, min(want.scale, 19)))
            columns.append(pc.cast(given, want, safe=True))
        except pa.ArrowInvalid:
            raise ContractBreach(
                f"{where}: column {name!r} holds a value that {spelled(dtype)} does not keep exactly; ROUND or CAST it in the query, "
                "or widen the contract"
            ) from None
    found: pl.DataFrame = pl.DataFrame(pa.table(columns, names=list(contract.names)))
    return found


def _may_become(have: pa.DataType, want: pa.DataType) -> bool:
    """Whether Arrow's safe cast is exact or refuses; it rounds a float to a decimal and cuts a time to a day without a word."""
    import pyarrow.types as t

    if t.is_null(have):
        return True
    if t.is_list(want) or t.is_large_list(want):
        return (t.is_list(have) or t.is_large_list(have)) and _may_become(have.value_type, want.value_type)
    if t.is_struct(want):
        fields = {f.name: f.type for f in have} if t.is_struct(have) else {}
        return set(fields) == {f.name for f in want} and all(_may_become(fields[f.name], f.type) for f in want)
    if t.is_integer(have):
        return bool(t.is_integer(want) or t.is_floating(want) or t.is_decimal(want))
    if t.is_decimal(have):
        return bool(t.is_decimal(want))
    if t.is_floating(have):
        return bool(t.is_floating(want))
    if t.is_timestamp(have):
        return bool(t.is_timestamp(want) and have.tz is not None)
    alike = (t.is_string, t.is_large_string, t.is_string_view), (t.is_binary, t.is_large_binary, t.is_binary_view)
    return have == want or any(any(is_(have) for is_ in kinds) and any(is_(want) for is_ in kinds) for kinds in alike)
