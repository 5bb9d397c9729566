"""The catalog's truth: the same messages in any order, any number of times, give the same state; nothing told is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog import graph, reading
from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.store import Store
from dataproducts.errors import BadRequest
from tests.catalog.lived import assert_headings_agree
from tests.catalog.messages import LOCATION, at, check, column, dataset, delivery, failure, product, random_history

NOW = at(1000)


def exported(store: Store) -> str:
    with store.database.reading() as connection:
        return "".join(export(connection))


def told(store: Store, *messages: Any) -> list[str]:
    return [receipt.status for receipt in store.apply(messages)]


def shuffled(seed: int, history: list[Any]) -> list[list[Any]]:
    """The history out of order, with some messages twice, in batches of any size."""
    r = random.Random(seed)
    again = [*history, *r.choices(history, k=len(history) // 3)]
    r.shuffle(again)
    batches = []
    while again:
        size = r.randint(1, 15)
        batches.append(again[:size])
        again = again[size:]
    return batches


@pytest.mark.parametrize("seed", range(12))
def test_any_order_and_number_of_arrivals_gives_the_same_bytes(seed: int, new_store: Callable[..., Store]) -> None:
    history = list(random_history(seed))
    straight, crossed = new_store("straight", NOW), new_store("crossed", NOW)
    for message in history:
        assert told(straight, message) == ["stored"]
    for batch in shuffled(seed, history):
        assert "refused" not in told(crossed, *batch)
    assert exported(crossed) == exported(straight)
    with straight.database.reading() as one, crossed.database.reading() as other:
        assert _found(one) == _found(other)
    if crossed.database.is_sqlite:
        assert_headings_agree(crossed.database)


def _found(connection: sa.Connection) -> list[Any]:
    from dataproducts.catalog.search.index import SearchRequest, search

    page = search(connection, SearchRequest(text="", limit=100, sort="title"))
    return sorted((hit.id, t.canonical(hit.card)) for hit in page.hits)


@pytest.mark.parametrize("seed", range(6))
def test_the_graph_as_of_any_time_is_that_of_the_definitions_then(seed: int, new_store: Callable[..., Store]) -> None:
    from dataproducts.catalog.assertions import asserted

    history = [m for m in random_history(seed, 80) if m.type == "definition"]
    store = new_store("store", NOW)
    for batch in shuffled(seed, history):
        store.apply(batch)
    moments: list[datetime | None] = [at(h) for h in range(-1, 90, 3)]
    for moment in [*moments, None]:
        newest: dict[str, Any] = {}
        for m in sorted(history, key=lambda m: m.observed_at):
            if moment is None or m.observed_at <= moment:
                newest[m.subject] = m.body
        graphs = [asserted(body) for body in newest.values()]
        with store.database.reading() as connection:
            n, e = t.node, t.edge
            nodes = {(r.id, r.label) for r in connection.execute(sa.select(n.c.id, n.c.label).where(graph.valid(n, moment)))}
            edges = {tuple(r) for r in connection.execute(sa.select(e.c.source, e.c.label, e.c.target).where(graph.valid(e, moment)))}
        assert nodes == {(i, node[1]) for g in graphs for i, node in g.nodes.items()}
        assert edges == {edge for g in graphs for edge in g.edges}


def test_a_message_sent_twice_is_stored_once_and_what_was_told_first_stands(store: Store) -> None:
    assert told(store, product(), dataset()) == ["stored", "stored"]
    assert told(store, delivery(), delivery()) == ["stored", "already"]
    (receipt,) = store.apply([delivery(rows=99)])
    assert receipt.status == "already"
    assert receipt.problem == "it was received before with other content, which stands"
    with store.database.reading() as connection:
        assert [v.rows for v in reading.versions(connection, "shop/sales")] == [10]


def test_a_code_location_cannot_speak_for_the_product_of_another(store: Store) -> None:
    store.apply([product(), dataset()])
    before = exported(store)
    (receipt,) = store.apply([dataset(hours=5, location="thief", title="Mine")])
    assert receipt.status == "refused"
    assert receipt.problem == f"product 'shop' belongs to code location '{LOCATION}'; give yours another name"
    assert [r.status for r in store.apply([dataset(hours=6)], location="thief")] == ["refused"]
    assert exported(store) == before


def test_what_is_not_refused_of_a_batch_is_stored(store: Store) -> None:
    assert told(store, product(), dataset(location="thief"), dataset()) == ["stored", "refused", "stored"]


def test_a_batch_of_too_many_messages_is_refused_whole(store: Store) -> None:
    with pytest.raises(BadRequest, match="501 messages at once; at most 500 are taken"):
        store.apply([product()] * 501)


def test_nothing_of_a_transaction_that_fails_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.catalog import indexing

    store.apply([product(), dataset()])
    before = exported(store)

    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "index", die)
        with pytest.raises(RuntimeError):
            store.apply([delivery()])
    assert exported(store) == before
    assert told(store, delivery()) == ["stored"]


def test_the_newest_delivery_wins_whichever_comes_last(store: Store) -> None:
    store.apply([product(), dataset()])
    store.apply([delivery(number=2, hours=5)])
    store.apply([delivery(number=1, hours=2)])
    with store.database.reading() as connection:
        page = reading.dataset(connection, "shop/sales")
    assert page is not None
    assert page.newest is not None
    assert (page.newest.number, page.newest.at, page.state.rows) == (2, at(5), 20)


def test_backfilling_an_old_day_does_not_make_a_dataset_fresh(new_store: Callable[..., Store]) -> None:
    store = new_store("late", at(24 * 10))
    store.apply([product(), dataset(), delivery(partition="2026-11-05", hours=24 * 5)])
    store.apply([delivery(partition="2026-11-02", hours=24 * 10)])
    with store.database.reading() as connection:
        page = reading.dataset(connection, "shop/sales")
    assert page is not None
    assert (page.state.freshness, page.state.newest_partition) == ("late", "2026-11-05")


def test_what_was_due_and_has_not_come_turns_late_and_is_found_so(new_store: Callable[..., Store]) -> None:
    from dataproducts.catalog.search.index import SearchRequest, search

    clock = [at(2)]
    store = new_store("clock", lambda: clock[0])
    store.apply([product(), dataset(), delivery(hours=1)])

    def late() -> list[str]:
        with store.database.reading() as connection:
            return [hit.id for hit in search(connection, SearchRequest(text="", facets={"freshness": ["late"]})).hits]

    assert late() == []
    clock[0] = at(38)
    assert store.expire() == 1
    assert store.expire() == 0
    assert late() == ["dataset:shop/sales"]


def test_a_failed_check_a_failed_run_and_their_cure_show_in_quality(store: Store) -> None:
    def quality() -> str:
        with store.database.reading() as connection:
            page = reading.dataset(connection, "shop/sales")
        assert page is not None
        return page.state.quality

    store.apply([product(), dataset(), delivery(hours=1)])
    assert quality() == "unchecked"
    store.apply([check(hours=1)])
    assert quality() == "passing"
    store.apply([check(hours=2, passed=False, severity="warn")])
    assert quality() == "warning"
    store.apply([check(hours=3, passed=False)])
    assert quality() == "failing"
    store.apply([check(hours=4), failure(hours=4)])
    assert quality() == "failing"
    store.apply([delivery(number=2, hours=5)])
    assert quality() == "passing"


def test_a_check_that_is_no_longer_declared_no_longer_counts(store: Store) -> None:
    store.apply([product(), dataset(), delivery(), check(passed=False)])
    store.apply([dataset(hours=3, checks={"id_required": "id is never missing"})])
    with store.database.reading() as connection:
        page = reading.dataset(connection, "shop/sales")
    assert page is not None
    assert page.state.quality == "unchecked"


def test_a_column_that_is_gone_is_found_no_more_and_stands_in_the_past(store: Store) -> None:
    from dataproducts.catalog.search.index import SearchRequest, search

    store.apply([product(), dataset(columns=[column("id"), column("temperature")])])
    store.apply([dataset(hours=5, columns=[column("id")], version="2.0.0")])

    with store.database.reading() as connection:
        ids = {hit.id for hit in search(connection, SearchRequest(text="temperature")).hits}
        assert "column:shop/sales/temperature" not in ids
        then = reading.dataset(connection, "shop/sales", as_of=at(4))
        assert then is not None
        assert [c.name for c in then.body.contract.columns] == ["id", "temperature"]
        (newest, first) = reading.schema_history(connection, "shop/sales")
    assert newest.changes == (("contract", {"from": "1.0.0", "to": "2.0.0", "removed": ["temperature"]}),)
    assert first.changes == (("declared", {}),)


def test_a_removed_dataset_leaves_the_catalog_and_its_past_stays(store: Store) -> None:
    store.apply([product(), dataset(), delivery()])
    store.apply([dataset(hours=9, gone=True)])
    with store.database.reading() as connection:
        assert reading.dataset(connection, "shop/sales") is None
        assert reading.dataset(connection, "shop/sales", as_of=at(8)) is not None
        page = reading.product(connection, "shop")
        assert page is not None
        assert page.datasets == ()
        assert [n.change for n in reading.news(connection, subject="dataset:shop/sales")] == ["declared", "delivered", "removed"]


def test_versions_know_what_they_were_made_from_and_what_was_made_from_them(store: Store) -> None:
    store.apply([product(), dataset(), dataset("shop/sums", upstream=("shop/sales",)), delivery(number=3)])
    store.apply([delivery("shop/sums", hours=2, inputs={"shop/sales": (("2026-11-01", 3),)})])
    with store.database.reading() as connection:
        made = reading.version(connection, "shop/sums", "2026-11-01", 1)
        source = reading.version(connection, "shop/sales", "2026-11-01", 3)
    assert made is not None
    assert source is not None
    assert made.version.inputs == {"shop/sales": [["2026-11-01", 3]]}
    assert source.used_by == (("shop/sums", "2026-11-01", 1),)


def test_lineage_walks_both_ways_through_a_cycle(store: Store) -> None:
    names = [f"shop/d{n}" for n in range(6)]
    store.apply([product(), *(dataset(n, upstream=(names[i - 1],)) for i, n in enumerate(names))])
    with store.database.reading() as connection:
        found = graph.lineage(connection, "dataset:shop/d3", up=2, down=1)
    assert found.hops == {"dataset:shop/d3": 0, "dataset:shop/d2": -1, "dataset:shop/d4": 1, "dataset:shop/d1": -2}
    assert ("dataset:shop/d2", "dataset:shop/d3") in found.edges
    assert found.hidden == {"dataset:shop/d1": (1, 0), "dataset:shop/d4": (0, 1)}


@pytest.mark.parametrize("page", ["product", "dataset", "column", "team", "concept", "front", "status", "version"])
def test_no_page_asks_more_than_four_questions(page: str, store: Store) -> None:
    store.apply([product(), dataset(), delivery(), check(), failure(hours=0.5)])
    ask: dict[str, Callable[[Any], Any]] = {
        "product": lambda c: reading.product(c, "shop"),
        "dataset": lambda c: reading.dataset(c, "shop/sales"),
        "column": lambda c: reading.column(c, "shop/sales", "amount"),
        "team": lambda c: reading.team(c, "team-shop"),
        "concept": lambda c: reading.concept(c, "shop/amount"),
        "front": lambda c: reading.front(c, NOW),
        "status": lambda c: reading.status(c, NOW),
        "version": lambda c: reading.version(c, "shop/sales", "2026-11-01", 1),
    }
    asked: list[str] = []
    with store.database.reading() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *a: asked.append(a[2]))
        assert ask[page](connection) is not None
    assert len([q for q in asked if q.lstrip().lower().startswith(("select", "with"))]) <= 4


def test_the_columns_of_a_concept_and_the_products_of_a_team_are_found(store: Store) -> None:
    store.apply([product(), dataset()])
    with store.database.reading() as connection:
        concept = reading.concept(connection, "shop/amount")
        team = reading.team(connection, "team-shop")
        column_page = reading.column(connection, "shop/sales", "amount")
    assert concept is not None
    assert team is not None
    assert column_page is not None
    assert [n.id for n in concept.columns] == ["column:shop/sales/amount"]
    assert [p.facts.name for p in team.products] == ["shop"]
    assert [d.name for d in team.datasets] == ["shop/sales"]
    assert column_page.concept is not None
    assert column_page.concept.id == "concept:shop/amount"


def test_tidying_changes_no_answer_and_waits_until_it_is_worth_it(store: Store) -> None:
    store.apply([product(), *(dataset(f"shop/d{n}") for n in range(30))])
    with store.database.reading() as connection:
        before = _found(connection)
    assert store.tidy() == 0
    assert store.tidy(least=1) >= 1
    assert store.tidy(least=1) == 0
    with store.database.reading() as connection:
        assert _found(connection) == before


def test_readers_cannot_write(store: Store) -> None:
    with store.database.reading() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.execute(sa.delete(t.inbox))


def test_a_database_that_is_gone_is_one_sentence(tmp_path: Any) -> None:
    from dataproducts.errors import CatalogUnavailable

    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogUnavailable, match="the catalog's database cannot be used just now"):
        Store(Database(f"sqlite:///{tmp_path}/file/catalog.db")).apply([product()])
