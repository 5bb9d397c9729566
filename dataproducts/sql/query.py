"""A query that has been checked: parsed, every name found, its columns and types held against the contract. Nothing has run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError
from dataproducts.sql import remembering
from dataproducts.sql.parsing import PARTITION, masked, offset_of, parsed, plain_names
from dataproducts.sql.text import SqlText, near
from dataproducts.sql.types import expression, misfit, spelled

if TYPE_CHECKING:
    from sqlglot import exp

DIALECT = "bigquery"


@dataclass(frozen=True)
class Upstream:
    """A dataset that a query reads: the name its author gave it among the inputs, and its contract."""

    name: str
    contract: Contract


@dataclass(frozen=True)
class Resolved:
    """The tree of a query whose names are all resolved, and by the name that a table has in it the input that it is."""

    tree: exp.Query
    tables: Mapping[str, Upstream]


@dataclass(frozen=True, eq=False)
class Query:
    """One SELECT over `references`, the inputs by the names under which the file refers to them."""

    text: SqlText
    contract: Contract
    references: Mapping[str, Upstream]
    partitioned: bool
    lineage: Mapping[str, tuple[tuple[str, str], ...]]
    """Of each column the (input, column) pairs that its values are made of."""

    @cached_property
    def resolved(self) -> Resolved:
        """The tree, made again when it is wanted: a location of a thousand queries runs a few of them, and trees are large."""
        return _resolved(self.text, self.references, self.contract, self.partitioned)[0]

    @property
    def tree(self) -> exp.Query:
        """The query with every column's table, every star written out, and types."""
        return self.resolved.tree

    @property
    def tables(self) -> Mapping[str, Upstream]:
        """The inputs, by their names in `tree`."""
        return self.resolved.tables

    @property
    def names(self) -> Mapping[str, str]:
        """The name of each input in plain SQL, by reference."""
        return plain_names(self.references)

    @property
    def bare(self) -> str:
        """The author's text with references as plain names, and without the semicolon at its end."""
        plain = self.text.plain(self.names)
        end = masked(plain).find(";")
        return plain if end < 0 else f"{plain[:end]} {plain[end + 1 :]}"

    def bare_of(self, partition: str) -> str:
        """`bare`, with the key of the partition in place of its parameter."""
        text, literal = self.bare, "'" + partition.replace("\\", "\\\\").replace("'", "\\'") + "'"
        places = [at.span() for at in re.finditer(rf"(?i)@{PARTITION}\b", masked(text))]
        for start, end in reversed(places):
            text = text[:start] + literal + text[end:]
        return text

    @cached_property
    def takes_partition(self) -> bool:
        """Whether it has the parameter `@partition`."""
        from sqlglot import exp

        return self.tree.find(exp.Parameter) is not None

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table that the query may look at, in the contract's order; never none, so that rows can be counted."""
        from sqlglot import exp

        used = {c.name.lower() for c in self.tree.find_all(exp.Column)}
        contract = self.tables[table].contract
        return tuple(n for n in contract.names if n.lower() in used) or contract.names[:1]

    @cached_property
    def local(self) -> str:
        """The query as DuckDB runs it."""
        from dataproducts.sql.translation import translated

        return translated(self)


_KNOWN: dict[str, Query] = {}


def checked(text: SqlText, upstreams: Mapping[str, Upstream], contract: Contract, partitioned: bool) -> Query:
    """The query of a file. `upstreams` are by the names under which the file refers to them.

    Raises DeclarationError with file, line and column for the first thing that is wrong. One content of a file, over the same contracts,
    is checked once: in this process, and in those that began after a run has remembered it.
    """
    mark = remembering.mark(text, {name: (up.name, up.contract) for name, up in upstreams.items()}, contract, partitioned)
    if mark not in _KNOWN:
        found = remembering.recalled(mark)
        if found is None:
            resolved, schema = _resolved(text, upstreams, contract, partitioned)
            found = _lineage(resolved.tree, schema, resolved.tables)
        _KNOWN[mark] = Query(text, contract, dict(upstreams), partitioned, found)
    return _KNOWN[mark]


def remember() -> None:
    """Keep what has been checked in this process for those that come after: Dagster starts one for every run."""
    remembering.remember({mark: query.lineage for mark, query in _KNOWN.items()})


def _resolved(text: SqlText, upstreams: Mapping[str, Upstream], contract: Contract, partitioned: bool) -> tuple[Resolved, Any]:
    from sqlglot import exp
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.schema import MappingSchema

    tree, tables = parsed(text, upstreams, partitioned)
    star = next((offset_of(star) for star in tree.find_all(exp.Star)), None)
    schema = MappingSchema(dialect=DIALECT, normalize=False)
    for name, upstream in tables.items():
        columns = {c.name.lower(): expression(spelled(c.dtype)) for c in upstream.contract.columns}
        schema.add_table(name, columns, dialect=DIALECT, normalize=False)
    tree = _qualified(text, tree, schema, tables)
    tree = annotate_types(tree, schema=schema, dialect=DIALECT)
    _refuse_misfits(text, tree, contract, star)
    return Resolved(tree, tables), schema


