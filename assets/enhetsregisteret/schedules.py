"""When the datasets are made: after the register's nightly build, and again for what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import dagster as dg

from assets.enhetsregisteret.datasets import OSLO, daily, product
from assets.enhetsregisteret.register import Kind, Register
from dataproducts.dataset import PARTITIONS_PER_RUN
from dataproducts.history.ledger import Version

BULK: tuple[Kind, ...] = ("enheter", "underenheter", "roller")
_NAMES = (*BULK, "oppdateringer", "organisasjonsformer")


@dg.schedule(
    name="enhetsregisteret_daily",
    cron_schedule="*/15 5-22 * * *",
    execution_timezone="Europe/Oslo",
    target=dg.AssetSelection.assets(*(product.datasets[name].declaration.key for name in _NAMES)),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    required_resource_keys={"register"},
    description="Each day's partitions, once the register has built its files; missed days where they can still be had.",
)
def enhetsregisteret_daily(context: dg.ScheduleEvaluationContext) -> Sequence[dg.RunRequest] | dg.SkipReason:
    """Ask the register what it serves and request what is missing of it."""
    now = context.scheduled_execution_time.astimezone(OSLO)
    register: Register = context.resources.register
    requests: list[dg.RunRequest] = []
    said: list[str] = []
    days = daily.get_partition_keys(current_time=now)
    today = f"{now:%Y-%m-%d}"
    for kind in BULK:
        requests += _bulk(kind, today, days, register, now, said)
    requests += _events(days, today, now, context.instance)
    for sentence in said:
        context.log.info(sentence)
    return requests or dg.SkipReason(" ".join(said) or f"everything up to {today} is in place")


def _bulk(kind: Kind, today: str, days: Sequence[str], register: Register, now: datetime, said: list[str]) -> list[dg.RunRequest]:
    held = product.datasets[kind].history().current()
    gone = [d for d in days if d not in held and d < today]
    if gone:
        span = gone[0] if len(gone) == 1 else f"{len(gone)} days from {gone[0]} to {gone[-1]}"
        said.append(f"{kind}: {span} cannot be had any more, the register keeps only its newest file.")
    if today in held:
        return []
    published = register.published(kind)
    if str(published.day) < today:
        said.append(f"{kind}: the register's file is still of {published.day}; asked again at {now + timedelta(minutes=15):%H:%M}.")
        return []
    others = ("organisasjonsformer",) if kind == BULK[0] else ()
    return [_request((kind, *others), [today], f"{published.etag}:{now:%H}")]


def _events(days: Sequence[str], today: str, now: datetime, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """The feed gives any day; a day is asked for once it is over, also if it was before. Days in a row are one run."""
    held = product.datasets["oppdateringer"].history().current()
    spans: list[list[str]] = []
    before = None
    for day in days:
        if day < today and not (day in held and _is_whole(day, held[day], instance)):
            if before is None or len(spans[-1]) >= PARTITIONS_PER_RUN:
                spans.append([])
            spans[-1].append(day)
            before = day
        else:
            before = None
    return [_request(("oppdateringer",), span, f"{now:%Y-%m-%dT%H}") for span in spans]


def _is_whole(day: str, version: Version, instance: dg.DagsterInstance) -> bool:
    """Whether a day's events were fetched after its end. A fetch that found nothing new made no version, but Dagster knows of it."""
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), OSLO)
    if version.known_at >= end:
        return True
    key = product.datasets["oppdateringer"].declaration.key
    later = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day], after_timestamp=end.timestamp())
    return bool(instance.fetch_materializations(later, limit=1).records)


def _request(names: tuple[str, ...], days: Sequence[str], attempt: str) -> dg.RunRequest:
    keys: list[Any] = [product.datasets[name].declaration.key for name in names]
    first, last = days[0], days[-1]
    # one attempt an hour: a failed run is tried again, a running one is not doubled
    run_key = f"{names[0]}:{first if first == last else f'{first}..{last}'}:{attempt}"
    if first == last:
        return dg.RunRequest(run_key=run_key, partition_key=first, asset_selection=keys)
    span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.RunRequest(run_key=run_key, tags=span, asset_selection=keys)


product.add(enhetsregisteret_daily)
