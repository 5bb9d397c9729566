"""What has to hold between the datasets, beside the rules of each."""

# annotations are not text here: Dagster looks at that of `context`

import dagster as dg

from assets.arbeidsplassen.datasets import product, stillinger, stillinger_per_naering

NEWEST = 31
"""Days that are looked at where the run has none of its own."""


@dg.asset_check(
    asset=stillinger_per_naering.key,
    name="sums_to_active_ads",
    description="The counts of a day sum to the active ads, and to their positions, of the version they were made from.",
)
def sums_to_active_ads(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Hold the sums of each day against the very ads it was made from: of the run's days, or of the newest month."""
    run = context.op_execution_context
    asked = set(run.partition_keys) if run.has_partition_key or run.has_partition_key_range else set()
    counts, of_ads = stillinger_per_naering.history(), stillinger.history()
    current = counts.current(major=stillinger_per_naering.contract.version.major)
    days = [day for day in sorted(current) if not asked or day in asked]
    days = days if asked else days[-NEWEST:]
    versions = {(v.partition, v.number): v for v in of_ads.versions()}
    differing: dict[str, str] = {}
    for day in days:
        used = [versions[partition, number] for partition, number in current[day].note["inputs"][stillinger.contract.dataset]]
        active = of_ads.collect(used, ["aktiv", "antall_stillinger"]).filter("aktiv")
        counted = counts.collect([current[day]], ["antall_annonser", "antall_stillinger"]).sum()
        ours, theirs = counted.row(0), (active.height, active["antall_stillinger"].sum())
        if ours != theirs:
            differing[day] = f"{ours[0]:,} ads with {ours[1]:,} positions are counted, and {theirs[0]:,} with {theirs[1]:,} are active"
    return dg.AssetCheckResult(passed=not differing, metadata={"days": len(days), **differing})


product.add(sums_to_active_ads)
