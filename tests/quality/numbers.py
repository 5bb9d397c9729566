"""Numbers with the right control digits, by the definition: the weighted sum with the control digit is divisible by 11."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl

FIRST, SECOND = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)


def closed(digits: str, weights: Sequence[int]) -> str | None:
    """The digits with the control digit that closes the sum; None where no digit does."""
    for last in "0123456789":
        if sum(int(d) * w for d, w in zip(digits + last, weights, strict=True)) % 11 == 0:
            return digits + last
    return None


def identity(rng: random.Random, *, day: int = 0, month: int = 0) -> str:
    """An identity number; `day` and `month` are what is added to them: 40 for a D-number, 40, 80, 20 or 60 for a synthetic month."""
    while True:
        born = f"{rng.randint(1, 28) + day:02}{rng.randint(1, 12) + month:02}{rng.randint(0, 99):02}{rng.randint(0, 999):03}"
        if (once := closed(born, FIRST)) and (twice := closed(once, SECOND)):
            return twice


def account(rng: random.Random) -> str:
    """A bank account number that is no identity number: its fifth and sixth digit are those of a day no month has."""
    while True:
        if number := closed(f"9{rng.randint(0, 999_999_999):09}", SECOND):
            return number


def everything_under(folder: Path) -> str:
    """All that is written there, with what is in Parquet files as it reads."""
    texts = []
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            texts.append(str(pl.read_parquet(path).to_dicts()))
        elif path.is_file():
            texts.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(texts)
