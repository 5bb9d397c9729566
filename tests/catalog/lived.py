"""A catalog that has lived: every table of it holds rows."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from dataproducts.catalog import people, register, tokens
from dataproducts.catalog import tables as t
from dataproducts.catalog.store import Store
from tests.catalog.messages import dataset, delivery, failure, random_history


def live(store: Store, seed: int = 1, length: int = 60) -> None:
    """Tell a catalog a random history, and let people and publishers add to it."""
    store.apply(list(random_history(seed, length)))
    store.apply([dataset("shop/sales", 900), delivery(hours=901), failure(hours=902)])
    subject = "dataset:shop/sales"
    asked = people.say(store, subject, "question", "kari", "Hva er *dette*?")
    people.say(store, subject, "answer", "ola", "Salg — «brutto» 100 %", asked.id)
    people.rate(store, subject, "kari", 4)
    people.tag(store, subject, "kari", "Årlig")
    tokens.issue(store, "publisher", ["publish:shop-location"], timedelta(days=3))
    tokens.write_down(store, "publisher", "publish", subject, "0" * 64)
    entry = register.Registration(name="sykefravar", type="tabell", uri="https://example.com/sykefravar")
    register.put(store, entry, "stat")
    with store.database.writing() as connection:
        connection.execute(sa.insert(t.usage), [{"subject": subject, "day": "2026-11-01", "views": 3}])
