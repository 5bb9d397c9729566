"""Words and the forms of words."""

from __future__ import annotations

import threading

import pytest

from dataproducts.catalog.search import analysis


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Enheter i Enhetsregisteret", ["enheter", "i", "enhetsregisteret"]),
        ("naerings_kode-2007.nr", ["naerings", "kode", "2007", "nr"]),
        ("CustomerAddress", ["customer", "address"]),
        ("customerId", ["customer", "id"]),
        ("HTTPServerKø", ["http", "server", "kø"]),
        ("ALLCAPS", ["allcaps"]),
        ("År-Øst_Ære", ["år", "øst", "ære"]),
        ("syk\u00admelding", ["sykmelding"]),
        ("a\u0000b", ["a", "b"]),
        ("e\u0301n", ["én"]),
        ("  ... !?", []),
        ("", []),
    ],
)
def test_words_are_split_before_they_are_lowered(text: str, words: list[str]) -> None:
    assert analysis.words(text) == words


def test_an_identifier_is_also_one_word() -> None:
    assert [chunk.whole for chunk in analysis.chunks("fom_dato CustomerId enhet a-b-c-d")] == ["fomdato", "customerid", None, None]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("enhet", "enheter"),
        ("enheten", "enhetene"),
        ("fødsel", "fødsler"),
        ("bok", "bøker"),
        ("mann", "menn"),
        ("register", "registre"),
        ("stilling", "stillinger"),
        ("næringskode", "næringskoder"),
        ("order", "orders"),
        ("city", "cities"),
        ("child", "children"),
        ("høyde", "hoyde"),
        ("høyde", "hoeyde"),
        ("næring", "naering"),
        ("næring", "naring"),
        ("år", "aar"),
        ("år", "ar"),
        ("næringskoder", "naeringskode"),
        ("idé", "ide"),
        ("Ålesund".lower(), "aalesund"),
    ],
)
def test_spellings_and_inflections_meet(one: str, other: str) -> None:
    assert {one, *analysis.forms(one)} & {other, *analysis.forms(other)}


@pytest.mark.parametrize(
    ("one", "other"), [("ledig", "leder"), ("data", "dato"), ("virksomhet", "virksom"), ("konkurs", "konkurranse"), ("år", "øre")]
)
def test_other_words_do_not_meet(one: str, other: str) -> None:
    assert not {one, *analysis.forms(one)} & {other, *analysis.forms(other)}


def test_a_word_is_not_a_form_of_itself() -> None:
    for word in ("enhet", "år", "2024", "x", "orders", "bøker"):
        assert word not in analysis.forms(word)


def test_every_inflection_has_one_base_form() -> None:
    assert len(analysis.BASE_FORM) > 300
    assert all(analysis.BASE_FORM[base] == base for base in analysis.BASE_FORM.values())


def test_names_compare_without_case_and_space() -> None:
    assert analysis.identity("  Enheter   I\tRegisteret ") == "enheter i registeret"
    assert analysis.loose_identity("fom_Dato") == analysis.loose_identity("Fom dato") == "fomdato"


def test_titles_sort_as_the_norwegian_alphabet_does() -> None:
    titles = ["Åpne", "abc", "Østlandet", "Ærlig", "zoo", "École", "Ål", "(Bø)"]
    assert sorted(titles, key=analysis.alphabetical) == ["abc", "(Bø)", "École", "zoo", "Ærlig", "Østlandet", "Ål", "Åpne"]


def test_stems_are_the_same_from_many_threads() -> None:
    words = [f"{stem}{ending}" for stem in ("stilling", "vedtak", "kommun", "regist") for ending in ("er", "ene", "ens", "e")] * 20
    expected = [analysis.stems.__wrapped__(word) for word in words]
    failures: list[str] = []

    def stem() -> None:
        for word, wanted in zip(words, expected, strict=True):
            if analysis.stems.__wrapped__(word) != wanted:
                failures.append(word)

    threads = [threading.Thread(target=stem) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
