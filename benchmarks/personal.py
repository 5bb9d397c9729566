"""Look for personal data, make pseudonyms, and what the scan adds to a load.

Floors: one regular expression over the same texts; SHA-256 twice over the same values in DuckDB, which is how HMAC is written in SQL; the
same load without the scan.
"""

from __future__ import annotations

import logging
from time import perf_counter
from unittest.mock import patch

import duckdb
import numpy as np
import pandera.polars as pa
import polars as pl

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers
from benchmarks.sales import contract as sales_contract
from benchmarks.sales import sales
from dataproducts.contract import Contract
from dataproducts.materialization import Limits, Materializer
from dataproducts.pseudonym import Key, Keys, Pseudonym, pseudonyms_of
from dataproducts.quality import personal_data

ROWS = {"small": 10_000, "full": 500_000}
VALUES = {"small": 20_000, "full": 1_000_000}
KEY = Key("2026", bytes(range(32)))


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Five columns of texts that hold nothing to find; values that all differ; the sales of `bulk`."""
    frame = texts(ROWS[size])
    scanned = by_turns(rounds, {"ours": lambda: _scan(frame), "floor": lambda: _expression(frame)})
    values = pl.Series("value", [f"{n:011}" for n in range(VALUES[size])])
    named = by_turns(rounds, {"ours": lambda: _pseudonyms(values), "floor": lambda: _in_sql(values)})
    rows = sales(ROWS[size])
    loaded = by_turns(rounds, {"ours": lambda: _load(rows), "floor": lambda: _load_unseen(rows)})
    several = frame.height * frame.width
    return [
        Comparison(
            "personal scan",
            f"look for personal data in {several:,} texts of five columns",
            **scanned,
            floor_is="one regular expression over them",
            target=several / 1e6,
            target_is_seconds=True,
            rounds=rounds,
        ),
        Comparison(
            "personal pseudonyms",
            f"make pseudonyms of {values.len():,} values that all differ",
            **named,
            floor_is="SHA-256 twice in DuckDB",
            target=values.len() / 1e6,
            target_is_seconds=True,
            rounds=rounds,
        ),
        Comparison(
            "personal in bulk",
            f"load, validate, hash and commit {rows.height:,} rows x 8 columns with the scan",
            **loaded,
            floor_is="the same without it",
            target=1.2,
            rounds=rounds,
        ),
    ]


def texts(rows: int) -> pl.DataFrame:
    """Organization numbers, names of businesses, sentences, codes and references."""
    random = np.random.default_rng(1)
    frame = pl.DataFrame({n: random.integers(0, 10**9, rows) for n in ("organization", "business", "sentence", "code", "reference")})
    return frame.select(
        pl.col("organization").cast(pl.String).str.zfill(9),
        pl.format("Bedrift {} AS", pl.col("business") % 500_000).alias("business"),
        pl.format("Saken ble behandlet i møte {}, og beløpet er kr {} eksklusive avgift", "sentence", pl.col("sentence") % 9_999).alias(
            "sentence"
        ),
        pl.format("{}", pl.col("code") % 400).alias("code"),
        pl.format("REF-{}-{}", pl.col("reference"), pl.col("reference") % 97).alias("reference"),
    )


def _scan(frame: pl.DataFrame) -> float:
    schema = pa.DataFrameSchema({name: pa.Column(str) for name in frame.columns})
    contract = Contract.of(schema, dataset="benchmark/texts")
    start = perf_counter()
    looked = personal_data.look([frame], frame.height, contract)
    seconds = perf_counter() - start
    assert not looked.found
    assert looked.rows == frame.height
    return seconds


def _expression(frame: pl.DataFrame) -> float:
    start = perf_counter()
    frame.select(pl.all().str.contains(r"[0-9]{6} ?[0-9]{5}").sum())
    return perf_counter() - start


def _pseudonyms(values: pl.Series) -> float:
    start = perf_counter()
    made, _ = pseudonyms_of(values, Pseudonym("benchmark", digits=11), Keys("benchmark", (KEY,)))
    seconds = perf_counter() - start
    assert made.n_unique() == values.len()
    return seconds


def _in_sql(values: pl.Series) -> float:
    padded = KEY.secret.ljust(64, b"\0")
    inner, outer = (bytes(b ^ pad for b in padded) for pad in (0x36, 0x5C))
    given = values.to_frame().to_arrow()
    query = "SELECT count(DISTINCT sha256(?::BLOB || unhex(sha256(?::BLOB || encode(value))))) FROM given"
    start = perf_counter()
    with duckdb.connect() as connection:
        connection.register("given", given)
        (found,) = connection.execute(query, [outer, inner]).fetchone() or (0,)
    seconds = perf_counter() - start
    assert found == values.len()
    return seconds


def _load(rows: pl.DataFrame) -> float:
    with scratch() as lake:
        start = perf_counter()
        report = Materializer(str(lake), sales_contract(), Limits(), run="run", log=logging.getLogger()).materialize(["-"], lambda _: rows)
        seconds = perf_counter() - start
        assert not report.failed, report.failed[0].error
    return seconds


def _load_unseen(rows: pl.DataFrame) -> float:
    with patch.object(personal_data, "look", lambda *_: personal_data.Looked((), 0, 0)):
        return _load(rows)
