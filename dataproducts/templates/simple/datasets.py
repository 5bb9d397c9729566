"""The datasets of product_name."""

from datetime import date

import dagster as dg
import polars as pl

import dataproducts as dp
from assets.product_name.schemas import Reading

product = dp.DataProduct(__file__)


@product.dataset(schema=Reading, key="station", partitions=dg.DailyPartitionsDefinition("FIRST_DAY", timezone="Europe/Oslo"))
def readings(partition: str) -> pl.DataFrame:
    """One day's temperature at every station."""
    day = date.fromisoformat(partition)
    return pl.DataFrame({"station": ["Nordby", "Vestly"], "day": day, "temperature": [day.day / 2, day.day / 3]})
