"""The schema.org JSON-LD in pages: what Google's dataset search asks for, and nothing that is not for everybody's eyes."""

from __future__ import annotations

import json
import re

import pytest

from dataproducts.formats import schema_org
from dataproducts.messages import PortFacts, ProductBody
from dataproducts.product_facts import ProductFacts
from tests.formats.conftest import FACTS, SECRET, kopper

ISO_INTERVAL = r"\d{4}-\d{2}-\d{2}/(\d{4}-\d{2}-\d{2}|\.\.)"


def breaches(document: dict) -> list[str]:
    """What a search engine would complain of."""
    found = []
    required = {"@context", "@type", "@id", "url", "name", "description", "license", "creator", "publisher", "identifier"}
    found += sorted(f"no {key}" for key in required - document.keys())
    if not 50 <= len(document.get("description", "")) <= 5_000:
        found.append("description has not between 50 and 5000 characters")
    for key in ("@id", "url", "license"):
        if not re.match(r"https?://", document.get(key, "")):
            found.append(f"{key} is no address")
    if "temporalCoverage" in document and not re.fullmatch(ISO_INTERVAL, document["temporalCoverage"]):
        found.append("temporalCoverage is no interval")
    for one in document.get("distribution", []):
        if one.get("@type") != "DataDownload" or not one.get("encodingFormat") or not one.get("contentUrl", "").startswith("http"):
            found.append("a distribution cannot be downloaded")
    if not all(one.get("@type") == "PropertyValue" and one.get("name") for one in document.get("variableMeasured", [])):
        found.append("a variable has no name")
    return found


def test_datasets_and_products_have_what_search_engines_ask_for(kaffe, newest, register, addresses):
    product, entries = register
    documents = [schema_org.dataset(body, product, addresses, version) for body, version in entries]
    documents += [schema_org.product(*register, addresses), schema_org.product(kaffe, [(kopper(), newest)], addresses)]
    documents += [schema_org.dataset(kopper(), kaffe, addresses, newest)]
    for document in documents:
        assert breaches(document) == []


def test_the_rules_notice_what_is_gone(kaffe, addresses):
    document = schema_org.dataset(kopper(), kaffe, addresses)
    for key in ("@id", "url", "name", "description", "license", "creator", "publisher"):
        assert breaches({name: value for name, value in document.items() if name != key})


def test_a_dataset_says_what_it_measures_when_and_where_it_is(kaffe, newest, addresses):
    document = schema_org.dataset(kopper(), kaffe, addresses, newest)
    assert document["temporalCoverage"] == "2026-11-01/2026-11-20"
    assert document["dateModified"] == "2026-11-21T04:30:00+00:00"
    assert document["variableMeasured"][0] == {
        "@type": "PropertyValue",
        "name": "id",
        "description": "Number of the cup",
        "url": "https://katalog.example.com/datasets/kaffe/kopper/columns/id",
        "unitText": "cups",
        "minValue": 1,
        "maxValue": 40,
    }
    assert [one["contentUrl"] for one in document["distribution"]] == ["https://filer.example.com/kopper.csv"]
    assert document["includedInDataCatalog"]["@id"] == "https://katalog.example.com/"
    assert document["creator"]["name"] == "Kaffebrenneriet"


def test_a_bound_that_is_no_number_is_left_out(kaffe, newest, addresses):
    gram = next(one for one in schema_org.dataset(kopper(), kaffe, addresses, newest)["variableMeasured"] if one["name"] == "gram")
    assert gram["minValue"] == 1.5
    assert "maxValue" not in gram  # NaN is not JSON


def test_no_value_of_a_personal_column_is_told(kaffe, newest, addresses):
    assert SECRET not in json.dumps(schema_org.dataset(kopper(), kaffe, addresses, newest))


def test_a_column_that_states_no_class_shows_no_figures_where_there_are_personal_data(kaffe, newest, addresses):
    body = kopper()
    columns = [one.model_dump() | {"personal": None, "type": "Int64"} for one in body.contract.columns]
    stated = {"contract": body.contract.model_dump() | {"columns": columns}}
    assert SECRET not in json.dumps(schema_org.dataset(kopper(**stated), kaffe, addresses, newest))
    shown = schema_org.dataset(kopper(**stated, personal="none"), kaffe, addresses, newest)
    assert shown["variableMeasured"][0]["maxValue"] == 40


def test_only_open_data_are_said_to_be_free(addresses):
    product = ProductBody(facts=ProductFacts.model_validate(FACTS | {"personal_data": {"class": "none", "reason": "Cups."}}))
    assert schema_org.dataset(kopper(access="open", personal="none"), product, addresses)["isAccessibleForFree"] is True
    assert "isAccessibleForFree" not in schema_org.dataset(kopper(), product, addresses)


def test_a_long_description_is_cut_between_words(kaffe, addresses):
    document = schema_org.dataset(kopper(description="kaffe " * 2_000), kaffe, addresses)
    assert len(document["description"]) <= 5_000
    assert document["description"].endswith("kaffe…")


@pytest.mark.parametrize("language", ["nb", "en"])
def test_a_product_speaks_the_language_of_the_page(kaffe, addresses, language):
    document = schema_org.product(kaffe, [], addresses, language)
    assert document["name"] == {"nb": "Kaffe", "en": "Coffee"}[language]


def test_a_catalog_is_a_data_catalog(about, addresses):
    document = schema_org.catalog(about, addresses, "en")
    assert document["@type"] == "DataCatalog"
    assert document["name"] == "The data catalog"
    assert document["publisher"]["contactPoint"]["email"] == "katalog@example.com"


@pytest.mark.parametrize("payload", ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "a\u2028b\u2029c", "&lt;", "\\u003c"])
def test_an_embedded_document_never_leaves_its_script_element(kaffe, addresses, payload):
    document = schema_org.dataset(kopper(description=f"{payload} " * 10), kaffe, addresses)
    text = schema_org.embedded(document)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == document


def test_a_port_that_is_not_on_the_web_is_no_download(kaffe, addresses):
    body = kopper(ports=(PortFacts(name="topic", kind="kafka", address="kaffe.kopper-v1"),))
    assert "distribution" not in schema_org.dataset(body, kaffe, addresses)
