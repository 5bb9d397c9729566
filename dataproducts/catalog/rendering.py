"""Which texts of a definition are markdown, and their safe HTML, made once when the definition is stored."""

from __future__ import annotations

from typing import Any

from dataproducts.catalog.markdown import render

_PRODUCT = ("readme", "purpose", "usage", "limitations", "rights", "provenance", "legal_basis")


def rendered(subject: str, body: Any) -> dict[str, str]:
    """HTML by field; texts by language are `description.nb`, `description.en`."""
    if body is None:
        return {}
    if subject.startswith("product:"):
        facts = body["facts"]
        texts = {f"description.{language}": text for language, text in facts["description"].items()}
        texts |= {name: facts.get(name) for name in _PRODUCT}
    elif subject.startswith("dataset:"):
        texts = {"description": body["description"]}
    else:
        texts = {name: body.get(name) for name in ("description", "readme", "long_description")}
    return {name: render(text) for name, text in texts.items() if text}
