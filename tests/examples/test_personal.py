"""An example that shows somebody is told of, whatever the value looks like, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandera.polars as pa
import pytest

import dataproducts as dp
from dataproducts.examples import job, kept, personal
from dataproducts.examples.running import Outcome
from dataproducts.messages import ExampleOutput


class Visit(pa.DataFrameModel):
    """Visits."""

    id: int = dp.column("Number.", personal="none")
    who: str = dp.column("Who.", personal="directly_identifying")
    work: str = dp.column("Occupation.", personal="possibly_identifying")


@pytest.fixture
def clinic(facts_file: Callable[..., Path], materialize: Any) -> Any:
    product = dp.DataProduct(facts_file())
    product.dataset(schema=Visit, key="id", personal="directly_identifying", access="restricted", name="visits")(
        lambda: [{"id": 1, "who": "Berit Oppdiktet", "work": "Sykepleier"}, {"id": 2, "who": "Ola", "work": "Kokk"}]
    )
    assert materialize(product, "visits").success
    return product


def outcome(text: str, kind: Any = "text") -> Outcome:
    return Outcome("a.py", "d", datetime.now(UTC), 0.1, (ExampleOutput(kind=kind, content=text),))


@pytest.mark.parametrize(
    ("text", "source", "is_refused"),
    [
        ('[["Berit Oppdiktet", "2"]]', 'dp.read("shop/visits")', True),
        ("met Berit Oppdiktet", "SELECT * FROM shop.visits", True),
        ("Sykepleier: 1, Kokk: 1", 'dp.read("shop/visits")', False),  # an occupation is nobody
        ("Olaf, Nicola", 'dp.read("shop/visits")', False),  # too short to be looked for
        ("Berit Oppdiktet", 'dp.read("shop/others")', False),  # the example cannot know it from here
    ],
)
def test_values_of_columns_of_persons_are_refused(clinic: Any, text: str, source: str, is_refused: bool) -> None:
    found = personal.refused(outcome(text), source, {"shop": clinic})
    told = "a.py shows a value of who of shop/visits, which is directly_identifying; choose columns without personal data"
    assert (found.problem, found.outputs == ()) == ((told, True) if is_refused else (None, False))


def test_what_was_shown_is_not_kept(clinic: Any) -> None:
    folder = clinic.folder / "examples"
    folder.mkdir()
    (folder / "a.sql").write_text("SELECT who FROM shop.visits")
    (broken,) = job.run_all({"shop": clinic}, str)
    assert broken.startswith("shop: a.sql shows a value of who of shop/visits")
    assert kept.load("shop")["a.sql"].outputs == ()
