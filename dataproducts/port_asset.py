"""An output port as a Dagster asset of its own, downstream of its dataset and with the same partitions: retried and backfilled alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from dataproducts import settings
from dataproducts.dataset import PREFIX, Dataset, Declaration, partition_keys
from dataproducts.errors import ConfigurationError, DeclarationError, PortError, PortUnavailable
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.masking import hidden
from dataproducts.ports.delivery import Report, deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.port import Comparison, Offered, OutputPort, Read, View
from dataproducts.product_facts import RUNTIME

ARRIVED = "arrived"
RETRIES = dg.RetryPolicy(max_retries=3, delay=30, backoff=dg.Backoff.EXPONENTIAL)
ATTENDED = f"{PREFIX}attended"
"""Tag of a run that a command waits for, and tells at once what is wrong; Dagster would wait minutes between its tries."""
PASSING = "passing"
"""What a failure's metadata has where the same may succeed later."""


class PortAsset(dg.AssetsDefinition):
    """The asset of one port of one dataset."""

    declaration: Declaration
    port: OutputPort

    @classmethod
    def of(cls, dataset: Dataset, port: OutputPort) -> PortAsset:
        """Make the asset. Raises DeclarationError where the dataset cannot leave through the port as declared."""
        d = dataset.declaration
        if d.view is not None and not port.takes_views:
            raise DeclarationError(
                f"{d.contract.dataset} is a view and stores no rows, so nothing of it leaves through {port.name}; give that port to what "
                "it reads, or store the rows with materialized='table'"
            )
        port.check(offered(d))
        key = port_key(d, port)

        @dg.multi_asset(
            name="__".join([*d.key.path, port.name]),
            specs=[_spec(d, port)],
            check_specs=[dg.AssetCheckSpec(ARRIVED, asset=key, description="What was delivered is there: once, and with every row.")],
            partitions_def=d.partitions,
            backfill_policy=dg.BackfillPolicy.multi_run(port.partitions_per_run or d.partitions_per_run) if d.partitions else None,
            required_resource_keys=set(port.resources()),
            retry_policy=RETRIES,
        )
        def asset(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
            with hidden(context.log):
                yield from _run(context, dataset, port)

        made = cls.__new__(cls)
        made.__dict__.update(asset.__dict__)
        made.declaration = d
        made.port = port
        return made

    def journal(self) -> Journal:
        """The port's journal in the lake in use."""
        return Journal(settings.lake(), self.declaration.contract.dataset, self.port.name)

    def remedy(self) -> str:
        """What to do where something else is at the other end than was delivered."""
        return self.port.remedy(offered(self.declaration))

    def compare(
        self, resources: Mapping[str, Any], full: bool, since: datetime | None = None
    ) -> tuple[Comparison, Sequence[Version], Sequence[Version]]:
        """Hold all that was delivered against what the dataset has; the versions that would be delivered next; those under way.

        What has been known only `since` then is under way, and not waited for yet. Raises PortError or PortUnavailable.
        """
        history = DatasetHistory(settings.lake(), self.declaration.contract.dataset)
        versions = history.versions()
        journal = self.journal().refresh()
        delivered = journal.delivered(versions)
        arrived = [v for v in versions if (v.partition, v.number) in delivered.versions]
        with self.port.open(offered(self.declaration), history, resources, "reconcile") as session:
            session.prepare()
            begun = journal.batch(journal.open, versions).versions if journal.open else ()
            following = session.next_batch(delivered, versions)
            waiting = [v for v in begun or following if _is_old(v, since)]
            if not waiting:  # what is old may be due after what is new; a port that passes versions over may have a newer one
                old = [v for v in versions if _is_old(v, since) and delivered.newest.get(v.partition, 0) < v.number]
                waiting = [v for v in session.next_batch(delivered, old) if _is_old(v, since)]
            next_ones = {(v.partition, v.number): v for v in [*begun, *following]}
            under_way = [v for v in next_ones.values() if not _is_old(v, since)]
            return (session.compare(arrived, full) if arrived else Comparison(0, 0)), waiting, under_way


def _is_old(version: Version, since: datetime | None) -> bool:
    return since is None or version.known_at <= since


def offered(d: Declaration) -> Offered:
    """The dataset as its ports see it."""
    return Offered(
        facts=d.facts,
        contract=d.contract,
        title=d.title,
        description=d.description,
        access=d.access or str(d.facts.access.level),
        personal=d.personal or str(d.facts.personal_data.class_),
        partitions=d.partitions,
        view=_view(d),
    )


def _view(d: Declaration) -> View | None:
    if d.view is None or d.query is None:
        return None
    return View(d.query, {name: Read(offered(read.declaration), read.ports) for name, read in d.view.read().items()})


def port_key(d: Declaration, port: OutputPort) -> dg.AssetKey:
    """Key of a port's asset, [product, dataset, port]."""
    return dg.AssetKey([*d.key.path, port.name])


def refuse_doubles(d: Declaration, ports: Sequence[OutputPort]) -> None:
    """Raise DeclarationError where two ports of a dataset have one name."""
    names = [port.name for port in ports]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DeclarationError(f"{d.contract.dataset} has two ports named {twice!r}; give one of the two another name")


def _spec(d: Declaration, port: OutputPort) -> dg.AssetSpec:
    facts = port.facts(offered(d))
    return dg.AssetSpec(
        port_key(d, port),
        deps=[d.key],
        description=f"{d.title}, at {facts.address}.",
        owners=[f"team:{d.facts.team}", d.facts.contact.email],
        group_name=d.facts.name,
        kinds={port.kind},
        tags={"dataproducts/port": port.name},
        partitions_def=d.partitions,
        skippable=True,
        automation_condition=_CONDITION if port.idle() is None else None,  # else every version would be asked for, and none arrive
        metadata={
            f"{PREFIX}address": facts.address,
            f"{PREFIX}catalog": dg.UrlMetadataValue(f"{settings.catalog_pages()}/datasets/{d.contract.dataset}"),
            "dagster/column_lineage": dg.TableColumnLineage({c: [dg.TableColumnDep(d.key, c)] for c in d.contract.names}),
            **{f"{PREFIX}{name}": value for name, value in facts.facts.items()},
            RUNTIME: dg.JsonMetadataValue(d.facts.runtime.published()),
        },
    )


# every partition, not only the newest as `eager` has it: a version that was corrected is delivered too
_CONDITION = (
    (dg.AutomationCondition.newly_missing() | dg.AutomationCondition.any_deps_updated())
    .since(dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated())
    .with_label("a version was made or never delivered")
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)


def _run(context: dg.AssetExecutionContext, dataset: Dataset, port: OutputPort) -> Iterator[Any]:
    d, key = dataset.declaration, port_key(dataset.declaration, port)
    if (reason := port.idle()) is not None:
        context.log.info(f"{d.contract.dataset}: the port {port.name} writes nowhere: {reason}")
        yield dg.AssetCheckResult(passed=True, asset_key=key, check_name=ARRIVED, metadata={"idle": f"Nothing was delivered: {reason}"})
        return
    history = dataset.history()
    journal = Journal(settings.lake(), d.contract.dataset, port.name)
    asked = partition_keys(context, d)
    resources = {name: getattr(context.resources, name) for name in port.resources()}
    report = Report()
    try:
        with port.open(offered(d), history, resources, context.run.run_id) as session:
            deliver(session, journal, history, asked, context.run.run_id, context.log.info, report)
            versions = history.refresh().versions()
            newest = journal.refresh().delivered(versions).newest
            known = {(v.partition, v.number): v for v in versions}
            there = {partition: known[partition, number] for partition, number in newest.items()}
            wanted = [there[p] for p in asked if p in there]
            comparison = session.compare(list(dict.fromkeys([*wanted, *report.versions])), full=False)
    except (PortError, ConfigurationError) as error:
        passing = isinstance(error, PortUnavailable)
        raise dg.Failure(
            str(error), metadata={PASSING: True} if passing else None, allow_retries=passing and ATTENDED not in context.run.tags
        ) from error
    told = _told(report)
    for version in {v.partition: v for v in report.versions if v.partition not in asked}.values():
        context.log_event(_materialization(key, d, version, told))
    yield dg.AssetCheckResult(
        passed=not comparison.differences,
        asset_key=key,
        check_name=ARRIVED,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "versions": comparison.versions,
            "rows": comparison.rows,
            **({"differences": "\n\n".join(one.text for one in comparison.differences[:20])} if comparison.differences else {}),
        },
    )
    if d.partitions is None:
        if wanted:
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(wanted[0], told), data_version=_data_version(wanted))
        return
    passed_over = [p for p in asked if p not in there]
    if passed_over:
        context.log.info(f"{d.contract.dataset}: nothing of {', '.join(passed_over[:5])} has to be at {port.name}")
    for version in wanted:
        context.add_asset_metadata(_metadata(version, told), key, partition_key=version.partition)
    yield dg.MaterializeResult(asset_key=key, data_version=_data_version(wanted) if wanted else None)


def _told(report: Report) -> dict[tuple[str, int], dict[str, Any]]:
    return {(v.partition, v.number): dict(facts) for batch, facts in report.batches for v in batch.versions}


def _metadata(version: Version, told: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, Any]:
    facts = told.get((version.partition, version.number))
    return {
        "dagster/partition_row_count" if version.partition != UNPARTITIONED else "dagster/row_count": version.rows,
        f"{PREFIX}version": version.number,
        f"{PREFIX}content_hash": version.content_hash,
        f"{PREFIX}known_at": dg.TimestampMetadataValue(version.known_at.timestamp()),
        **({"unchanged": dg.MarkdownMetadataValue(f"Version {version.number} was there already.")} if facts is None else facts),
    }


def _materialization(key: dg.AssetKey, d: Declaration, version: Version, told: Mapping[tuple[str, int], Mapping[str, Any]]) -> Any:
    return dg.AssetMaterialization(
        key, partition=version.partition if d.partitions is not None else None, metadata=_metadata(version, told)
    )


def _data_version(versions: Sequence[Version]) -> dg.DataVersion:
    from hashlib import sha256

    hashes = [v.content_hash for v in versions]
    return dg.DataVersion(hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest())
