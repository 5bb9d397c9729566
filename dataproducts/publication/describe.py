"""What a code location declares, as the bodies of messages: products, datasets, contracts, lineage, ports and examples."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from dataproducts import settings
from dataproducts.contract import Column, Contract
from dataproducts.errors import DeclarationError
from dataproducts.messages import (
    ColumnFacts,
    ColumnOrigin,
    ContractFacts,
    DatasetBody,
    Example,
    PartitionFacts,
    PortFacts,
    ProductBody,
    RuleFacts,
    SourceFacts,
)

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset, Declaration
    from dataproducts.product import DataProduct

_LINE, _TEXT, _KEYS = 2_000, 20_000, 2_000  # the limits of messages
_RESULTS = 400_000  # characters of all that a product's examples showed; a message holds a megabyte
_LANGUAGES = {".py": "python", ".sql": "sql", ".md": "markdown", ".sh": "shell", ".r": "r", ".ipynb": "notebook"}


def bodies(products: Mapping[str, DataProduct]) -> Iterator[tuple[str, ProductBody | DatasetBody | DeclarationError]]:
    """Every product and dataset by subject ("product:shop", "dataset:shop/sales"); in place of a body, why there is none."""
    for name in sorted(products):
        product = products[name]
        found = examples(product.folder)
        shown = with_results(name, product.folder, found)
        yield f"product:{name}", _or_error(f"product {name}", lambda p=product, f=shown: product_body(p, f))  # type: ignore[misc]
        for dataset in product.datasets.values():
            of = dataset.contract.dataset
            yield f"dataset:{of}", _or_error(of, lambda d=dataset, f=found, p=product: dataset_body(d, f, ports(p, d)))  # type: ignore[misc]


def product_body(product: DataProduct, found: tuple[Example, ...] = ()) -> ProductBody:
    """A product. Its glossary stands beside its facts."""
    return ProductBody(facts=product.facts.model_copy(update={"concepts": ()}), concepts=product.facts.concepts, examples=found)


def dataset_body(dataset: Dataset, found: tuple[Example, ...] = (), ports: Sequence[PortFacts] = ()) -> DatasetBody:
    """A dataset. Examples are those that name it; the lake is always one of its ports."""
    from dataproducts.dataset import check_specs
    from dataproducts.port_asset import ARRIVED

    d = dataset.declaration
    return DatasetBody(
        name=d.contract.dataset,
        title=_line(d.title),
        description=_text(d.description),
        contract=contract_facts(d.contract),
        partitions=partition_facts(d.partitions),
        access=d.access or str(d.facts.access.level),
        personal=d.personal or str(d.facts.personal_data.class_),
        personal_reason=d.personal_reason and _text(d.personal_reason),
        freshness_seconds=int(d.freshness.total_seconds()) if d.freshness else None,
        schedule=d.schedule,
        time_zone=d.time_zone,
        kinds=tuple(sorted({"delta" if d.view is None else "view", *d.kinds})),
        tags={_line(name): _line(value) for name, value in d.tags.items()},
        upstream=tuple(sorted({i.dataset for i in d.inputs.values()} - {d.contract.dataset})),  # its own day before is no other dataset
        source=SourceFacts(name=d.source.name, description=_text(d.source.description), url=d.source.url or None) if d.source else None,
        column_lineage=column_origins(d),
        checks={spec.name: _line(spec.description or "") for spec in check_specs(d)}
        | {f"{port.name}/{ARRIVED}": f"What was delivered to {port.name} is there." for port in ports},
        ports=(PortFacts(name="lake", kind="lake", address=_line(f"{settings.lake()}/{d.contract.dataset}")), *ports),
        quarantine_share=d.limits.refused_share,
        examples=tuple(e for e in found if d.contract.dataset in e.source),
        asset=f"assets/{d.contract.dataset}",
    )


def ports(product: DataProduct, dataset: Dataset) -> list[PortFacts]:
    """The output ports of a dataset, as each tells of itself."""
    from dataproducts.port_asset import offered

    return [one.port.facts(offered(dataset.declaration)) for one in product.ports[dataset.declaration.name]]


def contract_facts(contract: Contract) -> ContractFacts:
    """What is promised."""
    return ContractFacts(
        version=str(contract.version),
        fingerprint=contract.fingerprint,
        kind=contract.kind,
        columns=tuple(map(_column, contract.columns)),
        key=contract.key,
        rules=tuple(
            RuleFacts(name=r.name, kind=_line(r.kind), column=r.column, description=_line(r.description), severity=r.severity)
            for r in contract.all_rules
        ),
    )


def _column(c: Column) -> ColumnFacts:
    return ColumnFacts(
        name=c.name,
        type=_line(str(c.dtype)),
        nullable=c.nullable,
        description=_text(c.description),
        title=c.title and _line(c.title),
        source=c.source and _line(c.source),
        personal=c.personal,
        pseudonym=c.pseudonym.group if c.pseudonym else None,
        not_personal=c.not_personal and _line(c.not_personal),
        unit=c.unit,
        time_zone=c.time_zone,
        concept=c.concept,
        examples=() if c.is_personal else tuple(_line(str(e)) for e in c.examples[:20]),
    )


def column_origins(d: Declaration) -> dict[str, tuple[ColumnOrigin, ...]]:
    """From which columns of which datasets, or fields of a source, each column comes; only where it is known."""
    from dataproducts.dataset import column_lineage, source_key

    lineage = column_lineage(d)
    if lineage is None:
        return {}
    source = source_key(d) if d.source is not None else None
    product = d.facts.name

    def origin(dep: Any) -> ColumnOrigin:
        path = dep.asset_key.path
        subject = f"source:{product}/{path[-1]}" if dep.asset_key == source else "/".join(path)
        return ColumnOrigin(subject=subject, column=dep.column_name)

    return {name: tuple(map(origin, deps)) for name, deps in lineage.deps_by_column.items()}


def partition_facts(partitions: Any) -> PartitionFacts:
    """How a dataset is divided, from Dagster's definition."""
    import dagster as dg

    if partitions is None:
        return PartitionFacts()
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        named: list[tuple[type, Any]] = [
            (dg.DailyPartitionsDefinition, "daily"),
            (dg.HourlyPartitionsDefinition, "hourly"),
            (dg.WeeklyPartitionsDefinition, "weekly"),
            (dg.MonthlyPartitionsDefinition, "monthly"),
        ]
        kind: Any = next((name for cls, name in named if isinstance(partitions, cls)), "time")
        return PartitionFacts(kind=kind, start=partitions.start, time_zone=partitions.timezone, cron=partitions.cron_schedule)
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return PartitionFacts(kind="multi")
    if isinstance(partitions, dg.DynamicPartitionsDefinition):
        return PartitionFacts(kind="dynamic")
    return PartitionFacts(kind="static", keys=tuple(partitions.get_partition_keys()[:_KEYS]))


