"""The datasets of product_name: what comes from inside, kept as it came, and an aggregate that everybody may see."""

import dagster as dg

import dataproducts as dp
from assets.product_name.schemas import Borrowed, Loan, Member
from assets.product_name.source import loans_of, members_of

product = dp.DataProduct(__file__)

daily = dg.DailyPartitionsDefinition("FIRST_DAY", timezone="Europe/Oslo")


@product.dataset(schema=Member, key="member", kind="snapshot", partitions=daily)
def members(partition: str) -> list[dict]:
    """The members as they were that day."""
    return members_of(partition)


@product.dataset(schema=Loan, key="loan", partitions=daily)
def loans(partition: str) -> list[dict]:
    """The loans of that day."""
    return loans_of(partition)


members_history = product.history(members)

borrowed = product.sql_dataset(
    "sql/borrowed.sql",
    schema=Borrowed,
    key=["day", "municipality"],
    partitions=daily,
    automation=dg.AutomationCondition.eager(),
    suppression=dp.Suppression(count="members", threshold=3, columns=["loans"]),
    access="open",
    personal="anonymized",
    personal_reason="Counts by municipality; those of fewer than three members are hidden.",
    ports=[dp.Package()],
)
