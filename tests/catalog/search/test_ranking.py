"""The order of results: stages that nothing can cross, and pages that hang together."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import sqlalchemy as sa

from dataproducts.catalog.search import combinations as combinations_of
from dataproducts.catalog.search import index, searching
from dataproducts.catalog.search.documents import Document
from dataproducts.catalog.search.index import SearchRequest
from dataproducts.errors import BadRequest
from tests.catalog.search.conftest import ask, ids
from tests.catalog.search.test_index import dataset, put


def test_the_exact_name_is_first_against_everything(empty: sa.Engine) -> None:
    rivals = [
        dataset(f"p{i}/x", title, columns=("Orders", "orders"), keywords=("orders",) * 3, text=("orders " * 500,), standing=1.0)
        for i, title in enumerate(
            ("Orders orders orders", "All orders", "Order", "Orders!? (new)", "Ordersystem", "My Orders", "orders_2", "Orderss")
        )
    ]
    worst = dataset("z/y", "Orders", standing=0.0)
    put(empty, *rivals, worst)
    for typed in ("orders", "Orders", " ORDERS ", '"orders"', "orders -system"):
        page = ask(empty, typed)
        assert page.hits[0].id == worst.id, typed
        assert page.hits[0].stage == 1
        assert all(hit.stage > 1 for hit in page.hits[1:])
    put(empty, dataset("p0/x", "Ordre", standing=1.0))
    assert ids(empty, "orders")[0] == worst.id


def test_each_stage_comes_before_the_next(empty: sa.Engine) -> None:
    put(
        empty,
        dataset("a/name", "Laks", standing=0.0),
        dataset("b/title", "Norsk laks", standing=0.1),
        dataset("c/column", "Fangst", columns=("laks_kg",), standing=0.2),
        dataset("d/stem", "Antall lakser", standing=0.3),
        dataset("e/compound", "Laksefangst", columns=("fangst",), standing=0.4),
        dataset("f/keyword", "Havbruk", keywords=("laks",), standing=0.9),
        dataset("g/text", "Sjømat", text=("Eksport av laks",), standing=1.0),
    )
    page = ask(empty, "laks")
    assert [(hit.id[8:], hit.stage) for hit in page.hits] == [
        ("a/name", 1),
        ("b/title", 2),
        ("c/column", 2),
        ("e/compound", 3),
        ("d/stem", 3),
        ("f/keyword", 4),
        ("g/text", 4),
    ]
    assert [hit.matched[-1][0] for hit in page.hits] == ["title", "title", "columns", "title", "title", "keywords", "text"]
    assert page.hits[2].matched == (("columns", ("laks",)),)
    assert page.hits[3].matched == (("title", ("laksefangst",)),)
    assert page.hits[0].matched[0] == ("name", ("laks",))


def test_what_was_typed_comes_before_what_it_resembles(empty: sa.Engine) -> None:
    put(empty, dataset("a/ar", "Antall ar", standing=1.0), dataset("a/year", "Antall år", standing=0.0))
    assert ids(empty, "år") == ["dataset:a/year", "dataset:a/ar"]
    assert ids(empty, "ar") == ["dataset:a/ar", "dataset:a/year"]


def test_deprecated_is_last_of_its_stage_and_never_hidden(empty: sa.Engine) -> None:
    put(
        empty,
        dataset("a/old", "Laks i elv", standing=1.0, deprecated=True),
        dataset("a/new", "Laks i sjø", standing=0.1),
        dataset("a/text", "Sjømat", text=("laks",), standing=1.0),
    )
    assert ids(empty, "laks") == ["dataset:a/new", "dataset:a/old", "dataset:a/text"]
    assert ids(empty)[-1] == "dataset:a/old"


def test_a_correction_is_never_mixed_with_what_was_found(empty: sa.Engine) -> None:
    put(empty, *(dataset(f"a/n{i}", f"Laksefangst {i}") for i in range(40)), dataset("b/typo", "Laksefangts nord"))
    page = ask(empty, "laksefangts")
    assert [hit.id for hit in page.hits] == ["dataset:b/typo"]
    assert page.did_you_mean == "laksefangst"
    page = ask(empty, "laksefagst")
    assert page.understood == page.did_you_mean == "laksefangst"
    assert {hit.stage for hit in page.hits} == {5}
    following = ask(empty, "laksefagst", cursor=page.next)
    assert {hit.stage for hit in following.hits} == {5}
    assert len({hit.id for hit in (*page.hits, *following.hits)}) == 40
    assert ask(empty, "xyzzyplugh").did_you_mean is None


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("text", ["fangst", "laks fangst", "", "fangst -sei", "fangst OR torsk", "laksefagst"])
@pytest.mark.parametrize("sort", ["relevance", "title", "updated"])
def test_pages_are_the_whole_cut_up(corpora: dict[bool, sa.Engine], text: str, sort: str, many: bool) -> None:
    engine = corpora[many]
    whole: list[str] = []
    cursor: str | None = None
    while True:
        page = ask(engine, text, sort=sort, limit=100, cursor=cursor)
        whole += [hit.id for hit in page.hits]
        cursor = page.next
        if cursor is None:
            break
    assert len(whole) == len(set(whole)) == page.total > 10
    pieces: list[str] = []
    while True:
        page = ask(engine, text, sort=sort, limit=7, cursor=cursor)
        pieces += [hit.id for hit in page.hits]
        cursor = page.next
        if cursor is None:
            break
    assert pieces == whole


@pytest.fixture(scope="module")
def corpora(backend: Any) -> Any:
    """A catalog with few hits of each search, read at once, and one with many, read step by step."""
    made = {}
    for many in (False, True):
        engine = made[many] = backend()
        with engine.begin() as connection:
            index.create(connection)
            index.put(connection, [_fish(i) for i in range(240 if many else 60)])
    yield made
    for engine in made.values():
        engine.dispose()


def _fish(i: int) -> Document:
    fish, other = ("laks", "torsk", "sei", "ørret")[i % 4], ("fangst", "Fangster", "eksport", "laksefangst")[i // 4 % 4]
    text = (f"{fish} og fangst",) if i % 3 else ("sjømat",)
    return dataset(f"p/{fish}{i}", f"{fish} {other}", columns=(other,), keywords=(fish,), text=text, standing=i % 7 / 7)


def test_few_hits_and_many_are_ordered_alike(corpora: dict[bool, sa.Engine]) -> None:
    assert ask(corpora[False], "fangst").total < 120 < ask(corpora[True], "fangst").total
    for text in ("fangst", "laks fangst", "fangst -sei", "laks"):
        few = ids(corpora[False], text, limit=100)
        many: list[str] = []
        cursor = None
        while True:
            page = ask(corpora[True], text, limit=100, cursor=cursor)
            many += [hit.id for hit in page.hits]
            cursor = page.next
            if cursor is None:
                break
        assert [one for one in many if one in few] == few


@pytest.mark.parametrize("text", ["laks fangst", "fangst laks -sei", "torsk fangst", "laks OR torsk fangst"])
@pytest.mark.parametrize("facets", [{}, {"kind": ["dataset"]}, {"kind": ["column"]}], ids=["all", "datasets", "columns"])
def test_hits_of_several_words_are_ordered_as_step_by_step(
    pairs: sa.Engine, text: str, facets: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def walked() -> list[list[str]]:
        pages: list[list[str]] = []
        cursor: str | None = None
        while True:
            page = ask(pairs, text, facets=facets, limit=15, cursor=cursor)
            pages.append([hit.id for hit in page.hits])
            if (cursor := page.next) is None:
                return pages

    asked: list[bool] = []
    near = searching._Search._classified
    monkeypatch.setattr(searching._Search, "_classified", lambda *args: asked.append(True) or near(*args))
    monkeypatch.setattr(searching, "_CLASSIFIED", 40)
    at_once = walked()
    assert asked
    asked.clear()
    monkeypatch.setattr(searching._Search, "_is_intricate", lambda self: False)
    assert walked() == at_once
    assert not asked
    assert len(at_once) > 2


@pytest.fixture(scope="module")
def pairs(backend: Any) -> Any:
    """A catalog in which many texts hold two words, and few titles; some of it deprecated."""
    engine = backend()
    with engine.begin() as connection:
        index.create(connection)
        index.put(connection, [_pair(i, kind) for i in range(60) for kind in ("dataset", "column")])
    yield engine
    engine.dispose()


def _pair(i: int, kind: str) -> Document:
    title = {0: "Laks fangst", 1: "Laksefangster", 2: "Torsk", 3: "Torskefangst"}.get(i, f"Sjømat {i}")
    text = ("laks, torsk og fangst",)
    columns, keywords = (("fangst", "laks") if i % 9 == place else () for place in (4, 2))
    own = {"names": (f"{kind}{i}",), "title": (title,), "columns": columns, "keywords": keywords, "text": text}
    return Document(f"{kind}:p/x{i}", kind, **own, standing=i % 5 / 5, deprecated=i % 4 == 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "",
        "....",
        "æøå",
        "A" * 5_000,
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b'["abc", 1, 2]').decode(),
        base64.urlsafe_b64encode(b"[" * 900).decode(),
    ],
)
def test_a_cursor_that_is_none_is_refused_in_words(corpus: sa.Engine, cursor: str) -> None:
    with pytest.raises(BadRequest, match="start again from the first page"):
        ask(corpus, "enheter", cursor=cursor)


def test_a_cursor_of_another_search_is_refused(corpus: sa.Engine) -> None:
    cursor = ask(corpus, "enheter", limit=1).next
    assert cursor is not None
    for more in ({"text": "enhet"}, {"text": "enheter", "sort": "title"}, {"text": "enheter", "facets": {"kind": ["dataset"]}}):
        with pytest.raises(BadRequest, match="another search"):
            ask(corpus, **{"limit": 1, "cursor": cursor, **more})
    mark = json.loads(base64.urlsafe_b64decode(cursor + "=="))[0]
    for place in (["a", 1], [1], [1, 2, 3], [1, 2**70], [1, None], [True, 1], [1.0, 1]):
        forged = base64.urlsafe_b64encode(json.dumps([mark, *place]).encode()).decode()
        with pytest.raises(BadRequest):
            ask(corpus, "enheter", cursor=forged)
    forged = base64.urlsafe_b64encode(json.dumps([mark, 999, -5]).encode()).decode()
    ask(corpus, "enheter", cursor=forged)  # nowhere, but no harm


def test_a_search_that_runs_out_of_time_gives_what_there_is(corpora: dict[bool, sa.Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.catalog.search import searching

    engine = corpora[True]
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) FROM n"
    whole = ask(engine, "fangst")
    with engine.connect() as connection:
        made = searching._Search(connection, SearchRequest("fangst", budget_seconds=0.02))
        assert made._rows(slow, {}) == []
        assert made.is_partial
        again = index.search(connection, SearchRequest("fangst", budget_seconds=10))
    assert again == whole  # the connection is as good as before

    counting = searching._Search._rows
    monkeypatch.setattr(
        searching._Search,
        "_rows",
        lambda self, query, values, share=1.0: counting(self, slow if share < 1 else query, values if share == 1 else {}, share),
    )
    page = ask(engine, "fangst", budget_seconds=0.05)
    assert page.is_partial
    assert page.total_is_capped
    assert [hit.id for hit in page.hits] == [hit.id for hit in whole.hits]


@pytest.mark.parametrize("capped", [False, True], ids=["counted", "beyond what is counted"])
def test_a_search_takes_at_most_four_statements(corpus: sa.Engine, capped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(corpus, "before_cursor_execute", note)
    if capped:
        monkeypatch.setattr(searching, "MAX_COUNTED", 5)
    for text, meant in (
        ("enheter", None),
        ("", None),
        ("arbeidsgiveravgift per termin", None),
        ("sykmeld", None),
        ("enheter -gammelt", None),
        ("pensojn", "pensjon"),
        ("pensojn enhetr", None),
        ("pensojn -gammelt", "pensjon -gammelt"),
    ):
        for facets in ({}, {"kind": ["dataset"], "access": ["public"]}):
            for sort in ("relevance", "updated"):
                cursor: str | None = None
                for _ in range(3):
                    monkeypatch.setattr(combinations_of, "_remembered", combinations_of.Combinations())
                    statements.clear()
                    page = ask(corpus, text, facets=facets, sort=sort, limit=2, cursor=cursor)
                    real = [one for one in statements if not one.startswith(("SET ", "SAVEPOINT", "ROLLBACK", "begin", "BEGIN"))]
                    assert len(real) <= 4, (text, facets, "\n".join(one[:150] for one in real))
                    if (cursor := page.next) is None:
                        break
        if meant is not None:
            assert ask(corpus, text).did_you_mean == meant
    sa.event.remove(corpus, "before_cursor_execute", note)


def test_suggestions_are_titles_best_first_and_each_once(empty: sa.Engine) -> None:
    put(
        empty,
        dataset("a/b", "Fiske etter torsk", standing=0.2),
        dataset("a/c", "Fiskefartøy", standing=0.9),
        *(Document(f"column:a/{i}/fisk", "column", ("fisk",), ("Fiskeslag",)) for i in range(30)),
        Document("product:x", "product", ("x",), ("Havfiske", "Deep sea fishing")),
        dataset("a/ø", "Østlige fiskebanker"),
    )
    with empty.connect() as connection:
        found = index.suggest(connection, "fisk")
        assert next(one.text for one in found if one.kind == "dataset") == "Fiskefartøy"
        assert [one.text for one in found].count("Fiskeslag") == 1
        assert len({one.text for one in found}) == len(found) == 4
        assert index.suggest(connection, "FISKE ET")[0].id == "dataset:a/b"
        assert index.suggest(connection, "ost")[0].text == "Østlige fiskebanker"
        assert index.suggest(connection, "deep s")[0].text == "Deep sea fishing"
        assert len(index.suggest(connection, "f", limit=2)) == 2
        assert index.suggest(connection, "  ") == index.suggest(connection, '"*') == index.suggest(connection, "qqq") == []


def test_counts_are_whole_where_time_runs_out_between_them(corpus: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = searching._Search._rows

    def cut(self: searching._Search, query: str, values: Any, share: float = 1.0) -> list[Any]:
        rows = asked(self, query, values, share)
        return rows[: len(rows) // 2] if "search_facet_set" in query else rows

    monkeypatch.setattr(searching, "MAX_COUNTED", 5)
    whole = ask(corpus, "enheter")
    assert whole.facets_are_capped
    monkeypatch.setattr(combinations_of, "_remembered", combinations_of.Combinations())
    monkeypatch.setattr(searching._Search, "_rows", cut)
    cut_short = ask(corpus, "enheter")
    assert {name: values for name, values in cut_short.facets.items() if name != "kind"} == {
        name: values for name, values in whole.facets.items() if name != "kind"
    }
    assert cut_short.hits == whole.hits


def test_a_correction_that_finds_nothing_either_is_not_made(empty: sa.Engine) -> None:
    put(empty, dataset("a/b", "Kommuner", facets={"team": ("kart",)}), dataset("a/c", "Kommunar", facets={"team": ("tall",)}))
    put(empty, dataset("a/d", "Stillinger"))
    page = ask(empty, "kommuner stilingger")
    assert (page.hits, page.did_you_mean, page.understood) == ([], None, "kommuner stilingger")
    assert page.each == ("kommuner",), "what can be searched for instead"
    narrowed = ask(empty, "stilingger", facets={"team": ("kart",)})
    assert narrowed.hits == []
    assert narrowed.facets["team"] == [("kart", 0, True)], "counts are of what was asked for"
    assert ask(empty, "stilingger").did_you_mean == "stillinger"


def test_no_word_is_taken_for_one_that_queries_leave_out(empty: sa.Engine) -> None:
    put(empty, dataset("a/b", "Annonser for i dag"))
    page = ask(empty, "annonser fra i fjor")
    assert (page.hits, page.did_you_mean) == ([], None)


def test_what_is_found_by_its_exact_name_is_what_was_meant(empty: sa.Engine) -> None:
    put(empty, dataset("tabill/salg", "Salg"), *(dataset(f"c/d{i}", "Tabell") for i in range(10)))
    page = ask(empty, "tabill/salg")
    assert [hit.stage for hit in page.hits[:1]] == [1]
    assert page.did_you_mean is None