def examples(folder: Path) -> tuple[Example, ...]:
    """The files of `examples/` in a product's folder, by name; the title is the first line of the docstring or heading."""
    found = []
    for path in sorted((folder / "examples").glob("*")):
        if path.name.startswith(("_", ".")) or path.suffix.lower() not in _LANGUAGES or not path.is_file():
            continue
        source = path.read_text(encoding="utf-8", errors="replace")
        called = _line(title(source, path)) or path.stem
        shown = _code(source) if path.suffix == ".ipynb" else source
        found.append(Example(name=path.name, title=called, language=_LANGUAGES[path.suffix.lower()], source=_text(shown)))
    return tuple(found)


def with_results(product: str, folder: Path, found: Sequence[Example]) -> tuple[Example, ...]:
    """The examples with what they showed when they last ran as they are now, as much of it as one message holds."""
    from dataproducts.examples import kept, running

    digests = {path.name: running.digest(path.read_bytes()) for path in running.files(folder)}
    results = kept.load(product) if digests else {}
    room = _RESULTS
    made = []
    for example in found:
        one = results.get(example.name)
        if one is None or one.digest != digests.get(example.name):
            made.append(example)
            continue
        size = sum(len(output.content) for output in one.outputs)
        outputs = one.outputs if size <= room else ()
        room -= size if outputs else 0
        changes = {"passed_at": one.passed_at, "outputs": outputs, "failed_at": one.failed_at, "problem": one.problem}
        made.append(example.model_copy(update=changes))
    return tuple(made)


def title(source: str, path: Path) -> str:
    """What an example calls itself: the first line of its docstring, comment or heading, else the name of its file."""
    if path.suffix == ".py":
        try:
            documented = ast.get_docstring(ast.parse(source))
        except (SyntaxError, ValueError):
            documented = None
        if documented:
            return documented.splitlines()[0]
    if path.suffix == ".ipynb":
        source = _markdown(source)
    first = next((line for line in source.splitlines() if line.strip()), "")
    return first.lstrip("#-/* ").strip() if first.startswith(("#", "--", "/*")) else path.stem.replace("_", " ")


def _markdown(notebook: str) -> str:
    try:
        cells = json.loads(notebook)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    except (ValueError, KeyError, TypeError):
        return ""


def _code(notebook: str) -> str:
    """The code of a notebook, cell after cell, which is what people read."""
    try:
        cells = json.loads(notebook)["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    except (ValueError, KeyError, TypeError):
        return notebook


def _or_error(what: str, describe: Any) -> Any:
    try:
        return describe()
    except pydantic.ValidationError as invalid:
        fault = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        return DeclarationError(f"{what} cannot be published: {where}: {fault['msg']}")


def _line(text: str) -> str:
    return _clipped("".join(c if c.isprintable() else " " for c in text), _LINE)


def _text(text: str) -> str:
    return _clipped("".join(c if c.isprintable() or c in "\n\t" else " " for c in text), _TEXT)


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
