"""A data product: its facts, its datasets, and the Dagster definitions that follow from them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import dagster as dg
import polars as pl
from dagster._utils.schedules import is_valid_cron_schedule

from dataproducts.contract import Contract, Kind
from dataproducts.dataset import (
    PARTITIONS_PER_RUN,
    Dataset,
    Declaration,
    HistoryRun,
    Run,
    Source,
    refuse_view,
    source_key,
)
from dataproducts.errors import DeclarationError
from dataproducts.history.intervals import interval_contract
from dataproducts.inputs import Input, Reaching
from dataproducts.materialization import Limits
from dataproducts.port_asset import PortAsset, refuse_doubles
from dataproducts.ports.port import OutputPort
from dataproducts.product_facts import AccessLevel, PersonalData, ProductFacts, kibibytes
from dataproducts.product_file import load_facts
from dataproducts.quality.anonymity import KAnonymity
from dataproducts.quality.suppression import Suppression
from dataproducts.script_run import ScriptRun
from dataproducts.scripts.script import Script
from dataproducts.source import InputPort
from dataproducts.sql.statement import Statement
from dataproducts.sql.text import SqlText
from dataproducts.sql_run import SqlRun

_NAME = r"[a-z][a-z0-9_]*"


class DataProduct:
    """One product of a code location: `product = DataProduct(__file__)` beside its `product.yaml`.

    Raises DeclarationError if the YAML is missing or wrong, with file, line, field and what is allowed.
    """

    def __init__(self, beside: str | Path) -> None:
        path = Path(beside)
        self.folder = path if path.is_dir() else path.parent
        self.facts: ProductFacts = load_facts(self.folder / "product.yaml")
        self.datasets: dict[str, Dataset] = {}
        self.ports: dict[str, list[PortAsset]] = {}
        self._more: list[Any] = []

    @property
    def name(self) -> str:
        """The product's name, first part of its datasets' names."""
        return self.facts.name

    def dataset(
        self,
        *,
        schema: Any,
        key: str | Sequence[str] = (),
        version: str = "1.0.0",
        name: str | None = None,
        kind: Kind = "table",
        title: str | None = None,
        description: str | None = None,
        partitions: dg.PartitionsDefinition[Any] | None = None,
        inputs: Mapping[str, Dataset | Reaching] | Sequence[Dataset | Reaching] = (),
        source: Source | None = None,
        quarantine: bool | float = False,
        suppression: Suppression | None = None,
        least_rows: int | None = None,
        row_change: float | None = 0.5,
        freshness: timedelta | None = None,
        automation: dg.AutomationCondition[Any] | None = None,
        schedule: str | None = None,
        time_zone: str = "Europe/Oslo",
        partitions_per_run: int = PARTITIONS_PER_RUN,
        retries: int = 0,
        kinds: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        access: AccessLevel | str | None = None,
        personal: PersonalData | str | None = None,
        personal_reason: str | None = None,
        k_anonymity: KAnonymity | None = None,
        ports: Sequence[OutputPort] = (),
    ) -> Callable[[Callable[..., Any]], Dataset]:
        """Declare a dataset; the decorated function makes the rows of one partition and stays callable as a function.

        Its parameters are found by name: `partition` (the key), `context` (Dagster's), an upstream dataset (a polars lazy frame of the
        same partition, or the kind of frame it is annotated with), or a Dagster resource. It returns any frame the kit takes,
        or a `Result`. Of an input that time cuts finer, a day of hours say, it gets the partitions within its own; `inputs` names datasets
        that are taken otherwise, with `until(dataset)` or `previous()`, or under another name.
        With a topic as source it gets the partition's `messages`.

        `kind` is "table" (partitions are parts of one table) or "snapshot" (each partition is the whole as it was then).
        `quarantine` is the share of rows that may be refused and kept aside; True means a tenth. `least_rows` is 1 for snapshots, else 0.
        `suppression` hides small cells of an aggregate before its rows are validated.
        `row_change` is the share by which the row count may change before a check warns. `freshness` is how old the newest
        materialization may be. `schedule` is a cron line in `time_zone`. `partitions_per_run` bounds the runs of a backfill.
        `personal` is the dataset's personal-data class where it is not the product's; "none" in a product that holds personal data needs
        the assessment, and "anonymized" the method, as `personal_reason`. `k_anonymity` says which combinations of values may not be rare.
        `ports` are where every version goes: BigQuery(...), Topic(...); each is an asset of its own, downstream of the dataset.
        """

        def declare(function: Callable[..., Any]) -> Dataset:
            own = name or function.__name__
            _refuse_wrong_kinds(f"{self.name}/{own}", kind, quarantine, freshness, access, inputs, ports)
            contract = Contract.of(schema, dataset=f"{self.name}/{own}", key=key, version=version, kind=kind)
            if isinstance(source, InputPort):
                contract = source.promised(contract, partitions)
                if source.parameter not in inspect.signature(function).parameters:
                    raise DeclarationError(
                        f"{contract.dataset} is fed by {source.name}, so its function takes what comes from there; "
                        f"name a parameter {source.parameter!r}"
                    )
            if suppression is not None:
                suppression.check(contract)
                if quarantine:
                    raise DeclarationError(f"{contract.dataset}: a quarantine keeps rows as they came, small cells too; leave it out")
            upstream = inputs if isinstance(inputs, Mapping) else {_name_of(d, contract.dataset): d for d in inputs}
            found = {p: self.datasets[p] for p in inspect.signature(function).parameters if p in self.datasets and p not in upstream}
            declaration = Declaration(
                facts=self.facts,
                contract=contract,
                title=title or own.replace("_", " ").capitalize(),
                description=inspect.cleandoc(description or (inspect.isroutine(function) and function.__doc__) or contract.description),
                partitions=partitions,
                limits=Limits(
                    least_rows=(1 if kind == "snapshot" else 0) if least_rows is None else least_rows,
                    row_change=row_change,
                    successive=isinstance(partitions, dg.TimeWindowPartitionsDefinition),
                    refused_share=(0.1 if quarantine is True else float(quarantine)) if quarantine else None,
                    anonymity=k_anonymity,
                    suppression=suppression,
                ),
                inputs={n: _input(d, contract, partitions) for n, d in {**upstream, **found}.items()},
                source=source,
                freshness=freshness,
                automation=automation,
                schedule=schedule,
                time_zone=time_zone,
                partitions_per_run=partitions_per_run,
                retries=retries,
                kinds=frozenset(kinds),
                tags=dict(tags or {}),
                access=str(access) if access is not None else None,
                personal=str(personal) if personal is not None else None,
                personal_reason=personal_reason,
            )
            if isinstance(function, Script):
                function.refuse_faults(contract)
                declaration = replace(declaration, script=function.digest)
            if isinstance(function, Statement):
                declaration = replace(declaration, query=function.checked(contract, declaration.inputs, partitions is not None))
                if function.is_view:
                    declaration = replace(declaration, view=function)
                    refuse_view(declaration)
            self._check(declaration)
            run = _run(declaration, function)
            return self._keep(Dataset.of(declaration, function, run, run.resources), ports)

        return declare

    def sql_dataset(
        self,
        file: str,
        *,
        schema: Any,
        name: str | None = None,
        inputs: Mapping[str, Dataset | Reaching] | Sequence[Dataset | Reaching] = (),
        description: str | None = None,
        materialized: Literal["table", "view"] = "table",
        **options: Any,
    ) -> Dataset:
        """Declare a dataset whose rows are one SELECT, in BigQuery's dialect, in a file of the product's folder.

        `{{ name }}` in it is a dataset of the product, `{{ product/name }}` one of another, which `inputs` gives; either may be
        taken with `until` or `previous`. `@partition` is the key of the partition that is made. `name` is by default the file's,
        `description` the comment it begins with; `options` are those of `dataset`. A "view" stores no rows: its query is run by whoever
        reads it, and a materialization checks what it gives. What it gives is held against the schema here: raises
        DeclarationError with file, line and column for the first thing that is wrong.
        """
        own = name or Path(file).stem
        statement = Statement.of(SqlText.read(self.folder / file), own, self.name, inputs, self.datasets)
        if materialized not in ("table", "view"):
            raise DeclarationError(f"{self.name}/{own}: materialized is {materialized!r}; write 'table' or 'view'")
        statement.is_view = materialized == "view"
        said = description or statement.text.remark or None
        statement.dataset = self.dataset(schema=schema, name=own, inputs=statement.inputs, description=said, **options)(statement)
        return statement.dataset

    def script_dataset(
        self,
        file: str | None = None,
        *,
        schema: Any,
        name: str | None = None,
        image: str | None = None,
        repository: str | None = None,
        ref: str = "main",
        requirements: str | None = None,
        arguments: Sequence[str] = (),
        output: str = "output.parquet",
        environment: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        timeout: timedelta = timedelta(hours=1),
        memory: str | None = None,
        inputs: Mapping[str, Dataset | Reaching] | Sequence[Dataset | Reaching] = (),
        description: str | None = None,
        kinds: Sequence[str] = (),
        **options: Any,
    ) -> Dataset:
        """Declare a dataset whose rows an existing script (.py, .sh, .R), notebook (.ipynb) or Quarto document (.qmd) hands over.

        It runs as a process of its own, in a copy of its folder, once for each partition, and writes its rows to the file that
        DATAPRODUCTS_OUTPUT names, or to `output` beside itself: Parquet, CSV or JSON. DATAPRODUCTS_PARTITION is the partition's key, and
        DATAPRODUCTS_INPUT_<NAME> a Parquet file of each input; a notebook gets `partition`, `output` and the inputs' names as
        parameters. In `arguments`, {partition}, {output} and {input:name} stand for these.

        `file` is in the product's folder, or with `repository` in a git repository at `ref` (branch, tag or commit). `requirements` is a
        file beside it whose packages are installed by uv into an environment of its own. `environment` and `secrets` (names of variables of
        ours) are all that it sees of the environment. It is stopped after `timeout`, and held to `memory` (such as "2Gi") on Linux.

        On Kubernetes it runs as a pod, in the image of the code location or in `image`, which may be any that has what the script needs;
        without a file the image runs what it runs by itself, with `arguments`. `options` are those of `dataset`.
        Raises DeclarationError for what cannot be run.
        """
        if file is None and (image is None or name is None):
            raise DeclarationError(f"{self.name}: a script dataset is given a file, or an image and a name")
        own = name or Path(file or "").stem
        upstream = inputs if isinstance(inputs, Mapping) else {_name_of(d, f"{self.name}/{own}"): d for d in inputs}
        if memory is not None and not re.fullmatch(r"[1-9][0-9]*[KMG]i", memory):
            raise DeclarationError(f"{self.name}/{own}: {memory!r} is no amount of memory; write it as 512Mi or 2Gi")
        script = Script(
            name=own,
            file=file or "",
            image=image,
            folder=self.folder,
            repository=repository,
            ref=ref,
            requirements=requirements,
            arguments=tuple(arguments),
            output=output,
            environment=dict(environment or {}),
            secrets=tuple(secrets),
            timeout=timeout,
            memory=kibibytes(memory) * 1024 if memory is not None else None,
            inputs=tuple(upstream),
        )
        kind = [script.kind] if script.kind is not None else []
        return self.dataset(schema=schema, name=own, inputs=upstream, description=description, kinds=[*kind, *kinds], **options)(script)

    def history(
        self,
        of: Dataset,
        *,
        name: str | None = None,
        version: str = "1.0.0",
        title: str | None = None,
        description: str | None = None,
        automation: dg.AutomationCondition[Any] | None = None,
        freshness: timedelta | None = None,
        partitions_per_run: int = PARTITIONS_PER_RUN,
        ports: Sequence[OutputPort] = (),
    ) -> Dataset:
        """Declare the SCD2 intervals of a dataset of snapshots: `valid_from` inclusive, `valid_to` exclusive, null while current.

        Its partitions are those of the snapshots. A snapshot taken in late, twice or out of order gives the intervals
        the right order would.
        """
        partitions = of.declaration.partitions
        if of.contract.kind != "snapshot" or not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
            raise DeclarationError(
                f"{of.contract.dataset}: a history needs successive snapshots; declare kind='snapshot' and daily (or other time) partitions"
            )
        daily = partitions.fmt == "%Y-%m-%d"
        own = name or f"{of.declaration.name}_history"
        contract = interval_contract(
            of.contract, dataset=f"{self.name}/{own}", version=version, moment=pl.Date() if daily else pl.Datetime("us", "UTC")
        )
        declaration = Declaration(
            facts=self.facts,
            contract=contract,
            title=title or own.replace("_", " ").capitalize(),
            description=description or contract.description,
            partitions=partitions,
            limits=Limits(row_change=None),
            inputs={of.declaration.name: Input(of.contract, of.declaration.partitions)},
            automation=automation,
            freshness=freshness,
            partitions_per_run=partitions_per_run,
            kinds=frozenset({"scd2"}),
            access=of.declaration.access,
            personal=of.declaration.personal,
            personal_reason=of.declaration.personal_reason,
        )
        self._check(declaration)
        moment = _day if daily else _instant(partitions)
        return self._keep(Dataset.of(declaration, None, HistoryRun(declaration, moment), set()), ports)

    def add(self, *definitions: Any) -> None:
        """Further Dagster definitions of the product: schedules, sensors, jobs, checks."""
        self._more.extend(definitions)

    def definitions(self, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
        """Everything of the product as plain Dagster definitions."""
        declared = [d.declaration for d in self.datasets.values()]
        sources = {
            source_key(d): dg.AssetSpec(
                source_key(d),
                group_name=self.name,
                description=d.source.description,
                kinds={d.source.kind if isinstance(d.source, InputPort) else "source"},
                metadata={"url": dg.UrlMetadataValue(d.source.url)} if d.source.url else {},
            )
            for d in declared
            if d.source is not None
        }
        ports = [port for of_dataset in self.ports.values() for port in of_dataset]
        if ports or any(d.automation is not None for d in declared):
            self._automate()
        schedules = [s for d in map(self.scheduled, declared) if d.schedule for s in _schedules(d)]
        more: dict[str, list[Any]] = {"schedules": [], "sensors": [], "jobs": [], "asset_checks": [], "assets": []}
        for item in self._more:
            more[_sort(item)].append(item)
        return dg.Definitions(
            assets=[*self.datasets.values(), *ports, *sources.values(), *more["assets"]],
            asset_checks=more["asset_checks"],
            schedules=[*schedules, *more["schedules"]],
            sensors=more["sensors"],
            jobs=more["jobs"],
            resources=dict(resources or {}),
        )

    def scheduled(self, declaration: Declaration) -> Declaration:
        """A declaration with the product's own schedule, where the dataset has none and follows from no other."""
        schedule = self.facts.runtime.schedule
        if schedule is None or declaration.schedule or declaration.automation is not None:
            return declaration
        return replace(declaration, schedule=schedule.cron, time_zone=schedule.time_zone)

    def _automate(self) -> None:
        """One automation sensor per product: a slow one must not hold up the others, and it is on from the start."""
        name = f"{self.name}_automation"
        if not any(getattr(item, "name", None) == name for item in self._more):
            self._more.append(
                dg.AutomationConditionSensorDefinition(
                    name,
                    target=dg.AssetSelection.groups(self.name),
                    default_status=dg.DefaultSensorStatus.RUNNING,
                    minimum_interval_seconds=30,
                )
            )

    def _keep(self, dataset: Dataset, ports: Sequence[OutputPort]) -> Dataset:
        refuse_doubles(dataset.declaration, ports)
        self.ports[dataset.declaration.name] = [PortAsset.of(dataset, port) for port in ports]
        dataset.ports = tuple(ports)
        self.datasets[dataset.declaration.name] = dataset
        return dataset

    def _check(self, d: Declaration) -> None:
        if not re.fullmatch(_NAME, d.name):
            raise DeclarationError(f"{d.contract.dataset}: a dataset's name is lower-case letters, digits and underscores")
        if d.name in self.datasets:
            raise DeclarationError(f"{d.contract.dataset} is declared twice; give one of the two another name")
        if d.personal is not None and d.personal not in list(PersonalData):
            known = ", ".join(PersonalData)
            raise DeclarationError(f"{d.contract.dataset}: {d.personal!r} is no personal-data class; write one of {known}")
        personal = PersonalData(d.personal) if d.personal else self.facts.personal_data.class_
        if not personal.is_sensitive and personal is not self.facts.personal_data.class_ and not (d.personal_reason or "").strip():
            why = "why it holds none" if personal is PersonalData.NONE else "how it was anonymized"
            raise DeclarationError(
                f"{d.contract.dataset} is declared {personal} in a product of class {self.facts.personal_data.class_}; "
                f"say {why} with personal_reason=..."
            )
        if d.schedule is not None and not (len(d.schedule.split()) == 5 and is_valid_cron_schedule(d.schedule)):
            raise DeclarationError(f"{d.contract.dataset}: schedule is {d.schedule!r}, no cron line of 5 fields; write it as '0 5 * * *'")
        if d.limits.anonymity is not None:
            d.limits.anonymity.refuse_faults(d.contract)
        unclassed = [c.name for c in d.contract.columns if c.personal is None]
        if personal.is_sensitive and unclassed:
            raise DeclarationError(
                f"{d.contract.dataset} holds personal data ({personal}), so every column needs personal=...; {unclassed[0]!r} has none"
            )
        classed = [c.name for c in d.contract.columns if c.is_personal]
        if not personal.is_sensitive and classed:
            raise DeclarationError(
                f"{d.contract.dataset} is declared to hold no personal data, but column {classed[0]!r} is classed "
                f"{d.contract.by_name[classed[0]].personal}; declare the dataset's class with personal=..."
            )
        concepts = {concept.name for concept in self.facts.concepts}
        if unknown := next((c for c in d.contract.columns if c.concept is not None and c.concept not in concepts), None):
            there = ", ".join(sorted(concepts)) or "none"
            raise DeclarationError(
                f"{d.contract.dataset}: column {unknown.name!r} is of the concept {unknown.concept!r}, which product.yaml does not define; "
                f"its concepts are: {there}"
            )
        if d.access is not None and AccessLevel(d.access) is not AccessLevel.RESTRICTED and personal.is_sensitive:
            raise DeclarationError(
                f"{d.contract.dataset} holds personal data ({personal}), so its access is 'restricted', not {d.access!r}"
            )


