"""Rows on their way in: as they come while they are few, in runs when they are many, and those on disk when they are very many.

A spool gives its rows back in canonical order with bounded memory, whatever order they came in.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import HistoryError
from dataproducts.history.content import canonical_order

WHOLE_CELLS = 10_000_000
"""More cells than this (rows x columns) are put into runs, where there is a key to sort by."""
RUN_CELLS, CHUNK_CELLS, GROUP_ROWS = 5_000_000, 2_000_000, 8_192
RUN_BYTES = 256 * 2**20
"""Runs together that stay in memory; the others go to disk."""


class Spool:
    """Rows of one partition with the contract's columns and types. Use as a context manager: its files go with it.

    `check` sees rows once, on their way into a run, and gives back those to keep; rows that stay as they came are the caller's to check.
    """

    def __init__(self, contract: Contract, check: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        self.contract = contract
        self._check = check
        self.rows = 0
        self._frames: list[pl.DataFrame] = []
        self._cells = 0  # of these frames
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runs: list[pl.DataFrame | Path] = []
        self._in_order = False  # the only run holds all rows in canonical order
        self._bytes = 0  # of runs in memory

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows in."""
        self._frames.append(frame)
        self._cells += _cells(frame)
        self.rows += frame.height
        limit = RUN_CELLS if self._runs else WHOLE_CELLS
        if self._cells > limit and self.contract.key and len(self._frames) > 1:
            self._make_runs()

    @property
    def in_runs(self) -> bool:
        """Whether rows have been put into runs."""
        return bool(self._runs)

    def ordered(self) -> pl.DataFrame:
        """All rows in canonical order, in memory."""
        frame = pl.concat(self._frames) if self._frames else self.contract.empty()
        frame = canonical_order(frame, self.contract.key)
        self._frames = [frame]
        return frame

    def select(self, columns: Sequence[str]) -> pl.DataFrame:
        """Some columns of all rows in runs, in any order."""
        self._finish()
        return self._scan().select(columns).collect()

    def sift(self, keep: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Show all rows in runs to a function that gives back those to keep."""
        self._finish()
        for place, run in enumerate(self._runs):
            frame = run if isinstance(run, pl.DataFrame) else pl.read_parquet(run)
            kept = keep(frame)
            if kept.height < frame.height:
                self.rows -= frame.height - kept.height
                if isinstance(run, pl.DataFrame):
                    self._runs[place] = kept
                else:
                    self._write(kept, run)

    def chunks(self) -> Iterator[pl.DataFrame]:
        """All rows in canonical order, a bounded number at a time; can be asked for again."""
        if not self._runs:
            yield self.ordered()
            return
        self._finish()
        height = max(1, CHUNK_CELLS // len(self.contract.columns))
        if (whole := self._sorted()) is not None:
            yield from (whole[start : start + height] for start in range(0, max(1, whole.height), height))
            return
        lead = self.contract.key[0]
        leads = self._scan().select(lead).collect().to_series().sort()
        bounds = leads.gather_every(height)[1:].unique(maintain_order=True).to_list()
        for low, high in zip([None, *bounds], [*bounds, None], strict=True):
            rows = self._scan()
            if low is not None:
                rows = rows.filter(pl.col(lead) >= low)
            if high is not None:
                rows = rows.filter(pl.col(lead) < high)
            chunk = rows.collect().sort(self.contract.key)
            if chunk.height or not bounds:
                yield chunk

    def _sorted(self) -> pl.DataFrame | None:
        """Runs that are all in memory as one, in order; sorted the first time it is asked for. None where some are on disk."""
        held = [run for run in self._runs if isinstance(run, pl.DataFrame)]
        if len(held) < len(self._runs):
            return None
        if not self._in_order:
            held = [pl.concat(held, rechunk=False).sort(self.contract.key)]
            self._runs, self._in_order = list(held), True
        return held[0]

    def lazy(self) -> pl.LazyFrame:
        """All rows, in any order."""
        self._finish()
        return self._scan() if self._runs else self.ordered().lazy()

    def _scan(self) -> pl.LazyFrame:
        on_disk = [run for run in self._runs if isinstance(run, Path)]
        held = [run.lazy() for run in self._runs if isinstance(run, pl.DataFrame)]
        if not on_disk:
            return pl.concat(held)
        return pl.concat([*held, pl.scan_parquet(on_disk, schema=dict(self.contract.dtypes), glob=False)])

    def _finish(self) -> None:
        if self._runs and self._frames:
            self._make_runs()

    def _make_runs(self) -> None:
        """Of the rows as they came, each run of a bounded size, since sorting takes as much again."""
        frames, self._frames, self._cells = deque(self._frames), [], 0
        while frames:
            some = [frames.popleft()]
            cells = _cells(some[0])
            while frames and cells + _cells(frames[0]) <= RUN_CELLS:
                cells += _cells(frames[0])
                some.append(frames.popleft())
            self._add_run(pl.concat(some))

    def _add_run(self, given: pl.DataFrame) -> None:
        rows = self._check(given)
        self.rows -= given.height - rows.height
        self._in_order = False
        if self._bytes + _bytes(rows) <= RUN_BYTES:
            self._runs.append(rows)
            self._bytes += _bytes(rows)
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="dataproducts-")
        # each range of keys reads every run, so they are few, long and sorted, with short groups
        path = Path(self._folder.name) / f"{len(self._runs):05}.parquet"
        self._write(rows.sort(self.contract.key), path)
        self._runs.append(path)

    def _write(self, rows: pl.DataFrame, path: Path) -> None:
        try:
            rows.write_parquet(path, compression="lz4", row_group_size=GROUP_ROWS)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise HistoryError(
                f"{self.contract.dataset}: {self.rows:,} rows cannot be sorted in {path.parent.parent} "
                f"({str(error).splitlines()[0]}); free some space there or set TMPDIR to another folder"
            ) from error


def _cells(frame: pl.DataFrame) -> int:
    return frame.height * max(1, frame.width)


def _bytes(frame: pl.DataFrame) -> int:
    """What it takes in memory, about: polars leaves out the 16 bytes beside each text."""
    texts = sum(dtype in (pl.String, pl.Binary) for dtype in frame.dtypes)
    return int(frame.estimated_size()) + 16 * texts * frame.height
