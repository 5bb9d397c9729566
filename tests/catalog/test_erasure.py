"""An erasure empties what the catalog keeps of rows, on either engine, and leaves the rest of it alone."""

from __future__ import annotations

from dataproducts.catalog.erasure import erase
from dataproducts.catalog.export import export
from dataproducts.catalog.store import Store
from dataproducts.erasure.secret import Secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled_texts
from dataproducts.messages import ColumnFigures
from tests.catalog.messages import check, dataset, delivery, product

GONE = "kari-nordmann-7731"


def exported(store: Store) -> str:
    with store.database.reading() as connection:
        return "".join(export(connection))


def test_profiles_of_touched_versions_and_values_in_what_was_said_go(store: Store) -> None:
    profile = (ColumnFigures(name="who", nulls=0, distinct=2, smallest=GONE, largest="ola"),)
    other = (ColumnFigures(name="who", nulls=0, distinct=1, smallest="ola", largest="ola"),)
    store.apply(
        [
            product(),
            dataset(),
            delivery(profile=profile, facts={"removed": f'["{GONE}", "another-4"]', "said": f"{GONE} left"}),
            delivery(partition="2026-11-02", hours=2, profile=other),
            check(facts={"examples": f"ola, {GONE}"}),
        ]
    )
    assert GONE in exported(store)
    secret, text = Secret(b"5" * 32), spelled_texts([GONE])
    erased = {"shop/sales": Erased("shop/sales", (Subjects(("who",), ("who",), frozenset(secret.hashed([text])), secret),), 1)}
    touched = {"shop/sales": {("2026-11-01", 1)}}
    assert erase(store.database, erased, touched) == 3
    after = exported(store)
    assert GONE not in after
    assert "another-4" in after
    assert '"smallest":"ola"' in after.replace(" ", "").replace('\\"', '"')
    assert erase(store.database, erased, touched) == 0
    if store.database.path is not None:
        assert not any(GONE.encode() in p.read_bytes() for p in store.database.path.parent.glob(f"{store.database.path.name}*"))