def _qualified(text: SqlText, tree: exp.Query, schema: Any, tables: Mapping[str, Upstream]) -> exp.Query:
    """Every column with its table, stars written out. sqlglot names what it cannot find without its place, so that is looked for."""
    from sqlglot import exp
    from sqlglot.errors import OptimizeError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import traverse_scope

    columns = sorted({c for up in tables.values() for c in up.contract.names} | {c.alias for c in tree.find_all(exp.Alias)})
    aliases = sorted({t.alias_or_name for t in tree.find_all(exp.Table, exp.Subquery, exp.Unnest) if t.alias_or_name})
    given = {c: (c.name, c.table, offset_of(c.this)) for c in tree.find_all(exp.Column)}
    try:
        found: Any = qualify(tree, schema=schema, dialect=DIALECT, validate_qualify_columns=False, quote_identifiers=False)
        lost: Iterator[exp.Column] = (c for scope in traverse_scope(found) if isinstance(scope.expression, exp.Query) for c in _lost(scope))
        stray = next(lost, None)
    except OptimizeError as error:
        raise _unresolved(text, str(error), list(given.values()), columns, aliases) from error
    if stray is not None:
        if stray.table and stray.table not in aliases:
            raise text.fault(offset_of(stray), f"there is no table {stray.table!r} here; {near(stray.table, aliases)}")
        holders = [
            t.alias
            for t in found.find_all(exp.Table)
            if t.name in tables and stray.name.lower() in map(str.lower, tables[t.name].contract.names)
        ]
        if len(holders) > 1:
            sentence = f"column {stray.name!r} is in several tables ({', '.join(sorted(holders))}); write which of them is meant"
        else:
            sentence = f"there is no column {stray.name!r}; {near(stray.name, columns)}"
        raise text.fault(offset_of(stray.this), sentence)
    assert isinstance(found, exp.Query)
    return found


def _lost(scope: Any) -> Iterator[exp.Column]:
    yield from scope.unqualified_columns
    if scope.external_columns and not scope.is_correlated_subquery and not scope.pivots:
        yield from scope.external_columns


def _unresolved(
    text: SqlText, said: str, given: Sequence[tuple[str, str, int | None]], columns: list[str], aliases: list[str]
) -> DeclarationError:
    name = said.rsplit(": ", 1)[-1].strip("'\"") if ": " in said else ""
    if said.startswith("Unknown column"):
        place = next(((o, t) for n, t, o in given if n.lower() == name.lower() and t), None) or next(
            ((o, t) for n, t, o in given if n.lower() == name.lower()), (None, "")
        )
        others = [c for c in columns if c.lower() != name.lower()]
        return text.fault(place[0], f"there is no column {name!r}{f' in {place[1]!r}' if place[1] else ''}; {near(name, others)}")
    if said.startswith("Unknown table"):
        at = next((o for _, t, o in given if t.lower() == name.lower()), None)
        return text.fault(at, f"there is no table {name!r} here; {near(name, aliases)}")
    if said.startswith("Alias already used"):
        return text.fault(None, f"two tables are called {name!r}; give one of them an alias")
    if said.startswith("Cannot automatically join"):
        at = next((i.start() for i in re.finditer(rf"(?i)\bUSING\s*\([^)]*\b{re.escape(name)}\b", text.text)), None)
        return text.fault(at, f"column {name!r} of USING is not in both tables; join them ON something else")
    return text.fault(None, f"its names cannot be resolved ({said.rstrip('.')}); correct the query")


def _refuse_misfits(text: SqlText, tree: exp.Query, contract: Contract, star: int | None) -> None:
    """Names and types of what comes out against the contract, whatever the order. `star` is where columns without a place come from."""
    promised = {c.name.lower(): c for c in contract.columns}
    seen: set[str] = set()
    for select in tree.selects:
        name = select.alias_or_name
        at = next((o for o in (offset_of(select.args.get("alias") or select), offset_of(select), star) if o is not None), None)
        if name.lower() in seen:
            raise text.fault(at, f"column {name!r} comes out twice; leave one out, or name it otherwise with AS")
        seen.add(name.lower())
        if name.lower() not in promised:
            there = f"the contract of {contract.dataset} has no column {name!r}"
            if name.startswith("_col_"):
                at, there = offset_of(select), "an expression comes out without a name"
                raise text.fault(at, f"{there}; name it with AS, as a column of the contract of {contract.dataset}")
            raise text.fault(at, f"{there}; {near(name, list(contract.names))}")
        column = promised[name.lower()]
        if misfit(select.type, column.dtype):
            have = select.type.sql(DIALECT) if select.type is not None else "?"
            raise text.fault(
                at,
                f"column {name!r} is {have}, and the contract of {contract.dataset} has {spelled(column.dtype)}; "
                f"write CAST(... AS {spelled(column.dtype)}), or correct the contract",
            )
    if missing := [c.name for c in contract.columns if c.name.lower() not in seen]:
        raise text.fault(
            offset_of(tree.selects[-1]),
            f"the query gives no column {missing[0]!r}, which the contract of {contract.dataset} promises; select it",
        )


def _lineage(tree: exp.Query, schema: Any, tables: Mapping[str, Upstream]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Of each column, the columns of inputs that its values are made of; none of constants and counts of rows."""
    from sqlglot import exp
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.scope import build_scope

    nodes = lineage(None, tree, schema, scope=build_scope(tree), dialect=DIALECT, trim_selects=False, copy=False)
    original: Callable[[Any, str], str] = lambda up, n: next((c for c in up.contract.names if c.lower() == n.lower()), n)  # noqa: E731
    found = {}
    for name, node in nodes.items():
        pairs = set()
        for leaf in node.walk():
            if isinstance(leaf.expression, exp.Table) and leaf.expression.name in tables and "." in leaf.name:
                upstream = tables[leaf.expression.name]
                pairs.add((upstream.name, original(upstream, leaf.name.split(".", 1)[1].strip('`"'))))
        found[name.lower()] = tuple(sorted(pairs))
    return found
