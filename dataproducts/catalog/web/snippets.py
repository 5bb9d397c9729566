"""Code that a reader can copy to get at a dataset: Python, command line, BigQuery SQL, Kafka, files. Pure functions of its declaration."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from dataproducts.formats.addresses import link
from dataproducts.messages import DatasetBody, PortFacts

SHOWN_COLUMNS = 8


@dataclass(frozen=True)
class Snippet:
    """One way to the data. `id` is unique on the page, `what` the kind of code, `code` is plain text that runs as it stands."""

    id: str
    what: str  # python, shell, bigquery, kafka, file, lake
    code: str
    address: str = ""
    port: str = ""


def snippets(body: DatasetBody, newest: str | None = None) -> tuple[Snippet, ...]:
    """Every way to a dataset, the shortest first. `newest`: key of its newest partition."""
    found: list[Snippet] = []
    if any(port.kind == "lake" for port in body.ports) or not body.ports:
        found += [Snippet("get-python", "python", _python(body, newest)), Snippet("get-shell", "shell", _shell(body))]
    for place, port in enumerate(body.ports):
        made = {"bigquery": _bigquery, "kafka": _kafka, "file": _file}.get(port.kind)
        if made is not None:
            found.append(Snippet(f"get-{port.kind}-{place}", port.kind, made(port, body), _plain(port.address), port.name))
    return tuple(found)


def version(dataset: str, partition: str, number: int) -> Snippet:
    """Exactly one version of one partition."""
    whole = "" if partition == "-" else f", partition={_text(partition)}"
    return Snippet("get-version", "python", f"import dataproducts\n\nframe = dataproducts.read({_text(dataset)}{whole}, version={number})")


def _python(body: DatasetBody, newest: str | None) -> str:
    lines = ["import dataproducts", "", f"frame = dataproducts.read({_text(body.name)})"]
    if newest is not None and newest != "-" and body.partitions.kind != "none":
        lines += ["", f"one = dataproducts.read({_text(body.name)}, partition={_text(newest)})"]
    return "\n".join(lines)


def _shell(body: DatasetBody) -> str:
    return f"dataproducts read {shlex.quote(body.name)} -o {shlex.quote(body.name.split('/')[1] + '.parquet')}"


def _bigquery(port: PortFacts, body: DatasetBody) -> str:
    shown = [c.name for c in body.contract.columns[:SHOWN_COLUMNS]]
    columns = ",\n  ".join(name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else _quoted(name) for name in shown)
    return f"SELECT\n  {columns}\nFROM {_quoted(port.address)}\nLIMIT 100"


def _kafka(port: PortFacts, body: DatasetBody) -> str:
    group = re.sub(r"[^a-z0-9-]", "-", f"mitt-team-{body.name}")
    return f"""import os

from confluent_kafka import Consumer

consumer = Consumer({{
    "bootstrap.servers": os.environ["KAFKA_BROKERS"],
    "security.protocol": "ssl",
    "ssl.ca.location": os.environ["KAFKA_CA_PATH"],
    "ssl.certificate.location": os.environ["KAFKA_CERTIFICATE_PATH"],
    "ssl.key.location": os.environ["KAFKA_PRIVATE_KEY_PATH"],
    "group.id": {_text(group)},
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
}})
consumer.subscribe([{_text(port.address)}])
while True:
    message = consumer.poll(1.0)
    if message is not None and message.error() is None:
        print(message.value())"""


def _file(port: PortFacts, body: DatasetBody) -> str:
    address = _plain(port.address)
    if address.endswith("/datapackage.json"):
        return f"from frictionless import Package\n\nrows = Package({_text(address)}).resources[0].read_rows()"
    ending = address.rsplit(".", 1)[-1].lower()
    reader = {"csv": "read_csv", "json": "read_json", "jsonl": "read_ndjson", "ndjson": "read_ndjson"}.get(ending, "read_parquet")
    return f"import polars as pl\n\nframe = pl.{reader}({_text(address)})"


def _text(value: str) -> str:
    """A text as Python and JSON both write it, on one line: nothing in it can end the quotes."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _quoted(name: str) -> str:
    """An identifier of BigQuery."""
    return "`" + _plain(name).replace("\\", "").replace("`", "") + "`"


def _plain(value: str) -> str:
    return " ".join("".join(c for c in value if c.isprintable() or c.isspace()).split())


def address(port: PortFacts) -> str | None:
    """Where a port can be opened in a browser; None where it cannot."""
    return link(port.address)
