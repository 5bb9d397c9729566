"""What the datasets of product_name promise."""

from typing import Annotated

import pandera.polars as pa
import polars as pl

import dataproducts as dp

Amount = Annotated[pl.Decimal, 20, 2]
Moment = Annotated[pl.Datetime, "us", "UTC"]
STATES = ["placed", "paid", "cancelled"]


class Event(pa.DataFrameModel):
    """One message of the topic as it came, renamed and typed only."""

    topic_partition: int = dp.column("The part of the topic it lies in.", source="kafka.partition", ge=0)
    topic_offset: int = dp.column("Its place in that part.", source="kafka.offset", ge=0)
    sent_at: Moment = dp.column("When it was sent (UTC).", source="kafka.timestamp")
    order_id: str = dp.column("The order.", source="order", examples=["2026-01-01-3"])
    shop: str = dp.column("Where it was placed.", source="shop", examples=["Vestly"])
    status: str = dp.column("What became of the order.", source="status", isin=STATES)
    amount: Amount = dp.column("What it comes to.", source="amount", unit="NOK", ge=0)


class Order(pa.DataFrameModel):
    """An order as it was when the day ended."""

    order_id: str = dp.column("The order.", examples=["2026-01-01-3"])
    shop: str = dp.column("Where it was placed.", examples=["Vestly"])
    status: str = dp.column("What has become of it.", isin=STATES)
    amount: Amount = dp.column("What it comes to.", unit="NOK", ge=0)
    changed_at: Moment = dp.column("When that was said last (UTC).")


class Sales(pa.DataFrameModel):
    """What a shop had sold in all when the day ended."""

    shop: str = dp.column("The shop.", examples=["Vestly"])
    orders: int = dp.column("Orders that are paid.", unit="orders", ge=0)
    amount: Amount = dp.column("What they come to.", unit="NOK", ge=0)
