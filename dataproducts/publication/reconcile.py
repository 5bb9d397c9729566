"""Whether the catalog has what there is: the lake's ledger and Dagster's event log held against it, and the difference sent again.

The ledger is the truth of what is stored. The log differs from it where a run was killed between the two, or where one of them was
wiped; then the details say which of them has what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dataproducts.errors import CatalogUnavailable
from dataproducts.history.ledger import Version
from dataproducts.messages import MAX_BATCH, Definition, Delivery, Proof, Said, Target
from dataproducts.publication import events
from dataproducts.publication.cursor import Cursor
from dataproducts.publication.describe import dataset_body, examples, ports, product_body, with_results
from dataproducts.publication.events import NO_RUN, Translation
from dataproducts.publication.ports import Found, compared, resource_keys
from dataproducts.publication.reading import cursor_of
from dataproducts.publication.sensor import NAME

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.dataset import Dataset
    from dataproducts.product import DataProduct

ON_ITS_WAY = timedelta(minutes=2)
"""What is younger has not had its tick yet, and is not behind."""
TO_A_PORT = timedelta(minutes=10)
"""What is younger has had no time for the port's own run: the scheduled checks count it as under way."""
_DETAILS = 100


@dataclass
class Behind:
    """A partition whose newest version the catalog does not have. `number` is that version, `has` what the catalog has."""

    dataset: str
    partition: str
    number: int
    has: int | None
    known_at: datetime
    why: str
    delivery: Delivery | None = None


@dataclass
class Comparison:
    """What was found: `compared` partitions, those behind, those too young to be, datasets missing, and where lake and log differ."""

    compared: int = 0
    behind: list[Behind] = field(default_factory=list)
    on_their_way: int = 0
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def compare(
    instance: dg.DagsterInstance, products: Mapping[str, DataProduct], target: Target, location: str, now: datetime | None = None
) -> Comparison:
    """Hold the newest version of every partition against the target's. Raises CatalogUnavailable where it cannot be asked."""
    moment = now or datetime.now(UTC)
    known = target.newest(location)
    logged = events.newest(instance)
    translation = Translation.of(location, products)
    found = Comparison()
    for name, dataset in _datasets(products).items():
        if name not in known:
            found.missing.append(name)
        _compare(found, instance, translation, dataset, known.get(name, {}), logged.get(tuple(name.split("/")), {}), moment)
    return found


def _compare(
    found: Comparison,
    instance: dg.DagsterInstance,
    translation: Translation,
    dataset: Dataset,
    known: Mapping[str, tuple[int, str]],
    logged: Mapping[str, int],
    now: datetime,
) -> None:
    name = dataset.contract.dataset
    stored = dataset.history().current()
    found.compared += len({*stored, *logged})
    doubtful = [p for p in sorted({*stored, *logged}) if not _has(known.get(p), stored.get(p))]
    ids = {p: logged[p] for p in doubtful if p in logged}
    entries = {e.id: e for e in events.entries_of(instance, list(ids.values()))}
    payloads = events.records(instance, list(entries))
    for partition in doubtful:
        version, number = stored.get(partition), ids.get(partition)
        delivery = None
        if number in payloads and not isinstance(payloads[number], BaseException):
            delivery = translation.delivery(entries[number], payloads[number].dagster_event.event_specific_data.materialization)
        has = known.get(partition)
        if version is None and (delivery is None or (has is not None and has[0] >= delivery.number)):
            if delivery is not None:
                found.remarks.append(f"{name} {partition}: the event log and the catalog have version {delivery.number}, the lake has none")
            continue
        if version is not None and has is not None and has[0] > version.number:
            found.remarks.append(f"{name} {partition}: the catalog has version {has[0]}, the lake only {version.number}")
            continue
        if version is not None and (delivery is None or (delivery.number, delivery.content_hash) != (version.number, version.content_hash)):
            why = f"the lake has version {version.number}, and the event log {f'version {delivery.number}' if delivery else 'none'}"
            delivery = _from_ledger(translation.location, version)
        else:
            assert delivery is not None
            why = f"the lake {'and the event log have' if version else 'has none, the event log'} version {delivery.number}"
        if now - delivery.known_at < ON_ITS_WAY:
            found.on_their_way += 1
            continue
        found.behind.append(Behind(name, partition, delivery.number, has[0] if has else None, delivery.known_at, why, delivery))


