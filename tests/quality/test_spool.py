"""Many rows take the way over sorted runs, in memory or on disk; it must end where the way of few does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import HistoryError
from dataproducts.history.store import DatasetHistory
from dataproducts.quality import spool as spool_module
from dataproducts.quality.quarantine import Quarantine


@pytest.fixture
def contract(declare: Callable[..., Any]) -> Any:
    low = pa.Check.ge(0, raise_warning=True)
    return declare(
        {
            "lead": pa.Column(pl.String),
            "n": pa.Column(pl.Int64),
            "v": pa.Column(pl.Int64, [pa.Check.lt(8), low], nullable=True),
            "u": pa.Column(pl.Int64, unique=True, nullable=True),
            "l": pl.List(pl.String()),
        },
        ("lead", "n"),
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lower the limits of the module, so that a handful of rows goes into runs, of which so many bytes stay in memory."""

    def limits(in_memory: int = 0, in_runs: bool = True) -> None:
        monkeypatch.setattr(spool_module, "WHOLE_CELLS", 10 if in_runs else 10**9)
        monkeypatch.setattr(spool_module, "RUN_BYTES", in_memory)
        monkeypatch.setattr(spool_module, "RUN_CELLS", 15)
        monkeypatch.setattr(spool_module, "CHUNK_CELLS", 15)
        monkeypatch.setattr(spool_module, "GROUP_ROWS", 2)

    return limits


ROW = st.tuples(
    st.sampled_from(["", "a", "b", "å", "🦆"]),
    st.none() | st.integers(0, 4),
    st.none() | st.integers(-2, 9),
    st.none() | st.integers(0, 30),
    st.none() | st.lists(st.none() | st.sampled_from(["", "x"]), max_size=2),
)


def outcome(lake: str, report: Any) -> dict[str, Any]:
    """All that a user can see of a materialization."""
    history = DatasetHistory(lake, "shop/sales")
    versions = history.versions()
    history.verify(versions)
    held = Quarantine(lake, "shop/sales").rows().select("received", "rules", "row_id")
    kept = sorted((json.dumps(json.loads(r), sort_keys=True), sorted(rules), i) for r, rules, i in held.rows())
    found = report.outcomes["-"]
    return {
        "rows": [history.collect([v]).rows() for v in versions],
        "hashes": [(v.content_hash, v.rows, v.note["received"], v.note["refused"]) for v in versions],
        "kept": kept,
        "findings": {name: (f.failed, sorted(f.examples) if f.failed <= 2 else None) for name, f in report.findings.items()},
        "error": found.error,
        "counts": (found.received, found.refused),
        "profile": found.profile,
        "sample": found.sample,
    }


WAYS = {"as they come": (0, False), "runs in memory": (10**9, True), "some runs on disk": (150, True), "all runs on disk": (0, True)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=24), cut=st.integers(1, 7), share=st.sampled_from([None, 0.3, 1.0]))
def test_every_way_of_many_rows_ends_where_the_way_of_few_does(
    rows: list[Any], cut: int, share: float | None, contract: Any, store: Callable[..., Any], small: Callable[..., None]
) -> None:
    def parts() -> Iterator[pl.DataFrame]:
        for at in range(0, len(rows), cut):
            yield pl.DataFrame(rows[at : at + cut], schema=dict(contract.dtypes), orient="row")

    ends = []
    for in_memory, in_runs in WAYS.values():
        small(in_memory, in_runs)
        with tempfile.TemporaryDirectory() as lake:
            report = store(contract, {"-": parts()}, refused_share=share, lenient=True, lake=lake)
            ends.append(outcome(lake, report))
    for end in ends:
        end.pop("sample")  # of rows in runs it is of the first chunk, here a few rows
    for way, end in zip(WAYS, ends, strict=True):
        assert end == ends[0], way


