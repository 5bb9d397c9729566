"""A process of its own that materializes a bulk file of many units and says what it took: `bulk_worker.py UNITS [CELLS BATCH]` in a home of its own.

CELLS is how many cells the spool may hold before it makes runs, which all go to disk, and BATCH how many records are parsed at a time, so
that a smaller file takes the way of a large one.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from email.utils import format_datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import dagster as dg
import httpx

from assets.enhetsregisteret.datasets import product
from assets.enhetsregisteret.register import Register
from assets.enhetsregisteret.sandbox import World, built_at
from dataproducts.quality import spool

DAY = date(2026, 11, 20)


class FileStream(httpx.SyncByteStream):
    """A file as the body of an answer, without holding it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 18):
                yield chunk


def numbers() -> Iterator[str]:
    """Organization numbers with valid check digits; the sandbox itself keeps to fewer."""
    for stem in range(80_000_000, 90_000_000):
        rest = sum(int(digit) * weight for digit, weight in zip(str(stem), (3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
        if rest != 1:
            yield f"{stem}{(11 - rest) % 11}"


def write_bulk(path: Path, units: int) -> None:
    """A bulk file of synthetic units, each with a number of its own, in no order as real ones have none."""
    templates = [json.dumps(body, ensure_ascii=False) for body in World(units=500).bulk("enheter")]
    given = [json.loads(text)["organisasjonsnummer"] for text in templates]
    with gzip.open(path, "wt", compresslevel=1) as file:
        for place, (number, (text, old)) in enumerate(
            zip(islice(numbers(), units), cycle(zip(templates, given, strict=True)), strict=False)
        ):
            file.write(("[" if place == 0 else ",") + text.replace(old, number))
        file.write("]")


def peak() -> float:
    """Most memory this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(units: int) -> None:
    """Materialize and report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bulk.json.gz"
        write_bulk(path, units)

        def answer(request: httpx.Request) -> httpx.Response:
            headers = {"Last-Modified": format_datetime(built_at(DAY), usegmt=True), "ETag": '"one"'}
            return httpx.Response(200, headers=headers, stream=FileStream(path))

        before, began = peak(), time.monotonic()
        with Register("https://register.invalid/enhetsregisteret/api", transport=httpx.MockTransport(answer)) as register:
            result = dg.materialize(
                [product.datasets["enheter"]], partition_key=DAY.isoformat(), resources={"register": register}, raise_on_error=False
            )
        took = time.monotonic() - began
    (version,) = product.datasets["enheter"].history().versions()
    said = {"success": result.success, "rows": version.rows, "before": before, "peak": peak(), "seconds": took}
    print(json.dumps(said))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        spool.WHOLE_CELLS, spool.RUN_BYTES = int(sys.argv[2]), 0
        spool.RUN_CELLS, spool.CHUNK_CELLS = spool.WHOLE_CELLS // 2, spool.WHOLE_CELLS // 5 * 2
        Register.read_bulk = staticmethod(partial(Register.read_bulk, batch_rows=int(sys.argv[3])))  # type: ignore[method-assign]
    main(int(sys.argv[1]))
