"""Facet counts against counting by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog.search import index, searching
from dataproducts.catalog.search.documents import FACETS, Document
from tests.catalog.search.conftest import ask

WORDS = ("laks", "torsk", "sei", "hyse", "ørret")
VALUES = {
    "theme": ("ENVI", "ECON", "TRAN"),
    "keyword": tuple(f"k{i}" for i in range(9)),
    "team": ("team-a", "team-b"),
    "access": ("public", "restricted"),
    "personal_data": ("none", "identifying"),
    "port": ("kafka", "bigquery", "file"),
    "freshness": ("fresh", "late"),
    "quality": ("passing", "failing"),
}


def _documents(rng: random.Random) -> list[Document]:
    return [
        Document(
            f"x:{i}",
            rng.choice(("dataset", "column", "product")),
            title=(" ".join(rng.sample(WORDS, 2)),),
            facets={name: tuple(rng.sample(values, rng.randint(0, 2))) for name, values in VALUES.items()},
        )
        for i in range(300)
    ]


@pytest.fixture(scope="module")
def fish(backend: Callable[[], sa.Engine]) -> Iterator[tuple[sa.Engine, list[Document]]]:
    """A catalog whose documents carry facets at random."""
    engine = backend()
    made = _documents(random.Random(11))
    with engine.begin() as connection:
        index.create(connection)
        index.put(connection, made)
    yield engine, made
    engine.dispose()


def _value(document: Document, facet: str) -> tuple[str, ...]:
    return (document.kind,) if facet == "kind" else document.facets.get(facet, ())


def _model(documents: list[Document], word: str, chosen: dict[str, list[str]]) -> tuple[set[str], dict[str, Counter[str]]]:
    """Who meets the search, and for each facet what those who meet all the other choices have."""
    having = [one for one in documents if not word or word in one.title[0].split()]

    def meets(one: Document, without: str = "") -> bool:
        return all(name == without or set(_value(one, name)) & set(values) for name, values in chosen.items())

    counts = {name: Counter(value for one in having if meets(one, name) for value in _value(one, name)) for name in FACETS}
    return {one.id for one in having if meets(one)}, counts


def test_counts_are_disjunctive_and_right(fish: tuple[sa.Engine, list[Document]]) -> None:
    engine, documents = fish
    rng = random.Random(12)
    everything = {**VALUES, "kind": ("dataset", "column", "product")}
    for _ in range(120):
        names = rng.sample(sorted(everything), rng.randint(0, 3))
        chosen = {name: rng.sample(everything[name], rng.randint(1, 2)) for name in names}
        word = rng.choice(("", *WORDS))
        found, counts = _model(documents, word, chosen)
        page = ask(engine, word, facets=chosen, limit=100, sort=rng.choice(("relevance", "title", "updated")))
        assert page.total == len(found)
        assert not page.total_is_capped
        assert {hit.id for hit in page.hits} <= found
        assert len(page.hits) == min(100, len(found))
        for name in FACETS:
            shown = page.facets.get(name, [])
            assert {value: documents for value, documents, _ in shown if documents} == counts[name], (word, chosen, name)
            assert {value for value, _, picked in shown if picked} == set(chosen.get(name, ()))
            assert [n for _, n, _ in shown] == sorted((n for _, n, _ in shown), reverse=True)


def test_a_value_nobody_has_finds_nothing_and_stays_chosen(fish: tuple[sa.Engine, list[Document]]) -> None:
    engine, _ = fish
    page = ask(engine, "laks", facets={"team": ["team-zzz"], "nonsense": ["x"]})
    assert page.total == 0
    assert ("team-zzz", 0, True) in page.facets["team"]
    assert {value: n for value, n, _ in page.facets["team"]}["team-a"] > 0


def test_beyond_the_cap_counts_are_at_least(fish: tuple[sa.Engine, list[Document]], monkeypatch: pytest.MonkeyPatch) -> None:
    engine, documents = fish
    monkeypatch.setattr(searching, "MAX_COUNTED", 40)
    monkeypatch.setattr(searching, "_KIND_COUNTED", 30)
    monkeypatch.setattr(searching, "_CLASSIFIED", 10)
    for more in ({}, {"kind": ["column"]}, {"team": ["team-a"]}):
        found, counts = _model(documents, "laks", more)
        page = ask(engine, "laks", facets=more)
        assert page.total_is_capped == (len(found) > 40)
        assert page.facets_are_capped
        assert page.total == min(40, len(found))
        kinds: dict[str, Any] = {value: n for value, n, _ in page.facets["kind"]}
        assert set(kinds) == {"dataset", "column", "product"}  # all kinds are offered, though the first hits are of one
        assert all(min(30, counts["kind"][kind]) <= n <= counts["kind"][kind] for kind, n in kinds.items())


def test_of_a_very_common_word_fewer_are_counted(fish: tuple[sa.Engine, list[Document]], monkeypatch: pytest.MonkeyPatch) -> None:
    engine, documents = fish
    monkeypatch.setattr(searching, "MAX_COUNTED", 40)
    monkeypatch.setattr(searching, "COUNTED_OF_MANY", 20)
    monkeypatch.setattr(searching, "_KIND_COUNTED", 30)
    found, counts = _model(documents, "laks", {})
    assert len(found) > 40
    page = ask(engine, "laks")
    assert page.total == 20
    assert page.total_is_capped
    for name in FACETS:
        assert all(n <= counts[name][value] for value, n, _ in page.facets[name])
    kinds = {value: n for value, n, _ in page.facets["kind"]}
    assert all(n >= min(30, counts["kind"][kind]) for kind, n in kinds.items())


def test_browsing_meets_every_document_beyond_the_cap(fish: tuple[sa.Engine, list[Document]], monkeypatch: pytest.MonkeyPatch) -> None:
    engine, documents = fish
    monkeypatch.setattr(searching, "MAX_COUNTED", 40)
    for sort in ("relevance", "title", "updated"):
        for facets in ({}, {"kind": ["column"]}, {"access": ["public"]}):
            seen: list[str] = []
            cursor = None
            while True:
                page = ask(engine, facets=facets, sort=sort, limit=60, cursor=cursor)
                seen += [hit.id for hit in page.hits]
                cursor = page.next
                if cursor is None:
                    break
            assert sorted(seen) == sorted(_model(documents, "", facets)[0])
