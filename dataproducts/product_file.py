"""Reading `product.yaml`: plain text with line numbers, and every fault as a sentence with file, line, field and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import yaml
from pydantic_core import ErrorDetails

from dataproducts.errors import DeclarationError
from dataproducts.product_facts import ProductFacts, product_schema

LARGEST_FILE = 256 * 1024  # bytes
_DEEPEST, _MOST_FAULTS, _LONGEST_SHOWN = 12, 50, 60
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser is ten times as fast
_At = tuple[int | str, ...]


def load_facts(path: Path) -> ProductFacts:
    """Read a `product.yaml`; raises DeclarationError with a line per fault: `file:line: field: what is wrong`."""
    document, folder, facts = _Document(), path.parent.resolve().name, None
    text = _text(path)
    try:
        tree = document.read(text)
        if isinstance(tree, dict) and re.fullmatch("[a-z][a-z0-9_]*", name := str(tree.get("name"))) and name != folder:
            document.refuse(("name",), f"'{name}' is not the name of its folder, '{folder}'; rename one of them")
        facts = ProductFacts.model_validate(tree)
    except yaml.YAMLError as error:
        document.refuse_syntax(error, text)
    except pydantic.ValidationError as invalid:
        faults = [fault for fault in invalid.errors(include_url=False) if not document.explains(fault["loc"])]
        # pydantic calls a list too short where its items are wrong: only the items are told of
        within = {fault["loc"][:-1] for fault in faults if fault["loc"]}
        for fault in faults:
            if fault["loc"] not in within:
                document.refuse((*fault["loc"], *fault.get("ctx", {}).get("at", ())), fault)
    if facts is None or document.faults:
        raise document.error(path)
    return facts


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read ({error.strerror}); a product needs its facts") from error
    if len(content) > LARGEST_FILE:
        raise DeclarationError(f"{path}: is larger than {LARGEST_FILE // 1024} kB; it holds facts about data, not data")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DeclarationError(f"{path}:{line}: is not UTF-8 text; save the file as UTF-8") from error
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise DeclarationError(f"{path}:{line}: holds the control character {control[0]!r}; delete it")
    return text


class _Document:
    """One YAML document as plain text, the line of each value, and the faults found so far.

    Built from parser events: scalars stay as written (YAML 1.1 would turn no, 1.10 and 2024-01-01 into something else),
    and neither nesting nor aliases can exhaust anything.
    """

    def __init__(self) -> None:
        self.faults: list[tuple[int, _At, str | ErrorDetails]] = []
        self._lines: dict[_At, int] = {}
        self._refused: set[_At] = set()
        self._events: Iterator[Any] = iter(())

    def explains(self, at: _At) -> bool:
        """Whether a fault has been found there already."""
        return any(at[:end] in self._refused for end in range(len(at) + 1))

    def refuse(self, at: _At, fault: str | ErrorDetails, line: int | None = None) -> None:
        """Note a fault on `line`, else where the value stands, else where what it is missing from stands."""
        ends = range(len(at), -1, -1)
        self._refused.add(at)
        self.faults.append((line or next((self._lines[at[:e]] for e in ends if at[:e] in self._lines), 1), at, fault))

    def refuse_syntax(self, error: yaml.YAMLError, text: str) -> None:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        line = mark.line if mark else 0
        tab = "\t" in "".join(text.splitlines()[line : line + 1])
        self.refuse((), f"is not valid YAML: {problem}{'; indent with spaces, not tabs' if tab else ''}", line + 1)

    def error(self, path: Path) -> DeclarationError:
        faults = sorted(self.faults, key=lambda fault: fault[0])
        shown = ((line, _field(at), f if isinstance(f, str) else _sentence(f)) for line, at, f in faults[:_MOST_FAULTS])
        lines = [f"{path}:{line}: {field}{': ' if field else ''}{sentence}" for line, field, sentence in shown]
        more = [f"{path}: and {len(faults) - _MOST_FAULTS} more faults"] if len(faults) > _MOST_FAULTS else []
        return DeclarationError("\n".join(lines + more))

    def read(self, text: str) -> object:
        """The document's value: text, lists and mappings with text keys."""
        self._events = yaml.parse(text, Loader=_LOADER)
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            self.refuse((), "is empty; state at least the name")
            return None
        tree = self._value(next(self._events), ())
        next(self._events)
        following: Any = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            self.refuse((), "a second document begins; keep one product in a file", following.start_mark.line + 1)
        return tree

    def _value(self, event: Any, at: _At) -> object:
        self._lines.setdefault(at, event.start_mark.line + 1)
        if getattr(event, "anchor", None):
            self.refuse(at, "anchors and aliases are not used here; write the value out")
        elif getattr(event, "tag", None):
            self.refuse(at, "tags are not used here; leave out the word that begins with !")
        if len(at) > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="it is nested too deep", problem_mark=event.start_mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(at)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[object] = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._value(event, (*at, len(items))))
            return items
        value = getattr(event, "value", None)
        if isinstance(event, yaml.ScalarEvent) and not event.style and value in ("", "~", "null", "Null", "NULL"):
            self.refuse(at, "is empty; leave the field out, and put text that begins with # in quotes")
        return value

    def _mapping(self, at: _At) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            key = getattr(event, "value", None)
            if not isinstance(key, str) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                self._value(event, (*at, "?"))
                self.refuse((*at, "?"), "a field's name is one plain word", line)
                key = "?"
            elif key in values:
                first = self._lines[(*at, key)]
                self.faults.append((line, (*at, key), f"is stated twice, first on line {first}; keep one"))
            self._lines.setdefault((*at, key), line)
            value = self._value(next(self._events), (*at, key))
            values.setdefault(key, value)
        return values


