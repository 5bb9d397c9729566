"""Examples of use as pages show them: what each showed when it last passed. Text is text, tables are data, plots are PNG files of ours."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from dataproducts.messages import Example, ExampleOutput, ProductBody

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Table:
    """A table: cells as text, in columns of which some are numbers; `of` rows in all."""

    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    of: int


@dataclass(frozen=True)
class Output:
    """One thing an example showed: text, a table, or the path of a picture with what it is of, and its width and height in pixels."""

    text: str = ""
    table: Table | None = None
    picture: str = ""
    alt: str = ""
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Shown:
    """An example on a page."""

    example: Example
    outputs: tuple[Output, ...]

    @property
    def id(self) -> str:
        """Its name, as part of an id."""
        return "example-" + quote(self.example.name, safe="").replace("%", "_")


def shown(product: ProductBody | None, own: Iterable[Example]) -> list[Shown]:
    """The examples of a page; what they showed is told by their product."""
    told = {one.name: one for one in product.examples} if product else {}
    name = product.facts.name if product else ""
    return [Shown(one, _outputs(name, one)) for one in (told.get(example.name, example) for example in own)]


def picture(product: ProductBody, name: str, number: int) -> bytes | None:
    """A picture that an example showed; None where there is no such."""
    outputs: Sequence[ExampleOutput] = next((one.outputs for one in product.examples if one.name == name), ())
    return _decoded(outputs[number]) if 0 <= number < len(outputs) else None


def _outputs(product: str, example: Example) -> tuple[Output, ...]:
    found = []
    for number, one in enumerate(example.outputs):
        if one.kind == "text":
            found.append(Output(text=one.content))
        elif one.kind == "table" and (table := _table(one.content)) is not None:
            found.append(Output(table=table))
        elif one.kind == "image" and (image := _decoded(one)) is not None:
            path = f"/products/{quote(product, safe='')}/examples/{quote(example.name, safe='')}/{number}.png"
            # a PNG begins with its width and height
            size = int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")
            found.append(Output(picture=path, alt=one.alt or example.title, size=size))
    return tuple(found)


def _decoded(output: ExampleOutput) -> bytes | None:
    if output.kind != "image":
        return None
    try:
        image = base64.b64decode(output.content, validate=True)
    except (binascii.Error, ValueError):
        return None
    return image if image.startswith(_PNG) and len(image) > 24 else None


def _table(content: str) -> Table | None:
    """A table as an example writes it; None for anything else, which a stranger may have sent."""
    try:
        told = json.loads(content)
        columns = tuple(map(str, told["columns"]))
        rows = tuple(tuple(map(str, row)) for row in told["rows"])
        numeric = tuple(map(bool, told["numeric"]))
        of = int(told["of"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not columns or len(numeric) != len(columns) or any(len(row) != len(columns) for row in rows):
        return None
    return Table(columns, numeric, rows, of)
