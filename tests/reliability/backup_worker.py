"""Takes backups and restores them in children that are killed at a moment the seed gives; says what is left after each.

Arguments: a catalog that has lived, a folder to work in, the first seed, how many. Prints how many children were killed in time.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dataproducts.backup import folder
from dataproducts.backup.restoring import restore
from dataproducts.backup.taking import back_up
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.store import Store
from dataproducts.errors import ConfigurationError
from tests.catalog.messages import at, product


def main(lived: str, home: str, first: str, many: str) -> None:
    """Every seed kills a backup and a restore."""
    whole = Path(home, "whole")
    _use(Path(lived))
    back_up(whole)
    was = exported(Path(lived))
    killed = 0
    for seed in range(int(first), int(first) + int(many)):
        chance, place = random.Random(seed), Path(home, str(seed))
        place.mkdir()
        catalog = Path(shutil.copyfile(lived, place / "catalog.db"))
        _use(catalog)
        taken = place / "backup"
        killed += _killed(partial(back_up, taken), chance.uniform(0, _seconds(partial(back_up, place / "timed"))))
        if taken.exists():
            folder.checked(taken)
        else:
            for left in place.glob(".backup.*"):
                try:
                    restore(left, replace=True)
                except ConfigurationError:
                    continue
                folder.checked(left)  # killed after the manifest, the last thing written, and before the folder got its name
                assert exported(catalog) == was, f"seed {seed}: half a backup was restored"
            back_up(taken)
        database = Database(f"sqlite:///{catalog}")
        Store(database, lambda: at(1000)).apply([product("mill")])
        database.close()
        grown = exported(catalog)
        trial = place / "trial.db"
        shutil.copyfile(catalog, trial)
        _use(trial)
        seconds = _seconds(lambda: restore(whole, replace=True))
        _use(catalog)
        killed += _killed(lambda: restore(whole, replace=True), chance.uniform(0, seconds))
        assert exported(catalog) in (was, grown), f"seed {seed}: neither the old catalog nor the new"
        restore(taken, replace=True)
        assert exported(catalog) == was, f"seed {seed}: not what was backed up"
        shutil.rmtree(place)
    print(killed)


def exported(path: Path) -> str:
    """All that a catalog holds."""
    database = Database(f"sqlite:///{path}")
    try:
        with database.reading() as connection:
            return "".join(export(connection))
    finally:
        database.close()


def _use(path: Path) -> None:
    os.environ["CATALOG_DATABASE_URL"] = f"sqlite:///{path}"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _killed(work: Callable[[], object], after: float) -> bool:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
