"""`dataproducts catalog`: serve the catalog, search it, say who may write to it, and take all of it out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataproducts.cli import tables
from dataproducts.cli.group import Commands
from dataproducts.cli.tables import Heading
from dataproducts.errors import BadRequest, CatalogUnavailable, UnknownDataset

if TYPE_CHECKING:
    from dataproducts.catalog.store import Store

PORT = 8080


@click.group(cls=Commands)
def catalog() -> None:
    """The catalog: where products and datasets are found.

    It lies where CATALOG_DATABASE_URL says, or under the home.
    """


@catalog.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0 is any free one.")
@click.option("--local", is_flag=True, help="For this machine alone: remarks may be written by a typed name.")
def serve(host: str | None, port: int, local: bool) -> None:
    """Serve the pages and the API until it is stopped.

    What is asked for is logged on standard output, one line of JSON each.
    """
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.web import server
    from dataproducts.catalog.web.catalog import Catalog
    from dataproducts.catalog.web.metrics import log_to_standard_output

    address = server.loopback(host) if local else host or "127.0.0.1"
    with server.listen(address, port) as at:
        taken = at.getsockname()[1]
        database = Database()
        made = Catalog.of(database, local=local, port=taken)
        log_to_standard_output()
        try:
            server.serve(made, at, lambda: tables.note(f"The catalog is on {made.base_url}  (Ctrl-C stops it)"))
        finally:
            database.close()
    tables.note("Stopped.")


@catalog.command()
def migrate() -> None:
    """Bring the catalog's tables to this version of the code.

    Whatever uses a catalog does so first; as a step of its own it shows that the database is reached and may be changed.
    """
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.migrations import HEAD

    database = Database()
    try:
        found = database.migrate()
    finally:
        database.close()
    done = "made" if found is None else "there already" if found == HEAD else f"brought there from {found}"
    click.echo(f"The catalog's tables are of version {HEAD}: {done}")


@catalog.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="Hits to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: hits, facets and what was understood.")
def search(text: Sequence[str], limit: int, as_json: bool) -> None:
    """Find products, datasets, columns and concepts.

    Quotes keep words together, a minus leaves out, OR is either. Asks the catalog at CATALOG_URL where that is set.
    """
    found = _found(" ".join(text), limit)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if found["items"]:
        headings = [Heading("kind"), Heading("name"), Heading("title", keep=False), Heading("found in", keep=False)]
        tables.show(headings, [_row(hit) for hit in found["items"]])
    if found["did_you_mean"]:
        tables.note(f"did you mean: {found['did_you_mean']}")
    more = "at least " if found["total_is_capped"] else ""
    tables.note(f"{more}{tables.count(found['total'], 'hit')}" if found["items"] else "nothing found")


def _row(hit: Mapping[str, Any]) -> list[object]:
    titles = hit["card"].get("title") or {}
    return [hit["kind"], hit["card"].get("key", hit["id"]), titles.get("nb"), ", ".join(hit["matched"]) or None]


def _found(text: str, limit: int) -> dict[str, Any]:
    import os

    if url := os.environ.get("CATALOG_URL", ""):
        return _asked(url, text, limit)
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.search.index import SearchRequest
    from dataproducts.catalog.search.index import search as find

    database = Database()
    try:
        with database.reading() as connection:
            page = find(connection, SearchRequest(text=text, limit=limit, budget_seconds=5))
    finally:
        database.close()
    items = [{"id": h.id, "kind": h.kind, "stage": h.stage, "matched": dict(h.matched), "card": dict(h.card)} for h in page.hits]
    facets = {n: [{"value": v, "count": c, "chosen": p} for v, c, p in values] for n, values in page.facets.items()}
    told = ("total", "total_is_capped", "did_you_mean", "understood", "is_partial", "next")
    return {"items": items, "facets": facets, **{name: getattr(page, name) for name in told}}


def _asked(url: str, text: str, limit: int) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/search", params={"q": text, "limit": limit}, timeout=20)
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CatalogUnavailable(f"the catalog at {url} does not answer ({type(error).__name__}); is CATALOG_URL right?") from None
    if answer.status_code != 200 or "items" not in found:
        raise CatalogUnavailable(f"the catalog at {url} answered {answer.status_code}: {found.get('detail', 'not as a catalog does')}")
    return found


@catalog.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: standard output]")
def export(output: Path | None) -> None:
    """Write all that the catalog holds, a line of JSON a row, in an order of its own."""
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.export import export as lines

    database = Database()
    try:
        with database.reading() as connection:
            if output is None:
                sys.stdout.writelines(lines(connection))
                return
            with output.open("w", encoding="utf-8") as file:
                file.writelines(lines(connection))
    finally:
        database.close()


@catalog.group(cls=Commands)
def token() -> None:
    """Who may write: tokens with scopes, kept only as hashes."""


@token.command()
@click.argument("name")
@click.argument("scopes", nargs=-1, required=True, metavar="SCOPE...")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires.  [default: never]")
def issue(name: str, scopes: Sequence[str], days: int | None) -> None:
    """Make a token and show it, this once.

    A SCOPE is publish:<code location>, register:<name> (register metadata) or remark:<name> (comments, ratings and tags by that name).
    """
    from dataproducts.catalog import tokens

    with _Stored() as store:
        held = [one.name for one in tokens.issued(store) if one.state == "valid"]
        if name in held:
            raise BadRequest(f"there is a valid token {name!r} already; revoke it first, or choose another name")
        secret = tokens.issue(store, name, scopes, timedelta(days=days) if days is not None else None)
    click.echo(secret)
    tables.note("It is not shown again. Publishers take it as CATALOG_TOKEN, others as Authorization: Bearer ...")


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take every token of a NAME out of use, at once."""
    from dataproducts.catalog import tokens

    with _Stored() as store:
        many = tokens.revoke(store, name)
    if not many:
        raise UnknownDataset(f"there is no token {name!r} in use; `dataproducts catalog token list` shows which there are")
    tables.note(f"{tables.count(many, 'token')} revoked")


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_tokens(as_json: bool) -> None:
    """Every token there ever was, without its secret."""
    from dataproducts.catalog import tokens

    with _Stored() as store:
        found = tokens.issued(store)
    if as_json:
        rows = [{**one.__dict__, "created": one.created.isoformat(), "expires": one.expires and one.expires.isoformat()} for one in found]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not found:
        tables.note("no tokens yet, so nobody may write; `dataproducts catalog token issue` makes one")
        return
    headings = [Heading("name"), Heading("state", state=True), Heading("scopes", keep=False), Heading("created"), Heading("expires")]
    rows_: list[list[object]] = [
        [one.name, one.state, " ".join(one.scopes), f"{one.created:%Y-%m-%d}", f"{one.expires:%Y-%m-%d}" if one.expires else None]
        for one in found
    ]
    tables.show(headings, rows_)


class _Stored:
    """The store at hand, and its database closed afterwards."""

    def __enter__(self) -> Store:
        from dataproducts.catalog.database import Database
        from dataproducts.catalog.store import Store

        self.database = Database()
        return Store(self.database)

    def __exit__(self, *_: object) -> None:
        self.database.close()
