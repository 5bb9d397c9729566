"""When the tables are read: in the early hours, the state of the day and every day of entries that is over and missing."""

from __future__ import annotations

from itertools import takewhile

import dagster as dg

from assets.fist.datasets import TIME_ZONE, bilag, bilagslinjer, budsjett, daily, kontoplan, kostnadssteder, leverandorer, product
from dataproducts.dataset import PARTITIONS_PER_RUN

STATES = (kontoplan, kostnadssteder, leverandorer, budsjett)
ENTRIES = (bilag, bilagslinjer)

HOURS = "10 0-6 * * *"
"""A failed run is tried again an hour later, until the morning."""


@dg.schedule(
    name="fist_states",
    cron_schedule=HOURS,
    execution_timezone=TIME_ZONE,
    target=dg.AssetSelection.assets(*(dataset.key for dataset in STATES)),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The state of today, of what is changed in place: a day that was missed cannot be had any more.",
)
def fist_states(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request those that today is missing of."""
    now = context.scheduled_execution_time
    today = f"{now:%Y-%m-%d}"
    missing = [dataset.key for dataset in STATES if today not in dataset.history().current()]
    if not missing:
        return dg.SkipReason(f"the state of {today} is in place")
    return dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H%z}", partition_key=today, asset_selection=missing)


@dg.schedule(
    name="fist_entries",
    cron_schedule=HOURS,
    execution_timezone=TIME_ZONE,
    target=dg.AssetSelection.assets(*(dataset.key for dataset in ENTRIES)),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The day that is over, and those before it that are missing, in order: each begins where the one before it ended.",
)
def fist_entries(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request the missing days as one run; what is more than a run's worth waits for the next tick."""
    now = context.scheduled_execution_time
    days = daily.get_partition_keys(current_time=now)
    held = [dataset.history().current() for dataset in ENTRIES]
    begun = len(list(takewhile(lambda day: all(day in of_one for of_one in held), days)))
    missing = days[begun:][:PARTITIONS_PER_RUN]
    if not missing:
        return dg.SkipReason("every day that is over is in place")
    first, last = missing[0], missing[-1]
    run_key = f"{first}..{last}:{now:%Y-%m-%dT%H%z}"
    if first == last:
        return dg.RunRequest(run_key=run_key, partition_key=first)
    span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.RunRequest(run_key=run_key, tags=span)


product.add(fist_states, fist_entries)
