"""A declared dataset as a Dagster asset: one declaration gives checks, partitions, columns, owners, tags and freshness.

What a run does with rows is in `materialization`; here it becomes Dagster's events.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataproducts import settings
from dataproducts.contract import REST, Contract, Rule
from dataproducts.errors import (
    ConfigurationError,
    ContractBreach,
    ContractChanged,
    DataProductsError,
    DeclarationError,
    PartitionUnavailable,
    QueryFailed,
    UnknownDataset,
)
from dataproducts.history.intervals import incorporate
from dataproducts.history.ledger import THROUGH, UNPARTITIONED, VIEW, Version, read_through
from dataproducts.history.store import DatasetHistory
from dataproducts.inputs import FrameKind, Input, frame_kind, steps
from dataproducts.masking import hidden
from dataproducts.materialization import UNCHANGED, Limits, Log, Materializer, Outcome, Report, Result
from dataproducts.product_facts import PODS, RUNTIME, ProductFacts
from dataproducts.quality import anonymity, personal_data
from dataproducts.quality.profile import plain
from dataproducts.quality.validation import KEY_RULE, Finding
from dataproducts.source import InputPort, Source

if TYPE_CHECKING:
    from dataproducts.ports.port import OutputPort
    from dataproducts.sql.query import Query
    from dataproducts.sql.statement import Statement

__all__ = ["UNCHANGED", "Dataset", "Declaration", "Result", "Source"]

SHAPE, ROW_COUNT, UNKNOWN_FIELDS, SMALL_CELLS = "shape", "row_count", "unknown_fields", "small_cells"
PREFIX = "dataproducts/"  # our metadata keys
PARTITIONS_PER_RUN = 100

_SETTLED = (ConfigurationError, ContractBreach, ContractChanged, DeclarationError, PartitionUnavailable, QueryFailed, UnknownDataset)
"""What another attempt would only say again."""


@dataclass(frozen=True)
class Declaration:
    """What the decorator was told, beside the contract."""

    facts: ProductFacts
    contract: Contract
    title: str
    description: str
    partitions: dg.PartitionsDefinition[Any] | None = None
    limits: Limits = field(default_factory=Limits)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    source: Source | None = None
    freshness: timedelta | None = None
    automation: dg.AutomationCondition[Any] | None = None
    schedule: str | None = None
    time_zone: str = "UTC"
    partitions_per_run: int = PARTITIONS_PER_RUN
    retries: int = 0
    kinds: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    access: str | None = None
    personal: str | None = None
    personal_reason: str | None = None
    query: Query | None = None
    """What makes the rows, of a SQL dataset."""
    view: Statement | None = None
    """The query as it was declared, where it stores no rows."""
    script: str = ""
    """Digest of what makes the rows, of a script dataset."""

    @property
    def name(self) -> str:
        """The dataset's own name, without the product's."""
        return self.contract.dataset.split("/")[1]

    @cached_property
    def key(self) -> dg.AssetKey:
        """The asset key, [product, dataset]."""
        return dg.AssetKey(self.contract.dataset.split("/"))

    @property
    def code_version(self) -> str:
        """That of the contract, of the query or the script where one makes the rows, and of the suppression where cells are hidden."""
        own = self.query.text.digest if self.query is not None else self.script
        hidden = self.limits.suppression.digest if self.limits.suppression is not None else ""
        return ".".join(filter(None, (self.contract.code_version, own, hidden)))


class Dataset(dg.AssetsDefinition):
    """A Dagster asset that is also the author's function: call it as one, materialize it as the other."""

    # a subclass, so that it goes wherever Dagster takes assets; Dagster's own copies of it are plain assets

    declaration: Declaration
    function: Callable[..., Any] | None
    ports: tuple[OutputPort, ...] = ()

    @classmethod
    def of(cls, declaration: Declaration, function: Callable[..., Any] | None, run: Callable[..., Any], resources: set[str]) -> Dataset:
        """Make the asset. `run(context)` yields Dagster's events."""

        @dg.multi_asset(
            name=f"{declaration.facts.name}__{declaration.name}",
            specs=[asset_spec(declaration)],
            check_specs=list(check_specs(declaration)),
            partitions_def=declaration.partitions,
            backfill_policy=dg.BackfillPolicy.multi_run(declaration.partitions_per_run) if declaration.partitions else None,
            required_resource_keys=resources,
            retry_policy=dg.RetryPolicy(declaration.retries, delay=30, backoff=dg.Backoff.EXPONENTIAL) if declaration.retries else None,
        )
        def asset(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
            with hidden(context.log):
                yield from run(context)

        dataset = cls.__new__(cls)
        dataset.__dict__.update(asset.__dict__)
        dataset.declaration = declaration
        dataset.function = function
        return dataset

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The author's function, as written."""
        if self.function is None:
            raise DeclarationError(f"{self.contract.dataset} is made by the kit and has no function to call")
        return self.function(*args, **kwargs)

    @property
    def contract(self) -> Contract:
        """What the dataset promises."""
        return self.declaration.contract

    def history(self) -> DatasetHistory:
        """The dataset's history in the lake in use."""
        return DatasetHistory(settings.lake(), self.contract.dataset)


def asset_spec(d: Declaration) -> dg.AssetSpec:
    """The asset as Dagster shows it."""
    contract, facts = d.contract, d.facts
    deps = [dg.AssetDep(i.key, partition_mapping=i.mapping(d.partitions)) for i in d.inputs.values()]
    if d.source is not None:
        deps.append(dg.AssetDep(source_key(d)))
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(contract),
        "dagster/storage_kind": "delta" if d.view is None else "view",
        f"{PREFIX}catalog": dg.UrlMetadataValue(f"{settings.catalog_pages()}/datasets/{contract.dataset}"),
        f"{PREFIX}contract": str(contract.version),
        f"{PREFIX}key": ", ".join(contract.key) or "none",
        f"{PREFIX}kind": contract.kind,
        f"{PREFIX}license": facts.license.name,
        f"{PREFIX}title": d.title,
        RUNTIME: dg.JsonMetadataValue(facts.runtime.published()),
    }
    if d.script:
        metadata[PODS] = True
    if (lineage := column_lineage(d)) is not None:
        metadata["dagster/column_lineage"] = lineage
    if d.query is not None:
        metadata[f"{PREFIX}sql"] = dg.MarkdownMetadataValue(f"```sql\n{d.query.text.text.strip()}\n```")
    owners = [f"team:{facts.team}", facts.contact.email]
    return dg.AssetSpec(
        d.key,
        deps=deps,
        description=d.description,
        owners=owners,
        group_name=facts.name,
        code_version=d.code_version,
        kinds={"delta" if d.view is None else "view", *(["sql"] if d.query is not None else []), *d.kinds},
        tags={
            "dataproducts/access": d.access or str(facts.access.level),
            "dataproducts/personal_data": d.personal or str(facts.personal_data.class_),
            **d.tags,
        },
        automation_condition=d.automation,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=d.freshness) if d.freshness else None,
        partitions_def=d.partitions,
        metadata=metadata,
    )


