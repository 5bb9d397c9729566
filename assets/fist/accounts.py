"""What is made of the raw datasets, by SQL: facts, a dimension, balances, budget against actual, and what was bought of whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg

import dataproducts as dp
from assets.enhetsregisteret.datasets import enheter
from assets.fist.datasets import bilag, bilagslinjer, daily, product
from assets.fist.schemas import BudsjettMotFaktisk, DimKostnadssted, ForbrukPerNaering, Manedssaldo, Postering

WHEN_WHOLE = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
"""A day is made when all it is made of is there, and again when that changes, however old the day is."""

OF_A_DAY: dict[str, Any] = {
    "partitions": daily,
    "automation": WHEN_WHOLE,
    "freshness": timedelta(hours=36),
    "access": "internal",
}
NOBODY: dict[str, Any] = {"personal": "none", "personal_reason": "Beløp på kontoer og kostnadssteder; navn og leverandør er utelatt."}

posteringer = product.sql_dataset("sql/posteringer.sql", schema=Postering, title="Posteringer", row_change=None, **OF_A_DAY, **NOBODY)

dim_kostnadssted = product.sql_dataset(
    "sql/dim_kostnadssted.sql",
    schema=DimKostnadssted,
    kind="snapshot",
    version="2.0.0",
    materialized="view",  # nothing but names beside names: what the raw table holds already
    title="Kostnadssteder med hovedsted",
    **OF_A_DAY,
    **NOBODY,
)

manedssaldo = product.sql_dataset(
    "sql/manedssaldo.sql",
    schema=Manedssaldo,
    kind="snapshot",
    inputs={"posteringer": dp.until(posteringer)},
    title="Månedssaldo",
    ports=[dp.BigQuery(), dp.Package()],
    **OF_A_DAY,
    **NOBODY,
)

budsjett_mot_faktisk = product.sql_dataset(
    "sql/budsjett_mot_faktisk.sql",
    schema=BudsjettMotFaktisk,
    kind="snapshot",
    inputs={"posteringer": dp.until(posteringer)},
    title="Budsjett mot faktisk",
    ports=[dp.BigQuery(), dp.Package()],
    **OF_A_DAY,
    **NOBODY,
)

forbruk_per_naering = product.sql_dataset(
    "sql/forbruk_per_naering.sql",
    schema=ForbrukPerNaering,
    kind="snapshot",
    inputs={"bilag": dp.until(bilag), "bilagslinjer": dp.until(bilagslinjer), "enheter": enheter},
    suppression=dp.Suppression(count="leverandorer", threshold=3, columns=["belop"], within=["periode"]),
    title="Forbruk per næring",
    personal="anonymized",
    personal_reason="Summert per måned og næring; der det er færre enn tre leverandører, er antall og beløp skjult.",
    ports=[dp.BigQuery(), dp.Package()],
    **OF_A_DAY,
)
