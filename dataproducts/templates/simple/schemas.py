"""What the datasets of product_name promise."""

import pandera.polars as pa
import polars as pl

import dataproducts as dp


class Reading(pa.DataFrameModel):
    """The temperature at a station on a day."""

    station: str = dp.column("The station's name.", examples=["Vestly"])
    day: pl.Date = dp.column("The day of the reading.")
    temperature: float = dp.column("Mean of the day.", unit="°C", in_range={"min_value": -60, "max_value": 60})