def _field(at: _At) -> str:
    """`themes[0]`, `contact.email`; a key that is no word is quoted."""
    words = (step if isinstance(step, int) or re.fullmatch(r"\w{1,60}", step) else _shown(step) for step in at)
    return "".join(f"[{word}]" if isinstance(word, int) else f".{word}" for word in words).lstrip(".")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "...")


def _form(value: object) -> str:
    return "a list" if isinstance(value, list) else "a mapping of fields" if isinstance(value, dict) else "text"


def _declared(at: _At) -> dict[str, Any]:
    """What the JSON Schema says of the value there."""

    def merged(part: dict[str, Any]) -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for option in part.get("anyOf", []):
            whole |= merged(option)
        if "$ref" in part:
            whole |= merged(product_schema()["$defs"][part["$ref"].rpartition("/")[2]])
        return whole | part

    here = merged(product_schema())
    for step in at:
        here = merged(here.get("items", {}) if isinstance(step, int) else here.get("properties", {}).get(step, {}))
    return here


def _did_you_mean(given: str, known: dict[str, str]) -> str:
    """The nearest of `known` (spelling in lower case -> what to suggest), as the end of a clause."""
    near = difflib.get_close_matches(given[:_LONGEST_SHOWN].lower(), known, n=1)
    return f"; did you mean '{known[near[0]]}'?" if near else "."


def _sentence(error: ErrorDetails) -> str:
    """What is wrong and what is allowed, from one of pydantic's errors and the JSON Schema."""
    kind, at, given = error["type"], error["loc"], error["input"]
    if kind in ("stated", "twice", "refused"):
        return error["msg"]
    if kind == "missing":
        return f"is missing: {_declared(at)['description']}"
    if kind == "extra_forbidden":
        fields = _declared(at[:-1])["properties"]
        known = {nav.lower(): name for name, field in fields.items() for nav in field.get("x-nav-register", [])}
        near = _did_you_mean(str(at[-1]), known | {name.lower(): name for name in fields})
        return f"unknown field{near} Allowed: {', '.join(fields)}."
    declared = _declared(at)
    forms = {"enum": "text", "items": "a list", "properties": "a mapping of fields"}
    wanted = [form for key, form in forms.items() if key in declared] or ["text"]
    if _form(given) not in wanted:
        how = "; begin each item with '- '" if "items" in declared else ""
        return f"must be {' or '.join(wanted)}, not {_form(given)}{how}"
    if kind.endswith("too_short"):
        return "must not be empty"
    if kind == "value_error":
        return f"{', '.join(map(_shown, given)) if isinstance(given, list) else _shown(given)} {error['ctx']['error']}"
    noun = declared.get("title", "text")
    wrong = f"{_shown(given)} is not {'an' if noun[0] in 'aeioE' else 'a'} {noun}"
    if "enum" in declared:
        near = _did_you_mean(str(given), {code.lower(): code for code in declared["enum"]})
        return f"{wrong}{near} Allowed: {', '.join(declared['enum'])}."
    return wrong
