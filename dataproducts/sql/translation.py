"""From BigQuery's SQL to DuckDB's, where sqlglot leaves a difference in what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataproducts.sql.parsing import PARTITION, offset_of

if TYPE_CHECKING:
    from dataproducts.sql.query import Query

MARK = "@"
"""Before an offset of the author's file, in a comment after a cast and in the error of a division."""


def translated(query: Query) -> str:
    """The query in DuckDB's SQL.

    A division by zero is an error, as at BigQuery, and says where it stands; casts are followed by a comment that does. NUMERIC is
    DECIMAL(38, 9), also where DuckDB divides and averages decimals as floats; days moved by an interval are days; floats are rounded
    half away from zero when they become integers.
    """
    from sqlglot import exp

    tree = query.tree.copy()
    for node in tree.walk():
        node.comments = None
        if isinstance(node, exp.Identifier):
            node.set("quoted", True)
    counted = {(u.alias, u.args["offset"].name) for u in tree.find_all(exp.Unnest) if isinstance(u.args.get("offset"), exp.Identifier)}

    def changed(node: Any) -> Any:
        at = offset_of(node)
        if isinstance(node, exp.Parameter):
            return exp.Parameter(this=exp.var(PARTITION))
        if isinstance(node, exp.Column) and (node.table, node.name) in counted:
            return exp.paren(exp.Sub(this=node.copy(), expression=exp.Literal.number(1)))  # DuckDB counts from 1
        if isinstance(node, exp.DataType):
            return _type(node)
        if isinstance(node, exp.Div | exp.Mod | exp.IntDiv):
            return _as_typed(_guarded(node, at))
        over = isinstance(node, exp.Window) and isinstance(node.this, exp.Avg)
        if over or (isinstance(node, exp.Avg) and not isinstance(node.parent, exp.Window)):
            return _as_typed(node)
        if isinstance(node, exp.DateAdd | exp.DateSub | exp.DateTrunc | exp.LastDay) and _is(node, exp.DataType.Type.DATE):
            return exp.cast(node, exp.DataType.build("DATE"))
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            return _cast(node, at)
        return node

    for node in reversed(list(tree.walk())):  # from the leaves up: what is put around a node is not looked at again
        replacement = changed(node)
        if replacement is not node:
            node.replace(replacement)
    return str(tree.sql("duckdb", comments=True))


def _is(node: Any, *kinds: Any) -> bool:
    return node.type is not None and node.type.this in kinds


def _type(node: Any) -> Any:
    from sqlglot import exp

    kinds = exp.DataType.Type
    if node.this not in (kinds.DECIMAL, kinds.BIGDECIMAL):
        return node
    digits = [p.name for p in node.expressions]
    given = digits if len(digits) == 2 else [digits[0], "0"] if digits else ["38", "9"]
    return exp.DataType.build(f"DECIMAL({', '.join(given)})", dialect="duckdb")


def _guarded(node: Any, at: int | None) -> Any:
    """The operation with an error of ours where the divisor is zero."""
    from sqlglot import exp

    divisor = node.expression.unnest()
    if (isinstance(divisor, exp.Literal) and divisor.is_number and float(divisor.name)) or isinstance(divisor, exp.Nullif):
        return node
    original = node.copy()
    original.type = node.type
    zero = exp.EQ(this=exp.paren(divisor.copy()), expression=exp.Literal.number(0))
    error = exp.Anonymous(this="error", expressions=[exp.Literal.string(f"{MARK}{'' if at is None else at}")])
    case = exp.Case(ifs=[exp.If(this=zero, true=error)], default=exp.paren(original, copy=False))
    case.type = node.type
    return case


def _as_typed(node: Any) -> Any:
    """Decimals stay decimals where BigQuery has them so."""
    from sqlglot import exp

    if not _is(node, exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL):
        return node
    return exp.cast(node.copy() if node.parent is not None else node, exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb"))


def _cast(node: Any, at: int | None) -> Any:
    from sqlglot import exp

    source = node.this
    if node.to.this in exp.DataType.INTEGER_TYPES and source.type is not None and source.type.this in exp.DataType.FLOAT_TYPES:
        node.set("this", exp.Round(this=source.copy()))
    if at is not None:
        node.add_comments([f"{MARK}{at}"])
    return node