LEADS: dict[str, tuple[Any, list[Any]]] = {
    "text": (pl.String, ["", "a", "b", "æ", "ø"]),
    "whole": (pl.Int64, [-(2**63), -1, 0, 1, 2**63 - 1]),
    "number": (pl.Float64, [float("-inf"), -0.5, 0.0, 1e300, float("inf")]),
    "day": (pl.Date, [date.min, date(1970, 1, 1), date(2026, 1, 1), date(2026, 1, 2), date.max]),
    "moment": (pl.Datetime("us", "UTC"), [datetime(2026, 1, d, d, 0, 0, d, tzinfo=UTC) for d in range(1, 6)]),
    "money": (pl.Decimal(20, 2), [Decimal("-1.50"), Decimal("0.00"), Decimal("0.01"), Decimal("7.00"), Decimal("99.99")]),
    "bytes": (pl.Binary, [b"", b"\x00", b"a", b"ab", b"\xff"]),
    "yes": (pl.Boolean, [False, True]),
}


@pytest.mark.parametrize("name", LEADS)
def test_rows_are_sorted_on_disk_by_keys_of_every_type(
    name: str, declare: Callable[..., Any], store: Callable[..., Any], small: Callable[..., None]
) -> None:
    dtype, values = LEADS[name]
    contract = declare({"lead": dtype, "n": pl.Int64}, ("lead", "n"))
    rows = [(value, n) for n in (3, 1, 2, 0) for value in reversed(values)]
    small()
    parts = (pl.DataFrame([row], schema=dict(contract.dtypes), orient="row") for row in rows)
    store(contract, {"-": parts})
    assert dp.scan("shop/sales").collect().rows() == [(value, n) for value in values for n in range(4)]
    report = store(contract, {"-": pl.DataFrame(rows, schema=dict(contract.dtypes), orient="row")})
    assert not report.outcomes["-"].committed.is_new


def test_no_chunk_is_larger_than_asked_where_the_key_allows_it(contract: Any, small: Callable[..., None]) -> None:
    small()
    with spool_module.Spool(contract, lambda frame: frame) as spool:
        for n in range(40):
            frame = pl.DataFrame([(f"k{n * 7 % 40:02}", n, 0, None, [])], schema=dict(contract.dtypes), orient="row")
            spool.add(frame)
        chunks = list(spool.chunks())
        assert spool.in_runs
        assert max(c.height for c in chunks) <= 6
        assert pl.concat(chunks)["lead"].to_list() == [f"k{n:02}" for n in range(40)]
        assert next(iter(spool.chunks())).equals(chunks[0]), "chunks can be asked for again"


def test_files_on_disk_go_when_the_run_ends_well_or_badly(
    contract: Any, store: Callable[..., Any], small: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    small()
    seen: list[int] = []

    def parts(fail: bool) -> Iterator[pl.DataFrame]:
        for n in range(30):
            seen.append(len(list(scratch.rglob("*.parquet"))))
            yield pl.DataFrame([("a", n, 0, None, None)], schema=dict(contract.dtypes), orient="row")
        if fail:
            raise HistoryError("the source went away")

    store(contract, {"a": parts(False), "b": parts(True), "c": parts(False)}, lenient=True)
    assert max(seen) > 0
    assert list(scratch.iterdir()) == []
    assert [v.partition for v in dp.versions("shop/sales")] == ["a", "c"]


def test_a_full_scratch_disk_is_told_in_one_sentence_and_does_not_lose_the_neighbours(
    contract: Any, store: Callable[..., Any], small: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    small()
    write = pl.DataFrame.write_parquet

    def full(frame: pl.DataFrame, path: Any, **how: Any) -> None:
        if "dataproducts-" in str(path):
            raise OSError(28, "No space left on device")
        write(frame, path, **how)

    def rows(partition: str) -> Iterator[pl.DataFrame]:
        for n in range(30 if partition == "b" else 1):
            yield pl.DataFrame([("a", n, 0, None, None)], schema=dict(contract.dtypes), orient="row")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    report = store(contract, rows, ["a", "b", "c"], lenient=True)
    (failed,) = report.failed
    assert failed.partition == "b"
    assert failed.error.startswith("shop/sales: ")
    assert "No space left on device" in failed.error
    assert failed.error.endswith("free some space there or set TMPDIR to another folder")
    assert [v.partition for v in dp.versions("shop/sales")] == ["a", "c"]