def _refuse_wrong_kinds(dataset: str, kind: Any, share: Any, freshness: Any, access: Any, inputs: Any, ports: Any) -> None:
    """What Python lets through, and would be found out late, in other words, or never."""
    given = inputs.values() if isinstance(inputs, Mapping) else inputs
    faults = {
        f"kind is {kind!r}; write 'table' or 'snapshot'": kind not in ("table", "snapshot"),
        f"quarantine is {share!r}; write the share of rows, as 0.05": not (isinstance(share, int | float) and 0 <= share <= 1),
        f"freshness is {freshness!r}; write how old it may be, as timedelta(hours=26)": not isinstance(freshness, timedelta | None),
        f"access is {access!r}; write one of {', '.join(AccessLevel)}": access is not None and access not in list(AccessLevel),
        **{f"inputs has {one!r}; give the dataset itself": not isinstance(one, Dataset | Reaching) for one in given},
        **{f"ports has {one!r}; write it as dp.BigQuery() or dp.Topic(...)": not isinstance(one, OutputPort) for one in ports},
    }
    for fault, is_there in faults.items():
        if is_there:
            raise DeclarationError(f"{dataset}: {fault}")


def _run(declaration: Declaration, function: Any) -> Run:
    if isinstance(function, Statement):
        return SqlRun(declaration, function)
    if isinstance(function, Script):
        return ScriptRun(declaration, function)
    return Run(declaration, function)