def refuse_view(d: Declaration) -> None:
    """Raise DeclarationError where a view is asked for what only stored rows can keep."""
    name, why = d.contract.dataset, None
    if d.limits.refused_share is not None:
        why = "a quarantine, and a view keeps no rows, good or refused"
    elif d.limits.suppression is not None or d.limits.anonymity is not None:
        asked = "suppression" if d.limits.suppression is not None else "k_anonymity"
        why = f"{asked}, which is held when rows are stored, and a view shows what its inputs come to hold later"
    elif any(c.pseudonym for c in d.contract.columns):
        why = "pseudonyms, which are made when rows are stored; make them in a dataset that it reads"
    elif any(i.reach != "own" for i in d.inputs.values()):
        reach = next(i.reach for i in d.inputs.values() if i.reach != "own")
        why = f"{reach}(...), and a view reads each input as it is"
    if why is not None:
        raise DeclarationError(f"{name} is a view and asks for {why}; leave it out, or store the rows with materialized='table'")


def source_key(d: Declaration) -> dg.AssetKey:
    """Key of the external asset a dataset's rows come from."""
    assert d.source is not None
    return dg.AssetKey([d.facts.name, "source", d.source.name])


def column_schema(contract: Contract) -> dg.TableSchema:
    """The Columns tab. On the definition only: a second one on the event would hide the constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                type=str(c.dtype),
                description=c.description + (f" [{c.unit}]" if c.unit else ""),
                constraints=dg.TableColumnConstraints(
                    nullable=c.nullable,
                    unique=contract.key == (c.name,),
                    other=[_brief(r) for r in c.rules if r.kind not in ("required", "unique")],
                ),
                tags=({"personal_data": c.personal} if c.is_personal and c.personal else {})
                | ({"pseudonym": c.pseudonym.group} if c.pseudonym else {}),
            )
            for c in contract.columns
        ]
    )


def _brief(rule: Rule) -> str:
    return rule.kind if len(rule.description) > 30 else rule.description  # Dagster cuts at 30 characters


def column_lineage(d: Declaration) -> dg.TableColumnLineage | None:
    """Which source field each column is, as declared; of a query, which columns it is made of."""
    if d.query is not None:
        made_of = d.query.lineage
        return dg.TableColumnLineage(
            {n: [dg.TableColumnDep(d.inputs[name].key, column) for name, column in made_of[n.lower()]] for n in d.contract.names}
        )
    if d.source is not None and d.contract.takes_source:
        deps = {c.name: [dg.TableColumnDep(source_key(d), c.source or c.name)] for c in d.contract.columns if c.source != REST}
        return dg.TableColumnLineage(deps)
    if d.contract.kind == "history":
        (upstream,) = d.inputs.values()
        names = upstream.contract.names
        return dg.TableColumnLineage({n: [dg.TableColumnDep(upstream.key, n)] for n in names})
    return None


def check_specs(d: Declaration) -> Iterator[dg.AssetCheckSpec]:
    """One check per rule, and those over the whole: shape, key, row count, and unknown fields where the source may add some."""
    yield dg.AssetCheckSpec(SHAPE, asset=d.key, description="Columns and types are those of the contract.", blocking=True)
    if d.contract.key and d.contract.kind != "history":
        text = f"{', '.join(d.contract.key)} identifies one row of a partition."
        yield dg.AssetCheckSpec(KEY_RULE, asset=d.key, description=text, blocking=True)
    if d.contract.kind != "history":  # whose rows are those of snapshots that were looked at
        text = "No column holds personal data that it does not declare."
        yield dg.AssetCheckSpec(personal_data.CHECK, asset=d.key, description=text, blocking=True)
    if d.limits.anonymity is not None:
        yield dg.AssetCheckSpec(anonymity.CHECK, asset=d.key, description=d.limits.anonymity.promise, blocking=True)
    yield dg.AssetCheckSpec(ROW_COUNT, asset=d.key, description="Enough rows, and about as many as before.")
    if any(c.source == REST for c in d.contract.columns):
        text = "The source sends no field that the contract does not name; those it does are kept as JSON."
        yield dg.AssetCheckSpec(UNKNOWN_FIELDS, asset=d.key, description=text)
    if (suppression := d.limits.suppression) is not None:
        text = f"Nothing tells of a cell of fewer than {suppression.threshold}, by itself or by what is left of a total."
        yield dg.AssetCheckSpec(SMALL_CELLS, asset=d.key, description=text, blocking=True)
    if isinstance(d.source, InputPort):
        for name, text in d.source.checks.items():
            yield dg.AssetCheckSpec(name, asset=d.key, description=text)
    for rule in d.contract.all_rules:
        yield dg.AssetCheckSpec(rule.name, asset=d.key, description=rule.description, blocking=rule.severity == "error")


def partition_keys(context: dg.AssetExecutionContext, d: Declaration) -> list[str]:
    """The partitions of a run, in order; the one key of a dataset without partitions, whatever the run's others have."""
    if d.partitions is None:
        return [UNPARTITIONED]
    if not context.has_partition_key and not context.has_partition_key_range:
        raise UnknownDataset(f"{d.contract.dataset} has partitions; say which of them to materialize")
    return [str(k) for k in context.partition_keys]


