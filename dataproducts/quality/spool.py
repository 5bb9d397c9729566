"""Rows on their way in: in memory while they are few, sorted runs on disk when they are many.

A spool gives its rows back in canonical order with bounded memory, whatever order they came in.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import HistoryError
from dataproducts.history.content import canonical_order

IN_MEMORY_CELLS = 10_000_000
"""More cells than this (rows x columns) go to disk, where there is a key to sort by."""
RUN_CELLS, CHUNK_CELLS, GROUP_ROWS = 5_000_000, 4_000_000, 8_192


class Spool:
    """Rows of one partition with the contract's columns and types. Use as a context manager: its files go with it.

    `check` sees rows once, on their way to disk, and gives back those to keep; rows that stay in memory are the caller's to check.
    """

    def __init__(self, contract: Contract, check: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        self.contract = contract
        self._check = check
        self.rows = 0
        self._frames: list[pl.DataFrame] = []
        self._held = 0  # cells in memory
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runs: list[Path] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows in."""
        self._frames.append(frame)
        self._held += frame.height * max(1, frame.width)
        self.rows += frame.height
        limit = RUN_CELLS if self._runs else IN_MEMORY_CELLS
        if self._held > limit and self.contract.key and len(self._frames) > 1:
            self._write_run()

    @property
    def on_disk(self) -> bool:
        """Whether rows have gone to disk."""
        return bool(self._runs)

    def ordered(self) -> pl.DataFrame:
        """All rows in canonical order, in memory."""
        frame = pl.concat(self._frames) if self._frames else self.contract.empty()
        frame = canonical_order(frame, self.contract.key)
        self._frames = [frame]
        return frame

    def select(self, columns: Sequence[str]) -> pl.DataFrame:
        """Some columns of all rows that have gone to disk, in any order."""
        self._finish()
        return self._scan().select(columns).collect()

    def sift(self, keep: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Show all rows that have gone to disk to a function that gives back those to keep."""
        self._finish()
        for run in self._runs:
            frame = pl.read_parquet(run)
            kept = keep(frame)
            if kept.height < frame.height:
                self.rows -= frame.height - kept.height
                self._write(kept, run)

    def chunks(self) -> Iterator[pl.DataFrame]:
        """All rows in canonical order, a bounded number at a time; can be asked for again."""
        if not self._runs:
            yield self.ordered()
            return
        self._finish()
        lead = self.contract.key[0]
        leads = self._scan().select(lead).collect().to_series().sort()
        bounds = leads.gather_every(max(1, CHUNK_CELLS // len(self.contract.columns)))[1:].unique(maintain_order=True).to_list()
        # sorted runs make each range a few row groups of each run
        for low, high in zip([None, *bounds], [*bounds, None], strict=True):
            rows = self._scan()
            if low is not None:
                rows = rows.filter(pl.col(lead) >= low)
            if high is not None:
                rows = rows.filter(pl.col(lead) < high)
            chunk = rows.collect().sort(self.contract.key)
            if chunk.height or not bounds:
                yield chunk

    def lazy(self) -> pl.LazyFrame:
        """All rows, in any order."""
        self._finish()
        return self._scan() if self._runs else self.ordered().lazy()

    def _scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(self._runs, schema=dict(self.contract.dtypes), glob=False)

    def _finish(self) -> None:
        if self._runs and self._frames:
            self._write_run()

    def _write_run(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="dataproducts-")
        given = pl.concat(self._frames)
        rows = self._check(given).sort(self.contract.key)
        self.rows -= given.height - rows.height
        # each range of keys reads every run, so few long runs with short groups
        path = Path(self._folder.name) / f"{len(self._runs):05}.parquet"
        self._write(rows, path)
        self._runs.append(path)
        self._frames, self._held = [], 0

    def _write(self, rows: pl.DataFrame, path: Path) -> None:
        try:
            rows.write_parquet(path, compression="lz4", row_group_size=GROUP_ROWS)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise HistoryError(
                f"{self.contract.dataset}: {self.rows:,} rows cannot be sorted in {path.parent.parent} "
                f"({str(error).splitlines()[0]}); free some space there or set TMPDIR to another folder"
            ) from error
