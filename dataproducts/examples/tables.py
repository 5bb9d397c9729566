"""The tables in what a notebook shows as HTML, taken out as data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any


def tables(markup: str) -> list[dict[str, Any]]:
    """Columns and rows of each table, as text; what stands in cells beside text is dropped."""
    reader = _Reader()
    reader.feed(markup)
    return [_shaped(rows) for rows in reader.found if rows]


def _shaped(rows: list[tuple[bool, list[str]]]) -> dict[str, Any]:
    head = [cells for is_head, cells in rows if is_head]
    body = [cells for is_head, cells in rows if not is_head]
    columns = head[0] if head else [""] * len(body[0])
    body = [cells[: len(columns)] + [""] * (len(columns) - len(cells)) for cells in body]
    numeric = [bool(body) and all(re.fullmatch(r"[-+]?[\d\s.,]*", row[n]) for row in body) for n in range(len(columns))]
    return {"columns": columns, "numeric": numeric, "rows": body}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[list[tuple[bool, list[str]]]] = []
        self._cells: list[str] | None = None
        self._text: list[str] | None = None
        self._head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.found.append([])
        elif tag in ("thead", "tbody"):
            self._head = tag == "thead"
        elif tag == "tr" and self.found:
            self._cells = []
        elif tag in ("td", "th") and self._cells is not None:
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._text is not None and self._cells is not None:
            self._cells.append(" ".join("".join(self._text).split()))
            self._text = None
        elif tag == "tr" and self._cells:
            self.found[-1].append((self._head, self._cells))
            self._cells = None
