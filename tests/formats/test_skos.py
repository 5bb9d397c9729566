"""The glossary of a product as SKOS-AP-NO."""

from __future__ import annotations

import json
from pathlib import Path

import pyshacl
import pytest
from rdflib import RDF, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic

from dataproducts.formats import skos
from dataproducts.formats.turtle import turtle

SHAPES = Graph().parse(Path(__file__).parent / "shapes" / "skos-ap-no.ttl")
SKOS = Namespace("http://www.w3.org/2004/02/skos/core#")
DCT = Namespace("http://purl.org/dc/terms/")
GLOSSARY = URIRef("https://katalog.example.com/concepts/kaffe")


@pytest.fixture(scope="module")
def found(kaffe, addresses):
    return Graph().parse(data=json.dumps(skos.glossary(kaffe, addresses)), format="json-ld")


def conforms(graph: Graph) -> bool:
    return pyshacl.validate(graph, shacl_graph=SHAPES, inference="none")[0]


def test_a_glossary_has_all_that_is_mandatory(found):
    assert conforms(found)


@pytest.mark.parametrize("path", [SKOS.prefLabel, SKOS.definition, SKOS.inScheme, DCT.identifier, DCT.publisher])
def test_the_shapes_notice_each_mandatory_property_that_is_gone(found, path):
    changed = found + Graph()
    for concept in list(changed.subjects(RDF.type, SKOS.Concept)):
        changed.remove((concept, path, None))
    assert not conforms(changed)


def test_broader_concepts_are_linked_both_ways_and_unknown_ones_not_at_all(found):
    kopp, drikke = URIRef(f"{GLOSSARY}/kopp"), URIRef(f"{GLOSSARY}/drikke")
    assert list(found.objects(kopp, SKOS.broader)) == [drikke]
    assert list(found.objects(drikke, SKOS.narrower)) == [kopp]
    tops = {drikke, URIRef(f"{GLOSSARY}/fat")}
    assert set(found.objects(GLOSSARY, SKOS.hasTopConcept)) == set(found.subjects(SKOS.topConceptOf, GLOSSARY)) == tops


def test_terms_keep_their_languages(found):
    labels = set(found.objects(URIRef(f"{GLOSSARY}/kopp"), SKOS.prefLabel))
    assert labels == {Literal("Kopp", lang="nb"), Literal("Cup", lang="en")}


def test_one_concept_can_be_had_alone(kaffe, addresses):
    document = skos.concept("kopp", kaffe, addresses)
    alone = Graph().parse(data=turtle(document), format="turtle")
    assert set(alone.subjects(RDF.type, SKOS.Concept)) == {URIRef(f"{GLOSSARY}/kopp")}
    assert isomorphic(alone, Graph().parse(data=json.dumps(document), format="json-ld"))
    with pytest.raises(KeyError):
        skos.concept("te", kaffe, addresses)
