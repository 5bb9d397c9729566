"""The organization number: its form and its check digit, as rules that run over a whole column."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

FORM = "^[89][0-9]{8}$"
"""Nine digits, the first 8 or 9. ASCII digits only: `\\d` would let other scripts through."""

WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
"""Weights of the first eight digits; the ninth is the check digit."""

MOD11 = "kontrollsifferet stemmer (modulus 11 med vektene 3, 2, 7, 6, 5, 4, 3, 2)"


def is_valid(number: pl.Expr) -> pl.Expr:
    """Whether a text is an organization number with the right check digit; null for null, never an error.

    The check digit makes the weighted sum of all nine digits divisible by 11; where that would take a ten, no such
    number is issued.
    """
    digits = number.cast(pl.UInt32, strict=False)  # null where it is no number; nine digits fit in 32 bits
    weighted = pl.sum_horizontal(digits // 10 ** (8 - place) % 10 * weight for place, weight in enumerate((*WEIGHTS, 1)))
    return pl.when(number.is_not_null()).then(number.str.contains(FORM) & (weighted % 11 == 0))


def check_digits(data: pa.PolarsData) -> pl.LazyFrame:
    """The body of a pandera check of one column."""
    return data.lazyframe.select(is_valid(pl.col(data.key)))
