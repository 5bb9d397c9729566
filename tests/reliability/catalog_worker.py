"""Sends a random history to a catalog in batches of random size, and says so after each; a crash test kills it anywhere."""

from __future__ import annotations

import random
import sys

from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.errors import CatalogUnavailable
from tests.catalog.messages import at, random_history

NOW = at(1000)


def main(url: str, seed: str, order: str, length: str) -> None:
    """Send everything from the beginning: what was stored before says so."""
    history = list(random_history(int(seed), int(length)))
    r = random.Random(order)
    r.shuffle(history)
    store = Store(Database(url), lambda: NOW)
    print("ready", flush=True)
    sys.stdin.readline()
    while history:
        size = r.randint(1, 8)
        while True:
            try:
                receipts = store.apply(history[:size])
                break
            except CatalogUnavailable:
                continue
        assert all(receipt.status != "refused" for receipt in receipts), receipts
        history = history[size:]
        print(len(history), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
