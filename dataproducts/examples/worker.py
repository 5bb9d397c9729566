"""The process in which an example runs: `python -m dataproducts.examples.worker KIND FILE SHOWN`, SHOWN being the JSON it writes."""

from __future__ import annotations

import base64
import io
import json
import linecache
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from traceback import extract_tb
from typing import Any

Shown = list[dict[str, Any]]

_ROWS, _COLUMNS, _CELL, _TEXT = 50, 20, 200, 20_000
_WIDE, _HIGH = 9.0, 7.0  # inches of a plot, above which it is made smaller
_DOTS = 110  # an inch


class Broken(Exception):
    """The example does not work; the text says in one sentence why."""


def main(kind: str, path: Path, shown: Path) -> None:
    """Run it and write down what it showed, or the problem."""
    outputs: Shown = []
    problem = None
    try:
        {"python": _python, "sql": _sql, "notebook": _notebook}[kind](path, outputs)
    except Broken as broken:
        problem = str(broken)
    except (Exception, SystemExit) as error:
        own = [frame for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"line {own[-1].lineno}: " if own else ""
        problem = f"{where}{type(error).__name__}: {error}"
        if isinstance(error, SystemExit) and not error.code:
            problem = None
    shown.write_text(json.dumps({"outputs": outputs, "problem": problem}, ensure_ascii=False), encoding="utf-8")


def _python(path: Path, outputs: Shown) -> None:
    import runpy

    said = io.StringIO()
    try:
        with redirect_stdout(said):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        linecache.clearcache()
    if text := said.getvalue().strip("\n"):
        outputs.append(_text(text))
    outputs += _figures(_title(path))


def _figures(title: str) -> Shown:
    """Every figure that was left open, as PNG."""
    if "matplotlib.pyplot" not in sys.modules:
        return []
    from matplotlib import pyplot

    found: Shown = []
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        width, height = figure.get_size_inches()
        scale = min(1.0, _WIDE / width, _HIGH / height)
        figure.set_size_inches(width * scale, height * scale)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=_DOTS, bbox_inches="tight", facecolor="white", metadata={"Software": None})
        titles = (axes.get_title(side) for axes in figure.axes for side in ("center", "left", "right"))
        heading = next(filter(None, titles), title)
        found.append({"kind": "image", "content": base64.b64encode(picture.getvalue()).decode(), "alt": heading[:500]})
    return found


def _title(path: Path) -> str:
    from dataproducts.publication.describe import title

    return title(path.read_text(encoding="utf-8", errors="replace"), path)


def _sql(path: Path, outputs: Shown) -> None:
    """One SELECT in BigQuery's dialect, over the current content of the datasets it names: product.dataset or {{ product/dataset }}."""
    import duckdb
    import polars as pl
    import sqlglot
    from sqlglot import exp

    source = _with_names(path.read_text(encoding="utf-8"))
    try:
        statements = [one for one in sqlglot.parse(source, read="bigquery") if one is not None]
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise Broken(f"line {first.get('line', 1)}: {first.get('description', error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise Broken("it is not one SELECT; write a file for each question")
    (query,) = statements
    connection = duckdb.connect()
    connection.execute("SET enable_external_access = false")
    held: dict[str, str] = {}
    for table in query.find_all(exp.Table):
        if table.db:
            name = f"{table.db}/{table.name}"
            held.setdefault(name, f"dataset_{len(held)}")
            alias = table.alias or table.name
            replaced = exp.to_table(held[name])
            replaced.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
            table.replace(replaced)
    if not held:
        raise Broken("it names no dataset; write FROM product.dataset")
    named = None if query.find(exp.Star) else {column.name for column in query.find_all(exp.Column)}
    for name, view in held.items():
        connection.register(view, _current(name, named))
    try:
        found = pl.from_arrow(connection.sql(query.sql(dialect="duckdb")).to_arrow_table())
    except duckdb.Error as error:
        raise Broken(str(error).splitlines()[0]) from None
    outputs.append(as_table(found))


def _with_names(source: str) -> str:
    import re

    return re.sub(r"\{\{\s*([a-z][a-z0-9_]*)/([a-z][a-z0-9_]*)\s*\}\}", r"\1.\2", source)


def _current(name: str, named: set[str] | None) -> Any:
    """The rows of a dataset, with the columns that the query may mean; all of them where it says `*`."""
    import dataproducts as dp

    rows = dp.scan(name)
    names = rows.collect_schema().names()
    wanted = [one for one in names if named is None or one in named] or names[:1]
    return rows.select(wanted).collect().to_arrow()


def as_table(found: Any) -> dict[str, Any]:
    """A polars frame as a table: its first rows, cells as text."""
    shown = found.head(_ROWS).select(found.columns[:_COLUMNS])
    rows = [[_cell(value) for value in row] for row in shown.iter_rows()]
    numeric = [dtype.is_numeric() for dtype in shown.dtypes]
    content = {"columns": shown.columns, "numeric": numeric, "rows": rows, "of": found.height}
    return {"kind": "table", "content": json.dumps(content, ensure_ascii=False)}


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _text(text: str) -> dict[str, Any]:
    clean = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
    return {"kind": "text", "content": clean if len(clean) <= _TEXT else f"{clean[: _TEXT - 1]}…"}


def _notebook(path: Path, outputs: Shown) -> None:
    """Run every cell, and take what cells show: text, tables and pictures."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # the kernel shows its figures in the cells
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    try:
        NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(Path.cwd())}}).execute()
    except CellExecutionError as error:
        number = next((n for n, cell in enumerate(notebook.cells, 1) if any(o.output_type == "error" for o in cell.get("outputs", []))), 0)
        raise Broken(f"cell {number}: {error.ename}: {error.evalue}") from None
    heading = _title(path)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stdout":
                outputs.append(_text(output.text.strip("\n")))
            elif output.output_type in ("display_data", "execute_result"):
                outputs.extend(_displayed(output.data, heading))


def _displayed(data: Any, heading: str) -> Shown:
    if "image/png" in data:
        return [{"kind": "image", "content": "".join(data["image/png"].split()), "alt": heading[:500]}]
    if "text/html" in data and (found := _tables(data["text/html"])):
        return found
    return [_text(data["text/plain"])] if data.get("text/plain") else []


def _tables(markup: str) -> Shown:
    """The tables of a piece of HTML, as data: nothing of the markup itself is kept."""
    from dataproducts.examples.tables import tables

    return [
        {"kind": "table", "content": json.dumps({**one, "rows": one["rows"][:_ROWS], "of": len(one["rows"])}, ensure_ascii=False)}
        for one in tables(markup)
    ]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
