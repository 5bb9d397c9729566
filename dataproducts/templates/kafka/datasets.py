"""The datasets of product_name: events hour by hour, orders when each day ends, and the sales that follow from them."""

import os

import dagster as dg
import polars as pl

import dataproducts as dp
from assets.product_name.schemas import Event, Order, Sales

product = dp.DataProduct(__file__)

FIRST = os.environ.get("PRODUCT_VARIABLE_START", "FIRST_DAY")
hourly = dg.HourlyPartitionsDefinition(f"{FIRST}-00:00", timezone="Europe/Oslo")
daily = dg.DailyPartitionsDefinition(FIRST, timezone="Europe/Oslo")
topic = dp.TopicInput("my-team.product_name-events", "An event for every change of an order.")


@product.dataset(schema=Event, partitions=hourly, source=topic, quarantine=1.0, row_change=None, schedule="3 * * * *")
def events(messages: dp.Messages) -> dp.Messages:
    """Every event of the hour; what cannot be read waits in quarantine."""
    return messages


@product.dataset(
    schema=Order,
    key="order_id",
    kind="snapshot",
    partitions=daily,
    inputs={"before": dp.previous()},
    automation=dg.AutomationCondition.eager(),
)
def orders(events: pl.LazyFrame, before: pl.LazyFrame) -> pl.LazyFrame:
    """The last that was said of each order: of yesterday's state and today's events."""
    said = events.sort("topic_partition", "topic_offset").select("order_id", "shop", "status", "amount", changed_at="sent_at")
    return pl.concat([before, said]).unique("order_id", keep="last", maintain_order=True)


@product.dataset(
    schema=Sales,
    key="shop",
    kind="snapshot",
    partitions=daily,
    automation=dg.AutomationCondition.eager(),
    ports=[dp.BigQuery(), dp.Topic("my-team.product_name-sales")],
)
def sales(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What each shop has sold, which leaves as a table and a topic."""
    paid = orders.filter(pl.col("status") == "paid")
    return paid.group_by("shop").agg(orders=pl.len().cast(pl.Int64), amount=pl.col("amount").sum())
