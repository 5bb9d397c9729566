"""What changed between two states of a dataset: inserts, updates and deletes by key."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

CHANGE, CHANGED = "_change", "_changed_columns"


def difference(before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Rows that differ, by key: `_change` (insert, update, delete), `_changed_columns`, then the columns.

    Inserts and updates show the new values, deletes the last ones. A missing value equals a missing value.
    """
    key = list(key)
    names = after.columns
    rest = [n for n in names if n not in key]
    inserts = after.join(before.select(key), on=key, how="anti", nulls_equal=True)
    deletes = before.join(after.select(key), on=key, how="anti", nulls_equal=True)
    no_columns = pl.lit([], pl.List(pl.String)).alias(CHANGED)
    parts = [
        inserts.select(pl.lit("insert").alias(CHANGE), no_columns, *names),
        deletes.select(pl.lit("delete").alias(CHANGE), no_columns, *names),
    ]
    if rest:
        old = {n: f"\x00{n}" for n in rest}  # no promised column can have such a name
        both = after.join(before.rename(old), on=key, how="inner", nulls_equal=True)
        differs = {n: ~pl.col(n).eq_missing(pl.col(old[n])) for n in rest}
        updates = both.filter(pl.any_horizontal(differs.values())).with_columns(
            pl.concat_list([pl.when(d).then(pl.lit(n)).otherwise(pl.lit(None, pl.String)) for n, d in differs.items()])
            .list.drop_nulls()
            .alias(CHANGED)
        )
        parts.append(updates.select(pl.lit("update").alias(CHANGE), CHANGED, *names))
    return pl.concat(parts).sort(key)
