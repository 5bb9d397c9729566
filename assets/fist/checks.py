"""What has to hold between the datasets, beside the rules of each: the books balance, what they name is there, and sums tie to them."""

# annotations are not text here: Dagster looks at that of `context`

from typing import Any

import dagster as dg
import polars as pl

from assets.fist.accounts import budsjett_mot_faktisk, manedssaldo, posteringer
from assets.fist.datasets import bilag, bilagslinjer, budsjett, kontoplan, kostnadssteder, leverandorer, product
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


@dg.asset_check(
    asset=manedssaldo.key,
    name="periods_tie_to_the_journal",
    description="Every period sums to zero over all accounts, and each account has what the journal has until that day.",
    additional_deps=[bilag.key, bilagslinjer.key],
)
def periods_tie_to_the_journal(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Sum the raw lines anew, for each day of the run those that were known when it was over."""
    of_days = _of_days(context, manedssaldo)
    until = max((v.partition for v in of_days), default="")
    entries = _rows(bilag, _until(bilag, until), ["bilagsnummer", "periode"])
    lines = _rows(bilagslinjer, _until(bilagslinjer, until), ["_partition", "bilagsnummer", "kontonummer", "belop"])
    journal = lines.join(entries, on="bilagsnummer", how="left").with_columns(
        pl.col("periode").fill_null("without an entry"),
        pl.col("belop").clip(lower_bound=0).alias("debet"),
        (-pl.col("belop")).clip(lower_bound=0).alias("kredit"),
    )
    keys, amounts = ["periode", "kontonummer"], ["debet", "kredit"]
    daily = journal.group_by("_partition", *keys).agg(pl.col(amounts).sum())
    wrong = []
    for version in of_days:
        balances = _rows(manedssaldo, [version], [*keys, *amounts, "bevegelse"])
        summed = daily.filter(pl.col("_partition") <= version.partition).group_by(keys).agg(pl.col(amounts).sum())
        wrong.append(_apart(balances, summed, keys, amounts).select(_place(version, "periode")))
        skewed = balances.group_by("periode").agg(pl.col("bevegelse").sum()).filter(pl.col("bevegelse") != 0)
        wrong.append(skewed.select(_place(version, "periode")))
    return _result(of_days, "lines", lines.height, _all(wrong), "do not tie to the journal")


@dg.asset_check(
    asset=budsjett_mot_faktisk.key,
    name="budget_ties",
    description="The planned and the actual amounts of each month are those of the budget of that day and of the postings until it.",
    additional_deps=[budsjett.key, posteringer.key],
)
def budget_ties(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Sum both sides anew per month: what one of them lacks must not be lost from the other."""
    of_days = _of_days(context, budsjett_mot_faktisk)
    plans = budsjett.history().current(major=budsjett.contract.version.major)
    posted = _rows(
        posteringer,
        _until(posteringer, max((v.partition for v in of_days), default="")),
        ["_partition", "periode", "kostnadssted", "belop"],
    )
    spent = posted.filter(pl.col("kostnadssted").is_not_null())
    daily = spent.group_by("_partition", "periode").agg(pl.col("belop").sum().alias("faktisk"))
    wrong, rows, amounts = [], 0, ["faktisk", "budsjett"]
    for version in of_days:
        compared = _rows(budsjett_mot_faktisk, [version], ["periode", *amounts])
        rows += compared.height
        plan = _rows(budsjett, [plans[version.partition]] if version.partition in plans else [], ["periode", "belop"])
        sides = pl.concat(
            [
                daily.filter(pl.col("_partition") <= version.partition).select("periode", "faktisk"),
                plan.select("periode", pl.col("belop").alias("budsjett")),
            ],
            how="diagonal",
        )
        ours, theirs = (side.group_by("periode").agg(pl.col(amounts).fill_null(0).sum()) for side in (compared, sides))
        wrong.append(_apart(ours, theirs, ["periode"], amounts).select(_place(version, "periode")))
    return _result(of_days, "rows", rows, _all(wrong), "do not tie to the budget or the postings")


def _until(dataset: Dataset, day: str) -> list[Version]:
    """The newest versions of the days up to and with that one."""
    current = dataset.history().current(major=dataset.contract.version.major)
    return [current[one] for one in sorted(current) if one <= day]


def _apart(ours: pl.DataFrame, theirs: pl.DataFrame, keys: list[str], amounts: list[str]) -> pl.DataFrame:
    """The keys at which an amount differs; what is on one side only differs from 0."""
    both = ours.select(*keys, *amounts).join(theirs, on=keys, how="full", coalesce=True, suffix="_there").fill_null(0)
    return both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_there") for name in amounts))


def _place(version: Version, column: str) -> pl.Expr:
    return pl.format("{} on {}", column, pl.lit(version.partition)).alias("wrong")


def _all(wrong: list[pl.DataFrame]) -> pl.Series:
    return pl.concat([pl.DataFrame(schema={"wrong": pl.String()}), *wrong])["wrong"].unique()


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


product.add(
    entries_balance,
    lines_have_their_entry,
    lines_have_their_account,
    entries_have_their_vendor,
    numbers_are_unbroken,
    periods_tie_to_the_journal,
    budget_ties,
)
