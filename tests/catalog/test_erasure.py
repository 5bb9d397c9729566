"""An erasure empties what the catalog keeps of rows, on either engine, and leaves the rest of it alone."""

from __future__ import annotations

import sqlalchemy as sa

from dataproducts.catalog import people
from dataproducts.catalog.erasure import erase
from dataproducts.catalog.export import export
from dataproducts.catalog.search.index import SearchRequest, search
from dataproducts.catalog.store import Store
from dataproducts.erasure.secret import Secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled_texts
from dataproducts.messages import ColumnFigures
from tests.catalog.lived import assert_headings_agree
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


def test_what_people_wrote_is_found_no_more_by_words_that_were_erased(store: Store) -> None:
    store.apply([product(), dataset()])
    people.say(store, "dataset:shop/sales", "question", "ola", f"Hvorfor mangler {GONE} i butikken?")
    people.say(store, "dataset:shop/sales", "question", "ola", "Hva er en nordlending?")
    people.say(store, "product:shop", "comment", "ola", f"Se {GONE} sine tall.")
    secret, text = Secret(b"5" * 32), spelled_texts([GONE])
    erased = {"shop/sales": Erased("shop/sales", (Subjects(("who",), ("who",), frozenset(secret.hashed([text])), secret),), 1)}

    def found(words: str) -> list[str]:
        with store.database.reading() as connection:
            return [hit.id for hit in search(connection, SearchRequest(text=words)).hits if hit.stage < 5]

    assert sorted(found("nordmann")) == ["dataset:shop/sales", "product:shop"]
    assert found("nordlending") == ["dataset:shop/sales"]
    assert GONE in exported(store)
    assert erase(store.database, erased, {}) > 0
    assert GONE not in exported(store)
    assert found("nordmann") == found(GONE) == []
    assert found("tall") == ["product:shop"]
    assert found("nordlending") == found("mangler") == ["dataset:shop/sales"]
    with store.database.reading() as connection:
        words = set(connection.execute(sa.text("select word from search_word")).scalars())
    assert "nordlending" in words
    assert words.isdisjoint({"nordmann", "7731"})
    if store.database.path is not None:
        held = b"".join(p.read_bytes() for p in store.database.path.parent.glob(f"{store.database.path.name}*"))
        assert b"nordlending" in held
        assert b"nordmann" not in held
        assert_headings_agree(store.database)
