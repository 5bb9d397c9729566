"""The index follows the documents: in the same transaction, whatever order they come in, and cheaply where nothing changed."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog.search import engines, index
from dataproducts.catalog.search.documents import Document, least_number, rank, row_number
from tests.catalog.search.catalog import documents
from tests.catalog.search.conftest import ask, ids

TABLES = ("search_document", "search_card", "search_facet_set", "search_facet_value", "search_word", "search_word_key")


def dataset(key: str, title: str, **more: Any) -> Document:
    return Document(f"dataset:{key}", "dataset", (key, title), (title,), **more)


def put(engine: sa.Engine, *some: Document) -> None:
    with engine.begin() as connection:
        index.put(connection, some)


def remove(engine: sa.Engine, *some: str) -> None:
    with engine.begin() as connection:
        index.remove(connection, some)


def contents(engine: sa.Engine) -> dict[str, Any]:
    """Everything in the index."""
    with engine.connect() as connection:
        found: dict[str, Any] = {
            name: sorted(
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                for row in connection.execute(sa.text(f"SELECT * FROM {name}"))
            )
            for name in TABLES
        }
        rids = [row.rid for row in connection.execute(sa.text("SELECT rid FROM search_document"))]
        stored = engines.of(connection).read(connection, rids)
        found["text"] = {rid: {name: sorted(str(text).split()) for name, text in row.items()} for rid, row in stored.items()}
        return found


def test_what_is_committed_is_found_and_what_is_rolled_back_never_was(empty: sa.Engine) -> None:
    put(empty, dataset("a/one", "Fiskeoppdrett"))
    before = contents(empty)
    with empty.connect() as connection, connection.begin() as transaction:
        index.put(connection, [dataset("a/two", "Fiskehelse"), dataset("a/one", "Noe annet")])
        assert [hit.id for hit in index.search(connection, index.SearchRequest("fiskehelse")).hits] == ["dataset:a/two"]
        transaction.rollback()
    assert contents(empty) == before
    assert ids(empty, "fiskehelse") == []
    assert ids(empty, "fiskeoppdrett") == ["dataset:a/one"]
    put(empty, dataset("a/two", "Fiskehelse"))
    assert ids(empty, "fiskehelse") == ["dataset:a/two"]


def test_a_facet_counted_in_a_transaction_that_was_rolled_back_is_not_remembered_wrongly(empty: sa.Engine) -> None:
    with empty.connect() as connection, connection.begin() as transaction:
        index.put(connection, [dataset("a/one", "Laks", facets={"team": ("team-a",)})])
        assert index.search(connection, index.SearchRequest("laks")).facets["team"] == [("team-a", 1, False)]
        transaction.rollback()
    put(empty, dataset("a/one", "Laks", facets={"team": ("team-b",)}))
    assert ask(empty, "laks").facets["team"] == [("team-b", 1, False)]


def test_a_replaced_document_is_found_by_what_it_says_now(empty: sa.Engine) -> None:
    put(empty, dataset("a/one", "Fiskeoppdrett", text=("Laks og ørret",), facets={"team": ("team-a",)}))
    put(empty, dataset("a/one", "Havbruk", text=("Torsk",), facets={"team": ("team-b",)}, deprecated=True))
    assert ids(empty, "fiskeoppdrett") == ids(empty, "laks") == ids(empty, facets={"team": ["team-a"]}) == []
    assert ids(empty, "torsk") == ids(empty, "havbruk") == ids(empty, facets={"team": ["team-b"]}) == ["dataset:a/one"]
    assert ask(empty).facets["team"] == [("team-b", 1, False)]


def test_a_removed_document_leaves_nothing_behind(empty: sa.Engine) -> None:
    nothing = contents(empty)
    put(empty, *documents())
    remove(empty, *(document.id for document in documents()), "dataset:never/was")
    left = contents(empty)
    assert left.pop("search_facet_set")  # numbers of combinations, which are never given to others
    assert left == {name: held for name, held in nothing.items() if name != "search_facet_set"}


def test_the_order_of_arrival_does_not_matter(backend: Any) -> None:
    rng = random.Random(7)
    states = []
    for batches in (1, 4, 40):
        engine = backend()
        with engine.begin() as connection:
            index.create(connection)
        arriving = documents()
        rng.shuffle(arriving)
        for i in range(batches):
            put(engine, *arriving[i::batches])
        if batches > 1:  # and some went and came back, saying something else in between
            put(engine, *(replace(one, title=("Foreldet samfunnsstatistikk",)) for one in arriving[:30]))
            remove(engine, *(one.id for one in arriving[20:50]))
            put(engine, *arriving[:50])
        states.append(contents(engine))
        engine.dispose()
    assert states[0] == states[1]
    assert states[0] == states[2]


def test_a_compound_is_split_once_its_parts_are_known(empty: sa.Engine) -> None:
    put(empty, dataset("a/one", "Lakselusbehandlinger"))
    assert ids(empty, "lakselus") == ["dataset:a/one"]  # as its beginning
    assert ids(empty, "behandling") == ["dataset:a/one"]  # a part every catalog knows
    put(empty, dataset("a/two", "Torskeyngel"))
    assert ids(empty, "yngel") == []
    put(empty, dataset("a/three", "Torsk og yngel"))
    assert ids(empty, "yngel") == ["dataset:a/three", "dataset:a/two"]
    remove(empty, "dataset:a/three")
    assert ids(empty, "yngel") == []


def test_an_unchanged_document_costs_one_question(empty: sa.Engine) -> None:
    corpus = documents()
    put(empty, *corpus)
    statements: list[str] = []
    sa.event.listen(empty, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    put(empty, *corpus[:13])
    assert len([one for one in statements if not one.lower().startswith("begin")]) == 1


def test_a_new_card_leaves_the_text_alone(empty: sa.Engine) -> None:
    document = dataset("a/one", "Laks", updated=datetime(2024, 1, 1, tzinfo=UTC))
    put(empty, document)
    statements: list[str] = []
    sa.event.listen(empty, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    put(empty, replace(document, card={"rows": 3}, updated=datetime(2024, 2, 1, tzinfo=UTC)))
    assert not any("search_text" in one or "search_word" in one for one in statements)
    assert [hit.card for hit in ask(empty, "laks", sort="updated").hits] == [{"rows": 3}]


def test_the_same_id_twice_in_one_put_is_the_last(empty: sa.Engine) -> None:
    put(empty, dataset("a/one", "Laks"), dataset("a/one", "Torsk"))
    assert ids(empty, "laks") == []
    assert ids(empty, "torsk") == ["dataset:a/one"]


def test_documents_of_the_same_rank_are_both_found(empty: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "rank", lambda document: 42)
    put(empty, dataset("a/one", "Laks"), dataset("a/two", "Laks i sjø"))
    put(empty, dataset("a/three", "Laks i elv"))
    put(empty, dataset("a/two", "Laks i hav"))
    assert sorted(ids(empty, "laks")) == ["dataset:a/one", "dataset:a/three", "dataset:a/two"]
    assert ids(empty, "hav") == ["dataset:a/two"]
    remove(empty, "dataset:a/one", "dataset:a/three")
    assert ids(empty, "laks") == ["dataset:a/two"]


def test_rank_puts_deprecated_last_and_the_thing_before_its_parts() -> None:
    column = Document("column:a/b/laks", "column", title=("Laks",), standing=1.0)
    ordered = [
        dataset("a/b", "Laks", standing=0.9),
        dataset("a/b", "Laks", standing=0.2),
        dataset("a/b", "Laks i sjø og elv", standing=1.0),
        column,
        dataset("a/b", "Laks", standing=1.0, deprecated=True),
    ]
    assert sorted(ordered, key=rank) == ordered
    assert all(0 <= rank(document) < 2**13 for document in ordered)


def test_row_numbers_tell_where_a_kind_begins() -> None:
    for kind in ("product", "dataset", "column", "concept", "source"):
        for deprecated in (False, True):
            assert row_number(Document("x", kind, title=("a",), standing=1.0, deprecated=deprecated), 0) >= least_number(kind)
    assert row_number(Document("x", "dataset", title=("a b c d",), standing=0.0), 2**26 - 1) < least_number("column")


@pytest.mark.parametrize(
    "bad", ["\0", "\ud800", "\x1e\x1f", "¤ · § ¦", "x" * 100_000, "ord " * 50_000, "' \\ : * & | !", "\u202e%s %(a)s :p"]
)
def test_any_text_can_be_stored(empty: sa.Engine, bad: str) -> None:
    document = Document(
        "dataset:a/one",
        "dataset",
        (f"navn {bad}", bad),
        (f"Tittel {bad}", bad),
        ("kolonne", bad),
        ("nøkkel", bad),
        ("tekst", bad),
        {"team": (bad, "team-a"), "keyword": (bad,), "unknown": (bad,)},
        card={"text": bad, "other": 1},
    )
    put(empty, document)
    put(empty, document, dataset("a/two", f"Tittel {bad}"))
    for text in ("tittel", "kolonne", "nøkkel", "tekst"):
        assert "dataset:a/one" in ids(empty, text)
    assert ids(empty, facets={"team": ["team-a"]}) == ["dataset:a/one"]
    remove(empty, "dataset:a/one", "dataset:a/two")
    assert ids(empty) == []


def test_standing_that_is_no_number_is_the_worst(empty: sa.Engine) -> None:
    put(
        empty,
        dataset("a/one", "Laks", standing=float("nan")),
        dataset("a/two", "Torsk", standing=7.0),
        dataset("a/three", "Sei", standing=0.5),
    )
    assert ids(empty) == ["dataset:a/two", "dataset:a/three", "dataset:a/one"]


def test_the_index_can_be_made_twice_and_unmade(empty: sa.Engine) -> None:
    with empty.begin() as connection:
        index.create(connection)
        index.drop(connection)
        assert not [name for name in sa.inspect(connection).get_table_names() if name.startswith("search_")]
        index.create(connection)
        index.tidy(connection)
    assert ids(empty) == []
