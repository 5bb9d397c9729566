"""The catalog of corpus.yaml as documents, made as the catalog's own index makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from dataproducts.catalog.search.documents import Document

HERE = Path(__file__).parent
START = datetime(2024, 1, 1, tzinfo=UTC)


def documents() -> list[Document]:
    """All documents of the corpus, in the order of the file."""
    corpus = yaml.safe_load((HERE / "corpus.yaml").read_text(encoding="utf-8"))
    made: list[Document] = []
    teams: dict[str, Document] = {}
    for product in corpus["products"]:
        made += _product(product)
        teams.setdefault(product["team"], _team(product["team"]))
    made += [_concept(concept) for concept in corpus["concepts"]]
    made += [_entry(entry) for entry in corpus["entries"]]
    made += teams.values()
    return [_dated(one, i) for i, one in enumerate(made)]


def _product(product: dict) -> list[Document]:
    name, titles = product["name"], tuple(product["title"].values())
    shared = {"theme": tuple(product["themes"]), "keyword": tuple(product["keywords"]), "team": (product["team"],)}
    made = [
        Document(
            id=f"product:{name}",
            kind="product",
            names=(name, *titles, f"/products/{name}"),
            title=titles,
            keywords=(*product["keywords"], *product["themes"], product["team"]),
            text=tuple(product["text"].values()),
            facets=shared,
            standing=0.7,
            card={"key": name},
        )
    ]
    for dataset in product["datasets"]:
        key = f"{name}/{dataset['name']}"
        columns = [[part.strip() for part in column.split("|")] for column in dataset["columns"]]
        own = {**shared, "access": (dataset["access"],), "port": tuple(dataset["port"])}
        made.append(
            Document(
                id=f"dataset:{key}",
                kind="dataset",
                names=(key, dataset["name"], dataset["title"], *dataset.get("addresses", ()), f"/datasets/{key}"),
                title=(dataset["title"],),
                columns=tuple(dict.fromkeys(text for column in columns for text in column[:2])),
                keywords=(*product["keywords"], *product["themes"], *titles),
                text=(dataset["text"],),
                facets={
                    **own,
                    "personal_data": (dataset.get("personal", "none"),),
                    "freshness": ("fresh" if dataset["standing"] > 0.5 else "late",),
                },
                standing=dataset["standing"],
                deprecated=dataset.get("deprecated", False),
                card={"key": key},
            )
        )
        for column, *rest in columns:
            title, description, personal = (*rest, "", "", "")[:3]
            made.append(
                Document(
                    id=f"column:{key}/{column}",
                    kind="column",
                    names=(column, f"{key}/{column}", f"{dataset['name']}.{column}", *((title,) if title else ())),
                    title=(title or column,),
                    text=(description,) if description else (),
                    facets={**own, "personal_data": (personal or "none",)},
                    standing=dataset["standing"] * 0.9,
                    deprecated=dataset.get("deprecated", False),
                    card={"key": f"{key}/{column}"},
                )
            )
    return made


def _team(name: str) -> Document:
    return Document(id=f"team:{name}", kind="team", names=(name,), title=(name,), facets={"team": (name,)}, card={"key": name})


def _concept(concept: dict) -> Document:
    titles = tuple(concept["title"].values())
    return Document(
        id=f"concept:{concept['name']}",
        kind="concept",
        names=(concept["name"], *titles, f"https://data.example.no/concepts/{concept['name']}"),
        title=titles,
        text=(concept["text"],),
        card={"key": concept["name"]},
    )


def _entry(entry: dict) -> Document:
    return Document(
        id=f"entry:{entry['name']}",
        kind="entry",
        names=(entry["name"], entry["title"], f"urn:example:{entry['name']}"),
        title=(entry["title"],),
        keywords=tuple(entry["keywords"]),
        text=(entry["text"],),
        facets={"team": (entry["team"],), "keyword": tuple(entry["keywords"]), "port": (entry["type"],)},
        card={"key": entry["name"]},
    )


def _dated(document: Document, i: int) -> Document:
    from dataclasses import replace

    return replace(document, updated=START + timedelta(hours=(i * 37) % 1000))
