"""Looking for a value in every file of a folder: its bytes, and what Parquet and SQLite files hold when they are read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq


def found_in(folder: Path, value: str) -> list[str]:
    """Every file that holds the value, as bytes or decoded."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        if value.encode() in raw or _held(path, raw, value):
            found.append(str(path))
    return found


def _held(path: Path, raw: bytes, value: str) -> bool:
    if raw[:4] == b"PAR1" and raw[-4:] == b"PAR1":
        frame = pl.DataFrame(pq.read_table(path, partitioning=None))
        return value in str(pq.read_metadata(path).to_dict()) or any(value in str(row) for row in frame.rows())
    if raw[:15] == b"SQLite format 3":
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("select name, sql from sqlite_master where type = 'table'").fetchall()
            # an index without a text of its own cannot be read row by row; it is in the tables behind it
            names = [name for name, made in tables if "content=''" not in made]
            return any(value in str(row) for name in names for row in connection.execute(f'select * from "{name}"'))
    return False