def _has(known: tuple[int, str] | None, version: Version | None) -> bool:
    return version is not None and known == (version.number, version.content_hash)


def _from_ledger(location: str, version: Version) -> Delivery:
    """The delivery of a version that no event tells of: its run was killed after the commit."""
    note = version.note
    return Delivery(
        location=location,
        dataset=version.dataset,
        partition=version.partition,
        number=version.number,
        at=version.known_at,
        storage_id=0,
        run=str(note.get("run") or NO_RUN),
        known_at=version.known_at,
        contract=version.contract,
        rows=version.rows,
        content_hash=version.content_hash,
        received=note.get("received"),
        refused=note.get("refused") or 0,
        inputs={of: tuple((p, n) for p, n in chosen) for of, chosen in (note.get("inputs") or {}).items()},
    )


def repair(products: Mapping[str, DataProduct], target: Target, location: str, found: Comparison, now: datetime | None = None) -> list[str]:
    """Send what is behind or missing; gives, as sentences, what the target refused."""
    moment = now or datetime.now(UTC)
    messages: list[Said] = []
    datasets = _datasets(products)
    for name in sorted({n.split("/")[0] for n in found.missing}):
        body = product_body(products[name], with_results(name, products[name].folder, examples(products[name].folder)))
        messages.append(Definition(location=location, subject=f"product:{name}", observed_at=moment, product=body))
    for name in found.missing:
        product = products[name.split("/")[0]]
        declared = dataset_body(datasets[name], examples(product.folder), ports(product, datasets[name]))
        messages.append(Definition(location=location, subject=f"dataset:{name}", observed_at=moment, dataset=declared))
    messages += [b.delivery for b in found.behind if b.delivery is not None]
    refused = []
    for at in range(0, len(messages), MAX_BATCH // 5):
        some = messages[at : at + MAX_BATCH // 5]
        for message, receipt in zip(some, target.send(some), strict=True):
            if receipt.status == "refused":
                refused.append(f"{getattr(message, 'subject', None) or getattr(message, 'dataset', '')} was refused: {receipt.problem}")
    return refused


def reconcile(
    instance: dg.DagsterInstance,
    products: Mapping[str, DataProduct],
    target: Target,
    location: str,
    *,
    found: Comparison | None = None,
    ports: Sequence[Found] = (),
    now: datetime | None = None,
) -> Proof:
    """Compare, and tell the target what was proven, of `ports` too. Raises CatalogUnavailable where it cannot be asked or told."""
    moment = now or datetime.now(UTC)
    found = found or compare(instance, products, target, location, moment)
    oldest = min((b.known_at for b in found.behind), default=None)
    details = [f"{name}: the catalog does not know it" for name in found.missing]
    details += [f"{b.dataset} {b.partition}: {b.why}, the catalog {f'version {b.has}' if b.has else 'none'}" for b in found.behind]
    details += found.remarks
    details += [text for port in ports for text in port.differences]
    details += [f"{port.dataset}, {port.port}: {port.under_way} under way" for port in ports if port.under_way]
    if found.on_their_way:
        details.insert(0, f"{found.on_their_way} are younger than {ON_ITS_WAY.seconds // 60} minutes, and on their way")
    if len(details) > _DETAILS:
        details = [*details[: _DETAILS - 1], f"and {len(details) - _DETAILS + 1} more"]
    proof = Proof(
        location=location,
        at=moment,
        compared=found.compared,
        behind=len(found.behind),
        missing=len(found.missing),
        dead=len(published(instance, location).dead),
        lag_seconds=(moment - oldest).total_seconds() if oldest else 0.0,
        ports=tuple(port.proof for port in ports if port.proof is not None),
        details=tuple(text[:2_000] for text in details),
    )
    (receipt,) = target.send([proof])
    if receipt.status == "refused":
        raise CatalogUnavailable(f"{target.name} refused the proof of the reconciliation: {receipt.problem}")
    return proof


def published(instance: dg.DagsterInstance, location: str, name: str = NAME) -> Cursor:
    """The cursor of a location's sensor; an empty one where it has not run."""
    return Cursor.read(cursor_of(instance, location, name))


def catalog_asset(location: str) -> dg.AssetSpec:
    """The catalog as an external asset: what is wrong between it and the location shows as its failing checks."""
    import dagster as dg

    return dg.AssetSpec(
        [location, "catalog"],
        group_name="publication",
        kinds={"catalog"},
        description="The catalog, as far as it concerns this location: whether all that is published has arrived.",
    )


def reconciliation(
    products: Mapping[str, DataProduct],
    target: Target | Callable[[], Target],
    location: str,
    *,
    sensors: Sequence[str] = (NAME,),
    cron: str = "17 * * * *",
    nightly: str = "41 3 * * *",
) -> list[Any]:
    """The catalog's asset, its checks, and what runs them: `reconcile_catalog` hourly, `reconcile_contents` nightly, on from the start.

    The check `reconciled` fails while anything is behind or missing, here or at a port; `contents` also reads the ports back.
    Each sensor has a check of its name that the sensor itself reports; run by hand it repeats what was reported last.
    """
    import dagster as dg

    asset = catalog_asset(location)

    def check_of(name: str, description: str, full: bool) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=asset.key, name=name, description=description, required_resource_keys=resource_keys(products))
        def held_against(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
            at_hand = target() if callable(target) else target
            resources = {key: getattr(context.resources, key) for key in resource_keys(products)}
            ports = list(compared(products, resources, full=full, since=datetime.now(UTC) - TO_A_PORT))
            proof = reconcile(context.instance, products, at_hand, location, ports=ports)
            figures = {"compared": proof.compared, "behind": proof.behind, "missing": proof.missing, "given up": proof.dead}
            return dg.AssetCheckResult(
                passed=not proof.behind and not proof.missing and all(port.is_equal for port in ports),
                description=sentence(proof),
                metadata={**figures, "ports compared": len(proof.ports)}
                | ({"under way to ports": moving} if (moving := sum(port.under_way for port in ports)) else {})
                | ({"details": dg.MarkdownMetadataValue("\n".join(f"- {text}" for text in proof.details))} if proof.details else {}),
            )

        return held_against

    reconciled = check_of("reconciled", "Catalog and ports have the newest version of every partition, with as many rows.", False)
    contents = check_of("contents", "What the ports hold, read back, is what the datasets hold.", True)

    def reported(name: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=asset.key, name=name, description=f"The sensor {name} has given up no message.")
        def check(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
            dead = published(context.instance, location, name).dead
            said = f"{len(dead)} messages were given up." if dead else "Nothing was given up."
            return dg.AssetCheckResult(passed=not dead, description=said)

        return check

    found: list[Any] = [asset, reconciled, contents, *map(reported, sensors)]
    for name, check, when in (("reconcile_catalog", reconciled, cron), ("reconcile_contents", contents, nightly)):
        job = dg.define_asset_job(name, selection=dg.AssetSelection.checks(check))
        on = dg.DefaultScheduleStatus.RUNNING
        found += [job, dg.ScheduleDefinition(f"{name}_schedule", cron_schedule=when, job=job, default_status=on)]
    return found


def sentence(proof: Proof) -> str:
    """ "0 behind, 0 missing, 2 ports equal, proven at 2026-01-31 06:17 UTC"."""
    dead = f", {proof.dead:,} given up" if proof.dead else ""
    differing = sum(1 for port in proof.ports if port.differences or port.waiting or port.problem)
    equal = f"{differing:,} of {len(proof.ports):,} differing" if differing else f"{len(proof.ports):,} equal"
    ports = f", ports: {equal}" if proof.ports else ""
    return f"{proof.behind:,} behind, {proof.missing:,} missing{dead}{ports}, proven at {proof.at:%Y-%m-%d %H:%M} UTC"


def _datasets(products: Mapping[str, DataProduct]) -> dict[str, Dataset]:
    return {d.contract.dataset: d for p in products.values() for d in p.datasets.values()}
