"""`dataproducts contract`: show what a dataset promises, freeze it, hold the code against it, and hand it out in any standard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataproducts.cli import tables
from dataproducts.cli.group import Commands, shown
from dataproducts.cli.tables import Heading
from dataproducts.errors import ContractChanged, DeclarationError

if TYPE_CHECKING:
    from dataproducts.contract import Rule
    from dataproducts.dataset import Dataset
    from dataproducts.formats.fair import Score

FORMATS = ("odcs", "odps", "dcat", "croissant", "datapackage", "schema_org")
_about = click.argument("name", metavar="[PRODUCT/DATASET]", required=False)


@click.group(cls=Commands)
def contract() -> None:
    """What datasets promise: show, freeze, check or export it.

    Each command is about one dataset, all of one PRODUCT, or all there are.
    """


@contract.command()
@_about
def show(name: str | None) -> None:
    """Columns, types, rules, personal-data classes and sources, and the FAIR score with what would give more."""
    from dataproducts import documents
    from dataproducts.cli import location
    from dataproducts.definitions import products

    datasets = location.chosen(name)
    scores = documents.scores(products(), datasets)
    for number, dataset in enumerate(datasets):
        if number:
            click.echo()
        _show(dataset, scores[dataset.contract.dataset])


@contract.command()
@_about
def freeze(name: str | None) -> None:
    """Write the promise beside the product, to be committed.

    It is reviewed as a diff. A change that the version does not admit is refused, and then nothing is written.
    """
    from dataproducts import promise
    from dataproducts.cli import location

    datasets = location.chosen(name)
    for dataset in datasets:
        path = promise.frozen_path(dataset)
        judged = promise.check(dataset) if path.exists() else None
        if judged is not None and not judged.ok:
            raise ContractChanged(judged.message)
    rows: list[list[object]] = []
    for dataset in datasets:
        judged = promise.freeze(dataset)
        if judged is None:
            what = "frozen for the first time"
        elif judged.is_frozen:
            what = "as it was"
        else:
            what = f"{tables.count(len(judged.changes), 'change')} since {judged.frozen_version}"
        rows.append([dataset.contract.dataset, str(dataset.contract.version), what])
    tables.show([Heading("dataset"), Heading("version"), Heading("outcome")], rows)
    folders = sorted({shown(str(promise.frozen_path(dataset).parent)) for dataset in datasets})
    if folders:
        tables.note(f"in {', '.join(folders)}, to be committed")


@contract.command()
@_about
def check(name: str | None) -> None:
    """Hold the code against the frozen promise.

    Each change is named as breaking, compatible or editorial (words only); exits with 1 where the version does not admit it.
    """
    from dataproducts import promise
    from dataproducts.cli import location

    faults: list[str] = []
    rows: list[list[object]] = []
    for dataset in location.chosen(name):
        own = dataset.contract.dataset
        try:
            judged = promise.check(dataset)
        except DeclarationError as error:
            path = str(promise.frozen_path(dataset))
            fault = str(error).replace(path, shown(path))
            rows.append([own, "unknown", fault])
            faults.append(f"{own}: {fault}")
            continue
        if not judged.changes:
            rows.append([own, "same", judged.message.split(": ", 1)[-1]])
        rows += [[own, change.level, change.text] for change in judged.changes]
        if not judged.ok:
            faults.append(judged.message)
    tables.show([Heading("dataset"), Heading("change", state=True), Heading("what", keep=False)], rows)
    if faults:
        more = f" (and {tables.count(len(faults) - 1, 'other contract')} not as promised)" if len(faults) > 1 else ""
        raise ContractChanged(f"{faults[0]}{more}")


@contract.command()
@_about
@click.option("--format", "form", default="odcs", show_default=True, metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")
@click.option("-o", "output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write a file, whole or not at all.")
def export(name: str | None, form: str, output: Path | None) -> None:
    """The contract as a document, as the code has it now.

    odcs, croissant, datapackage and schema_org are about a dataset each, odps and dcat about products. Several contracts make one YAML
    stream or one JSON list; DCAT is one graph, written as Turtle to a file that ends in .ttl and as JSON-LD elsewhere.
    """
    if form not in FORMATS:
        raise click.UsageError(f"there is no format {form!r}; there is {', '.join(FORMATS)}")
    from dataproducts import documents
    from dataproducts.cli import location
    from dataproducts.definitions import products
    from dataproducts.files import replacing

    datasets = location.chosen(name)
    text = documents.export(
        form, documents.declared(products(), datasets), products(), turtle=output is not None and output.suffix == ".ttl"
    )
    if output is None:
        click.echo(text, nl=False)
        return
    with replacing(output) as draft:
        draft.write_text(text, encoding="utf-8")
    tables.note(f"{tables.count(len(datasets), 'contract')} written to {output}")


def _show(dataset: Dataset, score: Score) -> None:
    from dataproducts.promise import duration, partitioning

    d, c = dataset.declaration, dataset.contract
    facts: list[tuple[str, Any]] = [
        ("title", d.title),
        ("version", c.version),
        ("key", ", ".join(c.key) or "none"),
        ("kind", c.kind),
        ("partitions", partitioning(d.partitions) or "none"),
        ("personal data", d.personal or str(d.facts.personal_data.class_)),
        ("access", d.access or str(d.facts.access.level)),
        ("freshness", duration(d.freshness) if d.freshness else None),
        ("fair", f"{score.points} of {score.judged} points, {score.level}{_more(score)}"),
        ("quarantine", f"up to {d.limits.refused_share:.0%} of a delivery" if d.limits.refused_share is not None else None),
    ]
    click.echo(click.style(c.dataset, bold=True))
    for name, value in facts:
        if value is not None:
            click.echo(f"  {name:<15}{value}")
    click.echo()
    with_source, with_class = any(col.source for col in c.columns), any(col.personal for col in c.columns)
    headings = [Heading("column"), Heading("type"), Heading("missing"), Heading("rules", keep=False)]
    headings += [Heading("personal", keep=False)] * with_class + [Heading("source", keep=False)] * with_source
    rows: list[list[object]] = []
    for col in c.columns:
        rules = [words(r) for r in col.rules if r.kind != "required"]
        row: list[object] = [col.name, _type(col.dtype), "may be" if col.nullable else "never", "; ".join(rules)]
        rows.append(row + [col.personal] * with_class + [col.source] * with_source)
    tables.show(headings, rows)
    for rule in c.rules:
        click.echo(f"  over whole rows: {words(rule)}")


def _more(score: Score) -> str:
    missing = sorted((c for c in score.checks if c.state == "missing"), key=lambda c: -c.most)
    return f"; more with {', '.join(f'{c.name} ({c.most})' for c in missing[:4])}" if missing else ""


def _type(dtype: Any) -> str:
    """A type without the fields of its structs, which can be many."""
    import polars as pl

    if isinstance(dtype, pl.List):
        return f"List({_type(dtype.inner)})"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision}, {dtype.scale})"
    return f"Struct({tables.count(len(dtype.fields), 'field')})" if isinstance(dtype, pl.Struct) else str(dtype)


def words(rule: Rule) -> str:
    """A rule as a person would say it: "1 to 9 characters", "one of A, B", "at least 0 (warns)"."""
    stated = rule.statistics
    low, high = stated.get("min_value"), stated.get("max_value")
    texts = {
        "unique": "no value twice",
        "isin": f"one of {_few(stated.get('allowed_values', ()))}",
        "notin": f"none of {_few(stated.get('forbidden_values', ()))}",
        "equal_to": f"is {stated.get('value')}",
        "not_equal_to": f"is not {stated.get('value')}",
        "greater_than": f"more than {low}",
        "greater_than_or_equal_to": f"at least {low}",
        "less_than": f"less than {high}",
        "less_than_or_equal_to": f"at most {high}",
        "in_range": f"{low} to {high}",
        "str_length": f"{_span(stated.get('exact_value', low), stated.get('exact_value', high))} characters",
        "str_matches": f"matches {_pattern(stated.get('pattern'))}",
        "str_contains": f"contains {_pattern(stated.get('pattern'))}",
        "str_startswith": f"begins with {stated.get('string')}",
        "str_endswith": f"ends with {stated.get('string')}",
    }
    text = texts.get(rule.kind, rule.description) if stated or rule.kind == "unique" else rule.description
    return f"{text} (warns)" if rule.severity == "warn" else text


def _span(low: object, high: object) -> str:
    if low == high:
        return str(low)
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def _few(values: Sequence[object]) -> str:
    listed = sorted(map(str, values))
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")


def _pattern(pattern: object) -> str:
    return str(getattr(pattern, "pattern", pattern))
