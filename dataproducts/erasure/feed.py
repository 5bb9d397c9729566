"""Sources that say whom to forget: a sensor that looks for them, and a job that erases them and finishes what was interrupted."""

# annotations are not text here: Dagster looks at that of `context`

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from dataproducts import settings

Found = Callable[[], Mapping[str, Sequence[str]]]
"""Keys by dataset ("product/dataset"), as `dataproducts erase` takes them; none once they are erased."""


def erasure_feed(
    name: str, *, found: Found, reason: str, ground: str, every: int = 600, only_personal: bool = False
) -> dg.SensorDefinition:
    """A sensor, on from the start, that has the keys erased which `found` gives, every so many seconds.

    `product.add(dp.erasure_feed("removed_units", found=..., reason=..., ground=...))`. The job looks for the keys itself, so none of them
    is written into a run's configuration. A key that is in no version is registered all the same: the source may deliver it again.
    With `only_personal` the rows stay, and the values of their personal columns go.
    """

    @dg.op(name=f"{name}_erase", description=reason)
    def erase(context: dg.OpExecutionContext) -> None:
        from dataproducts.erasure import erasing
        from dataproducts.erasure.here import here

        unfinished: list[str] = []
        with here(context.instance) as world:
            reports = erasing.resume(world, context.log.info)
            for dataset, keys in found().items():
                plan = erasing.plan(world, dataset, [(name, key) for key in keys], lenient=True, only_personal=only_personal)
                reports.append(erasing.erase(plan, reason=reason, ground=ground, who=name, say=context.log.info))
            unfinished = [text for report in reports for text in report.unfinished]
        rows = sum(place.removed for report in reports for place in report.places)
        context.add_output_metadata({"erasures": len(reports), "rows": rows})
        if unfinished:
            raise dg.Failure(f"{unfinished[0]}; the erasure is begun, and the next run goes on with it", allow_retries=True)

    @dg.job(name=f"{name}_erasure", description=reason)
    def job() -> None:
        erase()

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=every,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Erases whom the source says to forget. {reason}",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from datetime import UTC, datetime

        from dataproducts.erasure.registry import Registry
        from dataproducts.erasure.secret import secret

        begun = sorted(Registry(settings.lake()).refresh().open())
        keys = sorted(f"{dataset} {key}" for dataset, of_dataset in found().items() for key in of_dataset)
        if not begun and not keys:
            return dg.SkipReason("there is nobody to erase")
        # the same once an hour: what fails is tried again, and a running one is not doubled
        (what,) = secret(make=True).hashed(["\n".join([*begun, *keys])])
        return dg.RunRequest(run_key=f"{what[:16]}:{datetime.now(UTC):%Y-%m-%dT%H}")

    return sensor
