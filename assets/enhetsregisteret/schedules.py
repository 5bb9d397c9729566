"""When the datasets are made: after the register's nightly build, and again for what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from assets.enhetsregisteret.datasets import OSLO, daily, product
from assets.enhetsregisteret.register import Kind, Register

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
    requests += _events(days, today, now)
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
    return [_request((kind, *others), today, f"{published.etag}:{now:%H}")]


def _events(days: Sequence[str], today: str, now: datetime) -> list[dg.RunRequest]:
    """The feed gives any day; a day is asked for once it is over."""
    held = product.datasets["oppdateringer"].history().current()
    return [_request(("oppdateringer",), d, f"{now:%Y-%m-%dT%H}") for d in days if d < today and d not in held]


def _request(names: tuple[str, ...], day: str, attempt: str) -> dg.RunRequest:
    keys: list[Any] = [product.datasets[name].declaration.key for name in names]
    # one attempt an hour: a failed run is tried again, a running one is not doubled
    return dg.RunRequest(run_key=f"{names[0]}:{day}:{attempt}", partition_key=day, asset_selection=keys)


product.add(enhetsregisteret_daily)