class Run:
    """One run of a dataset whose rows an author makes."""

    def __init__(self, declaration: Declaration, function: Callable[..., Any]) -> None:
        self.declaration = declaration
        self.function = function
        port = declaration.source if isinstance(declaration.source, InputPort) else None
        known = {"context", "partition", *declaration.inputs, *([port.parameter] if port else [])}
        signature = inspect.signature(function)
        given = signature.parameters.values()
        self.parameters = [
            p.name for p in given if p.name in known or (p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
        ]
        self.resources = {p for p in self.parameters if p not in known} | (port.resources if port else set())
        self.kinds: dict[str, FrameKind] = {
            name: frame_kind(_annotation(function, signature, name), f"{declaration.contract.dataset}: input {name!r}")
            for name in declaration.inputs
        }

    def __call__(self, context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Materialize the run's partitions and yield Dagster's events."""
        d = self.declaration
        log = _log(context)
        try:
            materializer = Materializer(settings.lake(), d.contract, d.limits, run=context.run.run_id, log=log)
        except ConfigurationError as error:  # a key of pseudonyms is missing, and nothing has been asked for yet
            raise dg.Failure(str(error), allow_retries=False) from error
        read: dict[str, list[tuple[str, Sequence[Version]]]] = {}
        port = d.source if isinstance(d.source, InputPort) else None
        resource = partial(getattr, context.resources)
        intake = port.open(d.contract, d.partitions, d.limits, materializer.history, resource, log) if port else None

        def produce(partition: str) -> Any:
            arguments: dict[str, Any] = {}
            for name in self.parameters:
                if name == "context":
                    arguments[name] = context
                elif name == "partition":
                    arguments[name] = partition
                elif name in d.inputs:
                    upstream = d.inputs[name]
                    chosen = upstream.choose(partition, d.partitions)
                    read.setdefault(partition, []).append((upstream.dataset, chosen))
                    arguments[name] = upstream.load(chosen, self.kinds[name])
                elif port is not None and intake is not None and name == port.parameter:
                    arguments[name] = intake.give(partition)
                else:
                    arguments[name] = getattr(context.resources, name)
            value = function(**arguments)
            return intake.result(partition, value) if intake is not None else value

        def note(partition: str) -> dict[str, Any]:
            return self.noted(partition, read[partition]) if partition in read else {}

        at_once = 1 if steps(d.inputs.values()) else None
        with self.working(context) as function:
            report = materializer.materialize(partition_keys(context, d), produce, note=note, resume=_continued(context), at_once=at_once)
        report.faults = intake.faults if intake is not None else {}
        yield from events(context, d, report)

    def noted(self, partition: str, read: Sequence[tuple[str, Sequence[Version]]]) -> dict[str, Any]:
        """What is kept beside a version: which versions it was made from, those that views among them read included."""
        inputs = pairs(read)
        for partitions in read_through([v for _, versions in read for v in versions]).values():
            for named in partitions.values():
                for dataset, more in named.items():
                    inputs[dataset] = inputs.get(dataset, []) + [pair for pair in more if pair not in inputs.get(dataset, [])]
        return {"inputs": inputs}

    @contextmanager
    def working(self, context: dg.AssetExecutionContext) -> Iterator[Callable[..., Any]]:
        """What makes the rows, for as long as the run makes partitions."""
        yield self.function


class HistoryRun:
    """One run of a history: the snapshots of the run's partitions are taken in, and their neighbours mended."""

    def __init__(self, declaration: Declaration, moment: Callable[[str], date | datetime]) -> None:
        self.declaration = declaration
        self.moment = moment

    def __call__(self, context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Materialize and yield Dagster's events; partitions mended beside the run's own get an event too."""
        d = self.declaration
        (upstream,) = d.inputs.values()
        history = DatasetHistory(settings.lake(), d.contract.dataset)
        asked = partition_keys(context, d)
        there = upstream.history().current(major=upstream.contract.version.major)
        report = Report()
        for key in asked:
            if key not in there:
                text = f"{d.contract.dataset}: {upstream.dataset} has no partition {key!r}; materialize that first"
                report.outcomes[key] = Outcome(key, error=text, cause=PartitionUnavailable(text))
        present = [k for k in asked if k in there]
        done = (
            incorporate(history, d.contract, upstream.history(), upstream.contract, present, self.moment, {"run": context.run.run_id})
            if present
            else []
        )
        for committed in done:
            v = committed.version
            report.outcomes[v.partition] = Outcome(v.partition, committed, received=v.rows)
        for partition in [p for p in report.outcomes if p not in asked]:
            outcome = report.outcomes.pop(partition)
            context.log_event(materialization(d, outcome))
            context.log.info(f"{d.contract.dataset}: {partition} follows a changed neighbour and was mended")
        yield from events(context, d, report)


def events(context: dg.AssetExecutionContext, d: Declaration, report: Report) -> Iterator[Any]:
    """Check results, then one materialization per stored partition; a Failure if any partition was not stored."""
    partitioned = d.partitions is not None
    yield from check_results(d, report)
    failed = report.failed
    stored = [o for o in report.outcomes.values() if o.committed is not None]
    if failed:
        for outcome in stored:
            context.log_event(materialization(d, outcome))
        raise _failure(d, failed, len(stored), len(report.outcomes)) from failed[0].cause
    if not partitioned:
        (outcome,) = stored
        yield dg.MaterializeResult(asset_key=d.key, metadata=_metadata(outcome), data_version=_data_version([outcome]))
        return
    for outcome in stored:
        context.add_asset_metadata(_metadata(outcome), d.key, partition_key=outcome.partition)
    yield dg.MaterializeResult(asset_key=d.key, data_version=_data_version(stored))


def _failure(d: Declaration, failed: Sequence[Outcome], stored: int, all_: int) -> dg.Failure:
    if len(failed) == all_ == 1:
        text = failed[0].error or ""
    else:
        errors = list(dict.fromkeys(o.error or "" for o in failed))  # a full disk is the same sentence for all
        first = "; ".join(errors[:5])
        more = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
        text = f"{d.contract.dataset}: {len(failed)} of {all_} partitions failed, {stored} are stored: {first}{more}"
    metadata: dict[str, Any] = {}
    # what an author's code or a library says may quote a row: it stays in the run's log, and is not published
    foreign = {o.partition: type(o.cause).__name__ for o in failed if o.cause is not None and not isinstance(o.cause, DataProductsError)}
    if foreign:
        metadata[f"{PREFIX}unforeseen"] = dg.JsonMetadataValue(foreign)
    if d.partitions:
        metadata["failed_partitions"] = ", ".join(o.partition for o in failed)
        metadata["failures"] = dg.JsonMetadataValue({o.partition: o.error for o in failed})
    return dg.Failure(text, metadata=metadata, allow_retries=not all(isinstance(o.cause, _SETTLED) for o in failed))


def check_results(d: Declaration, report: Report) -> Iterator[dg.AssetCheckResult]:
    """The results of every check of the run; each names the partitions it is about."""
    keys = list(report.outcomes)
    about = {"partitions": keys[0] if len(keys) == 1 else f"{len(keys)}: {keys[0]} … {keys[-1]}"} if d.partitions and keys else {}
    quarantined = d.limits.refused_share is not None

    def result(name: str, passed: bool, severity: dg.AssetCheckSeverity, **metadata: Any) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, asset_key=d.key, check_name=name, severity=severity, metadata={**about, **metadata})

    warn, error = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
    faults = {"faults": "\n\n".join(report.shape)} if report.shape else {}
    if report.unreadable:
        faults["refused"] = ", ".join(f"{rule}: {count}" for rule, count in sorted(report.unreadable.items()))
    yield result(SHAPE, not faults, warn if quarantined and not report.failed else error, **faults)
    remarks = [*(f"{p}: too few rows" for p in report.empty), *report.row_counts]
    rows = sum(o.received for o in report.outcomes.values())
    yield result(
        ROW_COUNT,
        not remarks,
        error if report.empty else warn,
        rows=rows,
        **({"remarks": "\n\n".join(remarks)} if remarks else {}),
    )
    if d.contract.kind != "history":
        yield result(personal_data.CHECK, not any(looked.found for looked in report.personal.values()), error, **_personal(report))
    if d.limits.anonymity is not None:
        rare = [f"{partition}: {text}" for partition, text in report.rare.items()]
        yield result(anonymity.CHECK, not rare, error, k=d.limits.anonymity.k, **({"too_few": "\n\n".join(rare)} if rare else {}))
    if any(c.source == REST for c in d.contract.columns):
        fields = sorted({f for found in report.unknown_fields.values() for f in found})
        yield result(UNKNOWN_FIELDS, not fields, warn, **({"fields": ", ".join(fields)} if fields else {}))
    if d.limits.suppression is not None:
        seen = report.small_cells
        yield result(SMALL_CELLS, not seen, error, **({"faults": "\n\n".join(f"{p}: {text}" for p, text in seen.items())} if seen else {}))
    if isinstance(d.source, InputPort):
        for name in d.source.checks:
            found = report.faults.get(name, {})
            yield result(name, not found, error, **({"faults": "\n\n".join(found.values())} if found else {}))
    specs = {s.name for s in check_specs(d)}
    empty = {r.name: Finding(r) for r in d.contract.all_rules}
    for name, finding in {**empty, **report.findings}.items():
        if name in specs:
            lenient = finding.rule.severity == "warn" or (quarantined and not report.failed)
            metadata: dict[str, Any] = {"failed_rows": finding.failed}
            shown = [example for example in finding.examples if not personal_data.is_suspect(example)]
            if shown:
                metadata["examples"] = ", ".join(shown)
            yield result(name, finding.passed, warn if lenient else error, **metadata)
    if KEY_RULE in specs and KEY_RULE not in report.findings:
        yield result(KEY_RULE, True, error)


def _personal(report: Report) -> dict[str, Any]:
    """In how many rows it was looked for, and what was found."""
    metadata: dict[str, Any] = {"rows_looked_at": sum(looked.rows for looked in report.personal.values())}
    found = [f"{partition}: {one}" for partition, looked in report.personal.items() for one in looked.found]
    if found:
        metadata["found"] = "\n\n".join(found[:20]) + (f"\n\nand {len(found) - 20} more" if len(found) > 20 else "")
    return metadata


def _metadata(outcome: Outcome) -> dict[str, Any]:
    assert outcome.committed is not None
    version: Version = outcome.committed.version
    metadata: dict[str, Any] = {
        "dagster/partition_row_count" if version.partition != UNPARTITIONED else "dagster/row_count": version.rows,
        f"{PREFIX}version": version.number,
        f"{PREFIX}known_at": dg.TimestampMetadataValue(version.known_at.timestamp()),
        f"{PREFIX}content_hash": version.content_hash,
        f"{PREFIX}contract": version.contract,
    }
    if outcome.received or outcome.refused:
        metadata[f"{PREFIX}received"], metadata[f"{PREFIX}refused"] = outcome.received, outcome.refused
    if not outcome.committed.is_new:
        metadata["unchanged"] = dg.MarkdownMetadataValue(f"Same content as before: still version {version.number}.")
    if outcome.refused:
        where = f" --partition {version.partition}" if version.partition != UNPARTITIONED else ""
        metadata["refused"] = dg.MarkdownMetadataValue(
            f"{outcome.refused:,} of {outcome.received:,} rows are in quarantine: `dataproducts quarantine {version.dataset}{where}`"
        )
    if inputs := outcome.metadata.get("inputs") or version.note.get("inputs"):  # what this run read, also when nothing changed
        metadata[f"{PREFIX}inputs"] = dg.JsonMetadataValue(inputs)
    if outcome.profile:
        metadata["profile"] = dg.MarkdownMetadataValue(outcome.profile)
        metadata["sample"] = dg.MarkdownMetadataValue(outcome.sample)
        metadata[f"{PREFIX}profile"] = dg.JsonMetadataValue(plain(outcome.figures))
    for name, value in outcome.metadata.items():
        if name not in ("inputs", VIEW, THROUGH):
            metadata[name] = _shown(value)
    return metadata


def _shown(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return dg.UrlMetadataValue(value)
    if isinstance(value, str | int | float | bool):
        return value
    import json

    # the version is stored by now: what an author says beside the rows must not fail the run
    return "" if value is None else dg.JsonMetadataValue(json.loads(json.dumps(value, default=str)))


def materialization(d: Declaration, outcome: Outcome) -> dg.AssetMaterialization:
    """The event of one stored partition, for partitions that the run's own output does not cover."""
    from dagster._core.definitions.data_version import DATA_VERSION_TAG
    from dagster._core.storage.tags import PARTITION_NAME_TAG

    assert outcome.committed is not None
    partition = outcome.partition if d.partitions is not None else None
    dimensions: Mapping[str, str] = {}
    if isinstance(d.partitions, dg.MultiPartitionsDefinition) and partition is not None:
        tags = d.partitions.get_tags_for_partition_key(partition)
        dimensions = {tag: value for tag, value in tags.items() if tag != PARTITION_NAME_TAG}
    return dg.AssetMaterialization(
        d.key,
        partition=partition,
        metadata=_metadata(outcome),
        tags={**dimensions, DATA_VERSION_TAG: outcome.committed.version.content_hash},
    )


def _data_version(outcomes: Sequence[Outcome]) -> dg.DataVersion:
    import hashlib

    hashes = [o.committed.version.content_hash for o in outcomes if o.committed is not None]
    return dg.DataVersion(hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest())


def pairs(read: Sequence[tuple[str, Sequence[Version]]]) -> dict[str, list[list[Any]]]:
    """Versions by dataset, as (partition, number) pairs."""
    found: dict[str, list[list[Any]]] = {}
    for dataset, versions in read:
        held = found.setdefault(dataset, [])
        held += [[v.partition, v.number] for v in versions if [v.partition, v.number] not in held]
    return found


def _annotation(function: Callable[..., Any], signature: inspect.Signature, name: str) -> Any:
    """The annotation of a parameter, or None; as text only where the module does not have the type when it runs."""
    parameter = signature.parameters.get(name)
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return None
    if isinstance(parameter.annotation, str):
        with suppress(Exception):
            return eval(parameter.annotation, getattr(function, "__globals__", {}))
    return parameter.annotation


def _continued(context: dg.AssetExecutionContext) -> set[str]:
    """This run and those it continues: a retry, unlike a run that someone asked to do everything again."""
    from dagster._core.storage.tags import ASSET_RESUME_RETRY_TAG, RESUME_RETRY_TAG, RETRY_NUMBER_TAG

    run, found = context.run, {context.run.run_id}
    while run.parent_run_id and run.parent_run_id not in found:
        parent = context.instance.get_run_by_id(run.parent_run_id)
        if parent is None:
            break
        failed_steps_only = bool(run.step_keys_to_execute) and not parent.is_success
        if not failed_steps_only and not {RESUME_RETRY_TAG, ASSET_RESUME_RETRY_TAG, RETRY_NUMBER_TAG} & run.tags.keys():
            break
        found.add(parent.run_id)
        run = parent
    return found


def _log(context: dg.AssetExecutionContext) -> Log:
    return context.log
