"""RDF as Turtle, written from the JSON-LD of `linked`: no RDF library in the way, so that a whole catalog can be streamed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dataproducts.formats.linked import PREFIXES, Node

__all__ = ["stream", "turtle"]

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LOCAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_SPECIAL = re.compile(r'[\x00-\x1f\x7f-\x9f"\\\u2028\u2029\ud800-\udfff]')
_NOT_IN_IRI = re.compile(r'[\x00-\x20<>"{}|^`\\]')


def turtle(document: Mapping[str, Any]) -> str:
    """A document of `linked` as Turtle; only the prefixes in use are declared."""
    body = "\n".join(map(_block, document["@graph"]))
    prefixes: dict[str, str] = document["@context"]
    used = {prefix: address for prefix, address in prefixes.items() if f"{prefix}:" in body}
    return f"{_header(used)}\n{body}"


def stream(nodes: Iterable[Node]) -> Iterator[str]:
    """Turtle piece by piece, one for each node, after the prefixes."""
    yield _header(PREFIXES)
    for node in nodes:
        yield f"\n{_block(node)}"


def _header(prefixes: Mapping[str, str]) -> str:
    return "".join(f"@prefix {prefix}: <{address}> .\n" for prefix, address in sorted(prefixes.items()))


def _block(node: Node) -> str:
    lines = [f"  a {', '.join(map(_iri, node['@type']))}"] if "@type" in node else []
    for key, value in node.items():
        if not key.startswith("@"):
            objects = ",\n      ".join(map(_object, value if isinstance(value, list) else [value]))
            lines.append(f"  {_iri(key)} {objects}")
    statements = " ;\n".join(lines)
    return f"{_iri(node['@id'])}\n{statements} .\n"


def _object(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if "@list" in value:
        return "(" + "".join(f"\n      {_object(one)}" for one in value["@list"]) + "\n    )"
    if "@value" in value:
        suffix = f"@{value['@language']}" if "@language" in value else f"^^{_iri(value['@type'])}"
        return f"{_quoted(value['@value'])}{suffix}"
    return _iri(value["@id"])


def _quoted(text: str) -> str:
    return '"' + _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04X}"), text) + '"'


def _iri(iri: str) -> str:
    prefix, colon, local = iri.partition(":")
    if colon and prefix in PREFIXES and _LOCAL.match(local):
        return iri
    return "<" + _NOT_IN_IRI.sub(lambda found: f"%{ord(found[0]):02X}", iri) + ">"
