"""Parsing an author's file: exactly one SELECT, over references only, and nothing in it whose answer differs from run to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dataproducts.errors import DeclarationError
from dataproducts.sql.text import _PIECES, SqlText, near

if TYPE_CHECKING:
    from sqlglot import exp

    from dataproducts.sql.query import Upstream

PARTITION = "partition"
"""The one parameter of a query: the key of the partition that is made."""


def parsed(text: SqlText, upstreams: Mapping[str, Upstream], partitioned: bool) -> tuple[exp.Query, dict[str, Upstream]]:
    """The query as a tree in which every reference has a name of its own, and what each of these is. DeclarationError else."""
    for reference in text.references:
        if reference.name not in upstreams:
            raise text.fault(reference.offset, f"there is no input {reference.name!r}; {near(reference.name, sorted(upstreams))}")
    tree = _one_select(text, text.plain(plain_names(upstreams)))
    tables = _named(text, tree, upstreams)
    _refuse_parameters(text, tree, partitioned)
    _refuse_whims(text, tree)
    return tree, tables


def plain_names(upstreams: Mapping[str, Upstream]) -> dict[str, str]:
    """What each reference is called in plain SQL: by the dataset's own name, with the product's before it where two have the same.

    Never longer than the reference, so that all else stays where it is in the file.
    """
    own = [dataset.split("/")[1] for dataset in {up.contract.dataset for up in upstreams.values()}]
    shared = {name for name in own if own.count(name) > 1}
    return {name: name.replace("/", "__") if name.split("/")[-1] in shared else name.split("/")[-1] for name in upstreams}


def offset_of(node: Any) -> int | None:
    """Where in the file an expression begins, as far as is known: the first of its names."""
    starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    return min(starts) if starts else None


def masked(text: str) -> str:
    """The text with spaces for comments, strings and quoted names, each as long as what it stands for."""
    return _PIECES.sub(lambda piece: " " * len(piece.group()), text)


def _one_select(text: SqlText, plain: str) -> exp.Query:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, TokenError

    bare = masked(plain)
    try:
        statements = [s for s in sqlglot.parse(plain, read="bigquery") if s is not None and not isinstance(s, exp.Semicolon)]
    except TokenError as error:
        at = next((i for i, c in enumerate(bare) if c in "'\"`" or bare.startswith("/*", i)), None)
        raise text.fault(at, "a string, name or comment begins here and does not end; close it") from error
    except ParseError as error:
        raise _unparsed(text, plain, error) from error
    except RecursionError:
        raise text.fault(None, "the query is nested too deeply to be read; split it with WITH") from None
    if not statements:
        raise text.fault(None, "it holds no query; write one SELECT")
    first = len(bare) - len(bare.lstrip())
    if not isinstance(statements[0], exp.Query) or isinstance(statements[0], exp.Table):
        said = plain[first:].split(None, 1)[0].upper()
        raise text.fault(first, f"a dataset is one SELECT, and this is {said}; write what the rows are, the kit stores them")
    if len(statements) > 1:
        rest = bare[bare.index(";") + 1 :]
        at = len(bare) - len(rest.lstrip())
        raise text.fault(at, f"a dataset is one SELECT, and here a second statement begins; keep one of the {len(statements)}")
    if statements[0].find(exp.Into):
        raise text.fault(first, "SELECT INTO stores rows, which is the kit's; leave INTO out")
    return statements[0]


def _unparsed(text: SqlText, plain: str, error: Any) -> DeclarationError:
    first = error.errors[0] if error.errors else {}
    line, column = first.get("line"), first.get("col")
    if not line or not column:
        return text.fault(None, "the query does not parse; correct it")
    lines = plain.split("\n")
    found = str(first.get("highlight") or "")
    at = sum(len(one) + 1 for one in lines[: line - 1]) + max(0, column - len(found.rsplit("\n", 1)[-1]))
    said = str(first.get("description") or "")
    if said.startswith("Expecting "):
        what = f"{said.split()[1]!r} is missing before {found!r}"
    elif said.startswith(("Required keyword", "Expected")):
        what = f"something is missing after {found!r}"
    else:
        what = f"{found!r} was not expected here" if found else "the query ends too early"
    return text.fault(at, f"{what}; correct the SQL")


def _named(text: SqlText, tree: exp.Query, upstreams: Mapping[str, Upstream]) -> dict[str, Upstream]:
    """Give references names that no WITH can take, and refuse every other table."""
    from sqlglot import exp

    places = {reference.offset: reference.name for reference in text.references}
    names = plain_names(upstreams)
    numbers = {name: number for number, name in enumerate(sorted(set(places.values())))}
    own = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables: dict[str, Upstream] = {}
    for table in list(tree.find_all(exp.Table)):
        name = table.this
        if (
            isinstance(name, exp.Identifier)
            and (reference := places.get(name.meta.get("start", -1))) is not None
            and not table.args.get("db")
        ):
            plain = names[reference]
            inner = f"_{numbers[reference]}_{plain}"
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(plain)))
            meta = dict(name.meta)
            renamed = exp.to_identifier(inner)
            renamed.meta.update(meta)
            table.set("this", renamed)
            tables[inner] = upstreams[reference]
        elif not isinstance(name, exp.Identifier):
            raise text.fault(offset_of(table), "a table comes from a dataset; a function gives no table here")
        elif table.args.get("db"):
            shown = ".".join(part.name for part in table.parts)
            raise text.fault(offset_of(table), f"{shown!r} is no dataset; write {{{{ product/dataset }}}}, or UNNEST({shown})")
        elif name.name.lower() not in own:
            raise text.fault(offset_of(table), f"there is no table {name.name!r}; a dataset is written {{{{ {name.name} }}}}")
    return tables


def _refuse_parameters(text: SqlText, tree: exp.Query, partitioned: bool) -> None:
    from sqlglot import exp

    for parameter in tree.find_all(exp.Parameter, exp.Placeholder):
        name = parameter.name
        at = text.text.find(f"@{name}") if name else text.text.find("?")
        at_or_none = at if at >= 0 else None
        if isinstance(parameter, exp.Placeholder) or name.lower() != PARTITION:
            raise text.fault(at_or_none, f"there is no parameter {'@' + name if name else '?'}; the only one is @partition")
        if not partitioned:
            raise text.fault(at_or_none, "the dataset has no partitions, so no @partition; declare partitions=..., or leave it out")


def _refuse_whims(text: SqlText, tree: exp.Query) -> None:
    """What answers otherwise the next time: the same rows could never be made again."""
    from sqlglot import exp

    whims = (
        exp.CurrentDate,
        exp.CurrentDatetime,
        exp.CurrentTime,
        exp.CurrentTimestamp,
        exp.CurrentUser,
        exp.Rand,
        exp.Uuid,
        exp.SessionUser,
    )
    for node in tree.find_all(*whims):
        name = node.sql("bigquery").partition("(")[0]
        at = text.text.upper().find(name.upper())
        raise text.fault(at if at >= 0 else None, f"{name} answers otherwise every time, and a version can be made again; use @partition")
    for node in tree.find_all(exp.ArrayAgg, exp.GroupConcat):
        if node.find(exp.Order) is None and not isinstance(node.parent, exp.WithinGroup):
            name = "ARRAY_AGG" if isinstance(node, exp.ArrayAgg) else "STRING_AGG"
            raise text.fault(offset_of(node), f"{name} takes its values in any order, another one each time; write ORDER BY inside it")
    for kind in tree.find_all(exp.DataType):
        if kind.this == exp.DataType.Type.BIGDECIMAL:
            digits = [int(p.name) for p in kind.expressions if p.name.isdigit()]
            if not digits or digits[0] > 38:
                parent = kind.parent
                raise text.fault(
                    offset_of(parent) if parent is not None else None,
                    "BIGNUMERIC has 76 digits, and a contract keeps 38; write BIGNUMERIC(38, s) or NUMERIC(p, s)",
                )
