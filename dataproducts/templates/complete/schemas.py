"""What the datasets of product_name promise."""

import pandera.polars as pa
import polars as pl

import dataproducts as dp


class Member(pa.DataFrameModel):
    """A member as the membership system has it."""

    member: int = dp.column("Number of the member.", source="id", personal="possibly_identifying", ge=1)
    name: str = dp.column("Name.", source="name", personal="directly_identifying")
    municipality: str = dp.column("Where the member lives.", source="address.municipality", personal="none", examples=["Vestly"])


class Loan(pa.DataFrameModel):
    """A book that was borrowed that day."""

    loan: int = dp.column("Number of the loan.", source="id", personal="none", ge=1)
    member: int = dp.column("Who borrowed it.", source="member", personal="possibly_identifying", ge=1)
    title: str = dp.column("The book.", source="title", personal="none")


class Borrowed(pa.DataFrameModel):
    """What was borrowed in a municipality on a day."""

    day: pl.Date = dp.column("The day.", personal="none")
    municipality: str = dp.column("Where the members live.", personal="none", examples=["Vestly"])
    members: int = dp.column("Members who borrowed; missing where they are fewer than three.", personal="none", nullable=True, ge=0)
    loans: int = dp.column("Books they borrowed; missing where the members are.", personal="none", nullable=True, ge=0)
