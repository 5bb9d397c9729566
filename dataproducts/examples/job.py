"""The Dagster job `examples`: every morning all examples run against what is published, and the catalog shows what they showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import dagster as dg

from dataproducts.examples import forgetting, personal, running

if TYPE_CHECKING:
    from dataproducts.product import DataProduct

NAME = "examples"
AT_ONCE = 2  # processes, each with frames of its own
CRON, TIME_ZONE = "30 7 * * *", "Europe/Oslo"  # when the night's data is there


def definitions(products: Mapping[str, DataProduct]) -> dg.Definitions:
    """The job and its schedule, which is on from the start; nothing where no product has examples that run."""
    if not any(running.files(product.folder) for product in products.values()):
        return dg.Definitions()

    @dg.op(name="run_examples")
    def run_examples(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
        broken = run_all(products, context.log.info)
        if broken:
            raise dg.Failure("\n".join(broken), allow_retries=False)

    @dg.job(name=NAME, description="Run the examples of use of every product, and keep what they show for the catalog.")
    def job() -> None:
        run_examples()

    schedule = dg.ScheduleDefinition(
        name=f"{NAME}_daily",
        job=job,
        cron_schedule=CRON,
        execution_timezone=TIME_ZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def run_all(products: Mapping[str, DataProduct], log: Callable[[str], object]) -> list[str]:
    """Run and keep them all; gives in sentences which do not pass. `log` is called with a line for each."""
    broken = []
    for name in sorted(products):
        outcomes = []
        paths = running.files(products[name].folder)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for path, ran in zip(paths, pool.map(running.run, paths), strict=True):
                outcome = personal.refused(ran, path.read_text(encoding="utf-8", errors="replace"), products)
                outcomes.append(outcome)
                log(f"{name}/{path.name}: {outcome.problem or f'passed in {outcome.seconds:.1f} s'}")
                if outcome.problem:
                    broken.append(f"{name}: {outcome.problem}")
        if outcomes and not forgetting.keep(name, products[name].folder, outcomes):
            log(f"{name}: somebody is being erased from what its examples read, so what they showed is not kept; run them again afterwards")
    return broken
