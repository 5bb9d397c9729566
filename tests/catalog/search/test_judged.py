"""What people expect to find: the judged queries, the same on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from dataproducts.catalog.search import index
from tests.catalog.search.catalog import documents
from tests.catalog.search.conftest import ask, sqlite

JUDGED: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "judged.yaml").read_text(encoding="utf-8"))


def test_the_judges_know_the_catalog() -> None:
    known = {document.id for document in documents()}
    named = {one for judged in JUDGED for one in (judged.get("first"), *judged.get("top", ()), *judged.get("never", ())) if one}
    assert len(JUDGED) >= 110
    assert len(known) >= 140
    assert not named - known


@pytest.mark.parametrize("judged", JUDGED, ids=[str(judged["q"]) for judged in JUDGED])
def test_a_judged_query_finds_what_it_should(corpus: sa.Engine, judged: dict[str, Any]) -> None:
    page = ask(corpus, judged["q"])
    found = [hit.id for hit in page.hits]
    assert "first" not in judged or found[:1] == [judged["first"]]
    assert set(judged.get("top", ())) <= set(found[: judged.get("k", 5)])
    assert not set(judged.get("never", ())) & set(found)
    assert "stage" not in judged or page.hits[0].stage == judged["stage"]
    assert not (judged.get("none") and found)
    assert "means" not in judged or page.did_you_mean == judged["means"]
    assert [hit.stage for hit in page.hits] == sorted(hit.stage for hit in page.hits)
    assert all(hit.matched and all(words for _, words in hit.matched) for hit in page.hits)
    assert not page.is_partial


def test_both_databases_answer_the_same(corpus: sa.Engine, tmp_path: Path) -> None:
    other = sqlite(tmp_path / "other.db")
    with other.begin() as connection:
        index.create(connection)
        index.put(connection, documents()[::-1])
    for text in [judged["q"] for judged in JUDGED]:
        for more in (
            {},
            {"sort": "title", "limit": 7},
            {"sort": "updated"},
            {"facets": {"access": ["public"], "kind": ["dataset", "column"]}},
        ):
            assert ask(corpus, text, **more) == ask(other, text, **more), text
    with corpus.connect() as one, other.connect() as two:
        for text in [judged["q"] for judged in JUDGED]:
            for typed in (text[:1], text[:2], text[:4], text):
                assert index.suggest(one, typed, budget_seconds=10) == index.suggest(two, typed, budget_seconds=10), typed
    other.dispose()
