"""Versions and runs in the metadata graph: what the tables tell of them, at any time, once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog import graph
from dataproducts.catalog.store import Store
from dataproducts.errors import BadRequest
from tests.catalog.messages import at, dataset, delivery, product, random_history

SALES, STOCK = "dataset:shop/sales", "dataset:shop/stock"
FIRST, SECOND, TENTH = (f"version:shop/sales@2026-11-01@{number}" for number in (1, 2, 10))
MADE_OF_THEM = "version:shop/stock@a@b/c@1"


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    """Of a shop whose stock is made from two versions of its sales."""
    inputs = {"shop/sales": (("2026-11-01", 10), ("2026-11-01", 2))}
    store.apply(
        [
            product(),
            dataset("shop/sales"),
            dataset("shop/stock", upstream=("shop/sales",)),
            delivery(number=1, hours=1),
            delivery(number=2, hours=2),
            delivery(number=10, hours=3),
            delivery("shop/stock", "a@b/c", 1, hours=4, run="run-3", inputs=inputs),
            delivery(number=10, hours=5, unchanged=True),
            delivery(partition="2026-11-02", hours=6, run="-"),
            delivery(partition="2026-11-03", hours=7, unchanged=True),
        ]
    )
    with store.database.reading() as connection:
        yield connection


def ends(connection: sa.Connection, node_id: str, direction: Any, **more: Any) -> list[tuple[str, str, datetime]]:
    found = graph.edges(connection, node_id, direction, **more)
    assert {one.source if direction == "out" else one.target for one in found} <= {node_id}
    return [(one.label, one.target if direction == "out" else one.source, one.valid_from) for one in found]


def test_a_version_is_a_node_from_when_it_was_known(connection: sa.Connection) -> None:
    (node,) = graph.nodes(
        connection, [SECOND, "version:shop/sales@2026-11-01@02", "version:shop/sales@2026-11-01@7", "version:no"]
    ).values()
    assert (node.kind, node.asserted_by, node.valid_from, node.valid_to) == ("version", SALES, at(2), None)
    assert (node.body["number"], node.body["rows"], node.body["contract"], node.body["run"]) == (2, 20, "1.0.0", "run-2")
    assert graph.history(connection, SECOND) == [node]
    assert not graph.nodes(connection, [SECOND], at(1.9))
    assert graph.nodes(connection, [SECOND], at(2)) == {SECOND: node}
    assert graph.nodes(connection, [MADE_OF_THEM])[MADE_OF_THEM].body["partition"] == "a@b/c"


def test_a_run_is_a_node_from_its_first_version_on_and_only_of_what_it_made(connection: sa.Connection) -> None:
    assert [one.id for one in graph.of_kind(connection, "run")] == ["run:run-1", "run:run-2", "run:run-3"]
    assert [one.id for one in graph.of_kind(connection, "run", as_of=at(2), after="run:run-1")] == ["run:run-2"]
    (node,) = graph.history(connection, "run:run-3")
    assert (node.kind, node.label, node.valid_from, node.valid_to) == ("run", "run-3", at(3), None)
    assert not graph.nodes(connection, ["run:run-3"], at(2.9))
    assert not graph.nodes(connection, ["run:run-5", "run:run-7", "run:-"]), "these found versions unchanged, or were none"
    made = [("made", TENTH, at(3)), ("made", MADE_OF_THEM, at(4))]
    assert ends(connection, "run:run-3", "out") == made
    assert ends(connection, "run:run-3", "out", as_of=at(3)) == made[:1]
    assert ends(connection, "run:run-3", "in") == []


def test_versions_lead_to_their_dataset_their_run_and_what_they_were_made_from(connection: sa.Connection) -> None:
    assert ends(connection, MADE_OF_THEM, "out") == [("derived_from", SECOND, at(4)), ("derived_from", TENTH, at(4))]
    into = [("derived_from", MADE_OF_THEM, at(4)), ("has_version", SALES, at(3)), ("made", "run:run-3", at(3))]
    assert ends(connection, TENTH, "in") == into
    assert ends(connection, TENTH, "in", as_of=at(3)) == into[1:], "nothing was made from it yet"
    assert ends(connection, TENTH, "in", label="made") == into[2:]
    assert ends(connection, MADE_OF_THEM, "out", as_of=at(3)) == ends(connection, TENTH, "in", as_of=at(2)) == []
    held = ends(connection, SALES, "out", label="has_version")
    assert [one for _, one, _ in held] == [FIRST, SECOND, TENTH, "version:shop/sales@2026-11-02@1", "version:shop/sales@2026-11-03@1"]
    assert ends(connection, SALES, "out", label="has_version", as_of=at(2)) == held[:2]
    assert [label for label, _, _ in ends(connection, STOCK, "out")] == (
        ["derived_from", "has_column", "has_column", "has_column", "has_version", "promises", "published_through"]
    )


def test_a_number_that_comes_again_with_other_rows_is_the_newer_from_then_on(store: Store) -> None:
    store.apply([delivery(hours=8, content_hash="new", run="second"), delivery(hours=2, content_hash="old", run="first")])
    with store.database.reading() as connection:
        old, new = graph.history(connection, FIRST)
        assert [(one.body["content_hash"], one.valid_from, one.valid_to) for one in (old, new)] == [
            ("old", at(2), at(8)),
            ("new", at(8), None),
        ]
        assert graph.nodes(connection, [FIRST]) == {FIRST: new}
        assert graph.nodes(connection, [FIRST], at(7)) == {FIRST: old}
        assert graph.of_kind(connection, "version") == [new]
        assert graph.of_kind(connection, "version", as_of=at(7)) == [old]
        assert ends(connection, FIRST, "in") == [("has_version", SALES, at(2)), ("made", "run:first", at(2)), ("made", "run:second", at(8))]


@pytest.mark.parametrize("as_of", [None, at(20)])
def test_page_after_page_gives_each_version_run_and_edge_once(as_of: datetime | None, store: Store) -> None:
    history = list(random_history(7, 80))
    store.apply([m.model_copy(update={"run": f"run-{m.number % 3}"}) if m.type == "delivery" else m for m in history])

    def paged(read: Callable[[Any, int], list[Any]], key: Callable[[Any], Any], start: Any) -> list[Any]:
        found, after = [], start
        while some := read(after, 2):
            found += some
            after = key(some[-1])
        return found

    with store.database.reading() as connection:
        whole: dict[str, list[str]] = {}
        for kind in ("version", "run"):
            nodes = paged(lambda a, n, k=kind: graph.of_kind(connection, k, after=a, limit=n, as_of=as_of), lambda one: one.id, "")
            whole[kind] = [one.id for one in nodes]
            assert nodes == graph.of_kind(connection, kind, limit=1_000, as_of=as_of)
            assert graph.nodes(connection, whole[kind], as_of) == {one.id: one for one in nodes}
        forth, back = set(), set()
        for node_id in [*whole["version"], *whole["run"], SALES, STOCK, "dataset:bank/loans"]:
            for direction, seen in (("out", forth), ("in", back)):
                other = "target" if direction == "out" else "source"
                edges = paged(
                    lambda a, n, i=node_id, d=direction: graph.edges(connection, i, d, after=a, limit=n, as_of=as_of),
                    lambda one, o=other: (one.label, getattr(one, o)),
                    ("", ""),
                )
                assert edges == graph.edges(connection, node_id, direction, limit=1_000, as_of=as_of)
                seen |= {one for one in edges if "version:" in one.source + one.target}
    known = {(m.dataset, m.partition, m.number) for m in history if m.type == "delivery" and (as_of is None or m.known_at <= as_of)}
    assert sorted(whole["version"]) == sorted("version:{}@{}@{}".format(*one) for one in known)
    assert {one.label for one in forth} == {"derived_from", "has_version", "made"}
    assert forth - back == {one for one in forth if one.target not in whole["version"]}, "only what is not known has no way back"
    assert back <= forth


def test_a_place_that_is_no_version_is_no_cursor(connection: sa.Connection) -> None:
    with pytest.raises(BadRequest, match="start again"):
        graph.of_kind(connection, "version", after="version:shop/sales")
