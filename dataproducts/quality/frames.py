"""What authors may return, as polars frames: pandas, polars (lazy too), Arrow, DuckDB, records, or an iterator of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from dataproducts.errors import ContractBreach

BATCH_ROWS = 262_144

Records = list[Any]


def batches(value: Any, dataset: str) -> Iterator[pl.DataFrame | Records]:
    """The frames or lists of records in `value`, in order; memory holds one at a time where the author's type allows it."""
    if isinstance(value, pl.DataFrame):
        yield value
    elif isinstance(value, pl.LazyFrame):
        yield from value.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
    elif isinstance(value, list) and not (value and _is_frame(value[0])):
        yield value
    elif (single := _single(value, dataset)) is not None:
        yield single
    elif hasattr(value, "fetch_arrow_reader") or type(value).__name__ == "DuckDBPyRelation":
        reader = value.to_arrow_reader(BATCH_ROWS) if hasattr(value, "to_arrow_reader") else value.fetch_arrow_reader(BATCH_ROWS)
        for batch in reader:
            yield _polars(batch)
    elif isinstance(value, Iterator) or (hasattr(value, "__iter__") and not isinstance(value, Mapping | str | bytes)):
        for part in value:
            yield from batches(part, dataset)
    else:
        raise ContractBreach(
            f"{dataset}: the function returned {_called(value)}; return a pandas or polars frame, a lazy frame, an Arrow table, "
            "a DuckDB relation, a list of records, or an iterator of these"
        )


def _is_frame(value: Any) -> bool:
    return isinstance(value, pl.DataFrame | pl.LazyFrame) or type(value).__module__.partition(".")[0] in ("pandas", "pyarrow")


def _single(value: Any, dataset: str) -> pl.DataFrame | None:
    module = type(value).__module__.partition(".")[0]
    try:
        if module == "pandas":
            if not hasattr(value, "columns"):
                return None
            return _from_pandas(value)
        if module == "pyarrow" and type(value).__name__ in ("Table", "RecordBatch"):
            return _polars(value)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:  # Arrow's own errors are ValueErrors
        raise ContractBreach(
            f"{dataset}: the {module} frame returned cannot be read ({str(error).splitlines()[0]}); "
            "give every column one name and values of one type"
        ) from error
    return None


def _from_pandas(value: Any) -> pl.DataFrame:
    """pandas turns integers with gaps into floats and has no missing text; both come back as they were meant."""
    frame: pl.DataFrame = pl.from_pandas(value.reset_index(drop=True), nan_to_null=True)
    whole = [
        name
        for name, dtype in frame.schema.items()
        if dtype == pl.Float64
        and str(value[name].dtype) == "float64"
        and frame[name].null_count()
        and bool((frame[name].drop_nulls() == frame[name].drop_nulls().round(0)).all())
        and bool((frame[name].drop_nulls().abs() <= 2**53).all())
    ]
    return frame.with_columns(pl.col(whole).cast(pl.Int64).name.keep()) if whole else frame


def _polars(value: Any) -> pl.DataFrame:
    frame: pl.DataFrame = pl.DataFrame(value)
    return frame


def _called(value: Any) -> str:
    return "nothing" if value is None else f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"
