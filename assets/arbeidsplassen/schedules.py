"""When the events are read: shortly after every hour, and with them the hours that were missed. The days follow by themselves."""

from __future__ import annotations

from itertools import takewhile

import dagster as dg

from assets.arbeidsplassen.datasets import MONTH_OF_HOURS, TIME_ZONE, hourly, product, stillingshendelser


@dg.schedule(
    name="arbeidsplassen_hourly",
    cron_schedule="3 * * * *",
    execution_timezone=TIME_ZONE,
    target=dg.AssetSelection.assets(stillingshendelser.key),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The hour that is over, and those before it that are missing, in order: each begins where the one before it ended.",
)
def arbeidsplassen_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request the missing hours as one run; what is more than a run's worth waits for the next tick."""
    now = context.scheduled_execution_time
    hours = hourly.get_partition_keys(current_time=now)
    held = stillingshendelser.history().current()
    begun = len(list(takewhile(held.__contains__, hours)))
    missing = [hour for hour in hours[begun:] if hour not in held][:MONTH_OF_HOURS]
    if not missing:
        return dg.SkipReason("every hour that is over is in place")
    first, last = missing[0], missing[-1]
    run_key = f"{first}..{last}:{now:%Y-%m-%dT%H%z}"  # one attempt an hour: a failed run is tried again
    if first == last:
        return dg.RunRequest(run_key=run_key, partition_key=first)
    span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.RunRequest(run_key=run_key, tags=span)


product.add(arbeidsplassen_hourly)