def _name_of(given: Dataset | Reaching, taker: str) -> str:
    dataset = given.dataset if isinstance(given, Reaching) else given
    if dataset is None:
        raise DeclarationError(f'{taker} takes its own previous partition, which needs a name; write inputs={{"before": previous()}}')
    return dataset.declaration.name


def _input(given: Dataset | Reaching, taker: Contract, partitions: dg.PartitionsDefinition[Any] | None) -> Input:
    """The input of a dataset with that contract and those partitions. Raises DeclarationError where they do not go together."""
    reaching = given if isinstance(given, Reaching) else Reaching(given, "own")
    if reaching.dataset is None:
        found = Input(taker, partitions, reaching.reach)
    else:
        found = Input(reaching.dataset.contract, reaching.dataset.declaration.partitions, reaching.reach)
    found.refuse_faults(partitions, f"{taker.dataset}: input {found.dataset}")
    return found


def _day(key: str) -> date:
    return date.fromisoformat(key)


def _instant(partitions: dg.TimeWindowPartitionsDefinition) -> Callable[[str], datetime]:
    def moment(key: str) -> datetime:
        return partitions.time_window_for_partition_key(key).start.astimezone(UTC)  # which knows the hour that comes twice in autumn

    return moment


def _schedules(d: Declaration) -> list[Any]:
    assert d.schedule is not None
    label = d.contract.dataset.replace("/", "_")
    job = dg.define_asset_job(f"{label}_job", selection=[d.key], partitions_def=d.partitions)
    status = dg.DefaultScheduleStatus.RUNNING
    if d.partitions is None:
        return [
            dg.ScheduleDefinition(
                f"{label}_schedule", cron_schedule=d.schedule, job=job, execution_timezone=d.time_zone, default_status=status
            )
        ]
    partitions = cast("dg.PartitionsDefinition[str]", d.partitions)

    @dg.schedule(name=f"{label}_schedule", cron_schedule=d.schedule, job=job, execution_timezone=d.time_zone, default_status=status)
    def due(context: dg.ScheduleEvaluationContext) -> Any:
        tick = context.scheduled_execution_time.isoformat()
        requests = [dg.RunRequest(run_key=f"{tick} {key}", partition_key=key) for key in _due(partitions, context)]
        return requests or dg.SkipReason("no partition is due yet")

    return [due]


