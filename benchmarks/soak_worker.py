"""A process of the soak: `worker` makes the runs that its standard input names, `sensor` ticks for ever. Both go on after any failure."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.soak import declared, name


def main(what: str, home: str, assets: str) -> None:
    """Until it is killed."""
    _worker(Path(home)) if what == "worker" else _sensor(Path(home), int(assets))


def _worker(home: Path) -> None:
    """A line is a job; "done" or "failed" is what became of it."""
    for line in sys.stdin:
        _, first, stop, start, end, edition = line.split()
        try:
            succeeded = _made(home, range(int(first), int(stop)), (start, end), int(edition))
        except Exception as error:  # whatever a database says that goes away
            print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)
            succeeded = False
        if not succeeded:
            time.sleep(1)
        print("done" if succeeded else "failed", flush=True)


def _made(home: Path, numbers: range, days: tuple[str, str], edition: int) -> bool:
    import dagster as dg

    products = declared(home, numbers, edition)
    assets = [products[name(n).split("/")[0]].datasets[name(n).split("/")[1]] for n in numbers]
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[1]}
    with dg.DagsterInstance.get() as instance:
        partition = days[0] if days[0] == days[1] else None
        return dg.materialize(
            assets, instance=instance, tags={} if partition else tags, partition_key=partition, raise_on_error=False
        ).success


def _sensor(home: Path, assets: int) -> None:
    """As Dagster would call it: with the cursor of the tick before, which is kept when the tick has ended well."""
    import dagster as dg

    from dataproducts.catalog.target import target
    from dataproducts.publication.sensor import Publication

    publication = Publication(declared(home, range(assets)), target, "dataproducts")
    path = home / "cursor"
    while True:
        try:
            with dg.DagsterInstance.get() as instance:
                while True:
                    ticked = publication.tick(instance, _cursor(path))
                    draft = path.with_suffix(".new")
                    draft.write_text(ticked.cursor, encoding="utf-8")
                    draft.replace(path)
                    time.sleep(0.2 if ticked.sent else 2)
        except Exception as error:  # a database or catalog that is away fails the tick, and the next one goes on
            print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)
            time.sleep(1)


def _cursor(path: Path) -> Any:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main(*sys.argv[1:])
