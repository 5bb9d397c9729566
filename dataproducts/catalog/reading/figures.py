"""Profiles as they may be shown."""

from __future__ import annotations

from typing import Any

from dataproducts.messages import ColumnFigures
from dataproducts.product_facts import PersonalData


def open_figures(profile: Any, body: Any) -> tuple[ColumnFigures, ...]:
    """A stored profile as it may be shown: of columns that are personal, or that the contract does not have, only the missing values.

    Publishers leave those values out themselves; this is for one that does not. A column that states no class is open where its dataset is.
    """
    classes = {column["name"]: column["personal"] or body["personal"] for column in body["contract"]["columns"]} if body else {}
    figures = (ColumnFigures.model_validate(one) for one in profile or ())
    return tuple(
        one if classes.get(one.name) in (PersonalData.NONE, PersonalData.ANONYMIZED) else ColumnFigures(name=one.name, nulls=one.nulls)
        for one in figures
    )
