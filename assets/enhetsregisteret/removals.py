"""Units that the register has removed from open data for legal reasons ("Fjernet"): whoever has copies has to delete them."""

from __future__ import annotations

import json

import dataproducts as dp
from assets.enhetsregisteret.datasets import product

_DATASETS = ("enheter", "underenheter", "roller", "oppdateringer")
"""The datasets that hold units by `organisasjonsnummer`; those made from them follow."""


def removed_units() -> dict[str, list[str]]:
    """Keys to erase by dataset, from the notes of `oppdateringer`. An erasure takes a number out of them too, so each is given once."""
    versions = product.datasets["oppdateringer"].history().versions()
    numbers = sorted({number for version in versions for number in version.note.get("removed_units", ())})
    keys = [json.dumps({"organisasjonsnummer": number}) for number in numbers]
    return {product.datasets[name].contract.dataset: keys for name in _DATASETS} if keys else {}


product.add(
    dp.erasure_feed(
        "enhetsregisteret_fjernet",
        found=removed_units,
        reason="Enhetsregisteret har fjernet enheten fra åpne data av rettslige grunner (endringstype Fjernet)",
        ground="Brønnøysundregistrene: fjernede enheter skal slettes hos alle som har kopier",
    )
)
