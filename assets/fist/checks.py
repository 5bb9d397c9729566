"""What has to hold between the raw datasets, beside the rules of each: the books balance, and everything named in them is there."""

# annotations are not text here: Dagster looks at that of `context`

from typing import Any

import dagster as dg
import polars as pl

from assets.fist.datasets import bilag, bilagslinjer, kontoplan, kostnadssteder, leverandorer, product
from dataproducts.dataset import Dataset
from dataproducts.history.ledger import Version

NEWEST = 31
"""Days that are looked at where the run has none of its own."""
SHOWN = 5


@dg.asset_check(
    asset=bilagslinjer.key,
    name="entries_balance",
    description="The lines of every entry sum to zero, and there are at least two of them.",
)
def entries_balance(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Sum each entry of the run's days."""
    of_days = _of_days(context, bilagslinjer)
    lines = _rows(bilagslinjer, of_days, ["bilagsnummer", "belop"])
    sums = lines.group_by("bilagsnummer").agg(pl.col("belop").sum(), pl.len().alias("linjer"))
    wrong = sums.filter((pl.col("belop") != 0) | (pl.col("linjer") < 2))
    return _result(of_days, "entries", sums.height, wrong["bilagsnummer"], "do not balance")


@dg.asset_check(
    asset=bilagslinjer.key,
    name="lines_have_their_entry",
    description="Every line has its entry on the same day, and every entry of the day has lines.",
    additional_deps=[bilag.key],
)
def lines_have_their_entry(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Hold the entries of each day against those its lines name."""
    of_days = _of_days(context, bilagslinjer)
    entries = bilag.history().current(major=bilag.contract.version.major)
    keys = ["_partition", "bilagsnummer"]
    named = _rows(bilagslinjer, of_days, keys).unique()
    there = _rows(bilag, [entries[v.partition] for v in of_days if v.partition in entries], keys)
    wrong = pl.concat([named.join(there, on=keys, how="anti"), there.join(named, on=keys, how="anti")])
    return _result(of_days, "entries", named.height, wrong["bilagsnummer"], "have lines without an entry, or an entry without lines")


@dg.asset_check(
    asset=bilagslinjer.key,
    name="lines_have_their_account",
    description="The account and cost center of every line are in the newest chart of accounts and list of cost centers.",
    additional_deps=[kontoplan.key, kostnadssteder.key],
)
def lines_have_their_account(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Accounts and cost centers are closed but never removed, so the newest list has those of every day."""
    of_days = _of_days(context, bilagslinjer)
    lines = _rows(bilagslinjer, of_days, ["kontonummer", "kostnadssted"])
    accounts = _unknown(lines["kontonummer"], kontoplan, "kontonummer")
    centers = _unknown(lines["kostnadssted"], kostnadssteder, "kostnadssted")
    return _result(of_days, "lines", lines.height, pl.concat([accounts, centers]), "are accounts or cost centers that are not known")


@dg.asset_check(
    asset=bilag.key,
    name="entries_have_their_vendor",
    description="The vendor of every entry is in the newest list of vendors.",
    additional_deps=[leverandorer.key],
)
def entries_have_their_vendor(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Vendors are blocked but never removed. Their numbers may be those of a person, so only how many is said."""
    of_days = _of_days(context, bilag)
    named = _rows(bilag, of_days, ["leverandornummer"])["leverandornummer"]
    unknown = _unknown(named, leverandorer, "leverandornummer").len()
    metadata: dict[str, Any] = {"days": len(of_days), "entries": named.len(), "vendors that are not known": unknown}
    return dg.AssetCheckResult(passed=not unknown, metadata=metadata)


@dg.asset_check(
    asset=bilag.key,
    name="numbers_are_unbroken",
    description="The numbers of the entries run on without a gap, within a day and from the day before.",
)
def numbers_are_unbroken(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """An entry that was removed, or came late, leaves a gap; bookkeeping rules ask for an unbroken series."""
    of_days = _of_days(context, bilag)
    current = bilag.history().current(major=bilag.contract.version.major)
    asked = {v.partition for v in of_days}
    before = [day for day in sorted(current) if of_days and day < min(asked) and current[day].rows][-1:]
    numbers = _rows(bilag, [*(current[day] for day in before), *of_days], ["_partition", "bilagsnummer"]).sort("bilagsnummer")
    gaps = numbers.filter((pl.col("bilagsnummer").diff() != 1) & pl.col("_partition").is_in(list(asked)))
    return _result(of_days, "entries", numbers.height, gaps["bilagsnummer"], "come after a gap")


def _of_days(context: dg.AssetCheckExecutionContext, dataset: Dataset) -> list[Version]:
    """The newest versions of the run's days, or of the newest month."""
    run = context.op_execution_context
    asked = set(run.partition_keys) if run.has_partition_key or run.has_partition_key_range else set()
    current = dataset.history().current(major=dataset.contract.version.major)
    days = [day for day in sorted(current) if not asked or day in asked]
    return [current[day] for day in (days if asked else days[-NEWEST:])]


def _rows(dataset: Dataset, versions: list[Version], columns: list[str]) -> pl.DataFrame:
    if not versions:
        return pl.DataFrame(schema={name: dataset.contract.dtypes.get(name, pl.String()) for name in columns})
    return dataset.history().collect(versions, columns)


def _unknown(named: pl.Series, dataset: Dataset, column: str) -> pl.Series:
    """What is named and is not in the newest snapshot; everything where there is none."""
    current = dataset.history().current(major=dataset.contract.version.major)
    known = _rows(dataset, [current[max(current)]] if current else [], [column])[column]
    used = named.drop_nulls().unique().sort()
    return used.filter(~used.is_in(known.implode()))


def _result(of_days: list[Version], what: str, count: int, wrong: pl.Series, words: str) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"days": len(of_days), what: count}
    if wrong.len():
        more = f" and {wrong.len() - SHOWN} more" if wrong.len() > SHOWN else ""
        metadata["wrong"] = f"{', '.join(str(v) for v in wrong.sort().head(SHOWN))}{more} {words}"
    return dg.AssetCheckResult(passed=not wrong.len(), metadata=metadata)


product.add(entries_balance, lines_have_their_entry, lines_have_their_account, entries_have_their_vendor, numbers_are_unbroken)
