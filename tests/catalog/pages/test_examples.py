"""Examples of use on pages: what they showed and when, a failure beside it, and pictures from addresses of our own."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.catalog.pages import sample, tree

PICTURE = "/products/enhetsregisteret/examples/nye_virksomheter.py/0.png"


@pytest.mark.parametrize("address", ["/products/enhetsregisteret?lang=en", "/datasets/enhetsregisteret/enheter?lang=en"])
def test_a_page_shows_what_an_example_showed_and_when(show: Any, address: str) -> None:
    html = show(address)
    words = tree.read(html).words
    assert "Hvor mange virksomheter ble registrert hver måned?" in words
    assert "Ran without error" in words
    assert "The first 10 of 34 rows" in words
    assert f'src="{PICTURE}' in html
    assert 'alt="Registrerte virksomheter per måned"' in html
    assert 'width="600" height="240"' in html


def test_a_failure_stands_beside_what_was_shown_before(show: Any) -> None:
    words = tree.read(show("/products/enhetsregisteret?lang=en")).words
    assert "Failed " in words
    assert 'konkurser.sql: Binder Error: Referenced column "konkurs" not found' in words


def test_a_picture_is_a_file_of_the_catalog_that_can_do_nothing(client: TestClient) -> None:
    answer = client.get(PICTURE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == sample.plot()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "address",
    [PICTURE.replace("0.png", "1.png"), PICTURE.replace("0.png", "99.png"), PICTURE.replace("nye", "nei"), "/products/x/examples/a/0.png"],
)
def test_what_is_no_picture_is_not_there(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_a_product_shows_its_fair_score_and_what_would_give_more(show: Any) -> None:
    for language, level, remedy in (
        ("en", "FAIR: excellent", "publish files with dp.Package(url=...)"),
        ("nb", "FAIR: utmerket", "publiser filer med dp.Package(url=...)"),
    ):
        words = tree.read(show(f"/products/enhetsregisteret?lang={language}")).words
        assert level in words
        assert remedy in words