def _due(partitions: dg.PartitionsDefinition[str], context: dg.ScheduleEvaluationContext) -> Sequence[str]:
    """The newest partition in time; every one where time does not divide them."""
    now = context.scheduled_execution_time
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return partitions.get_partition_keys(current_time=now)[-1:]
    keys = partitions.get_partition_keys(current_time=now, dynamic_partitions_store=context.instance)
    if isinstance(partitions, dg.MultiPartitionsDefinition) and partitions.has_time_window_dimension:
        time = partitions.time_window_dimension
        newest = time.partitions_def.get_partition_keys(current_time=now)[-1:]
        return [key for key in keys if cast("dg.MultiPartitionKey", key).keys_by_dimension[time.name] in newest]
    return keys


def _sort(item: Any) -> str:
    kinds: list[tuple[type, str]] = [
        (dg.ScheduleDefinition, "schedules"),
        (dg.SensorDefinition, "sensors"),
        (dg.AssetChecksDefinition, "asset_checks"),
        (dg.AssetsDefinition, "assets"),
        (dg.AssetSpec, "assets"),
    ]
    # a schedule of a partitioned job is of no public type until its job is known
    unresolved = "schedules" if hasattr(item, "minute_of_hour") else "jobs"
    return next((name for kind, name in kinds if isinstance(item, kind)), unresolved)
