"""A topic whose values are Avro, with a schema registry of the tests' own."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import polars as pl
import pytest

from dataproducts.errors import ConfigurationError, PortError, PortUnavailable
from dataproducts.ports.kafka.avro import schema
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.topic import Topic
from tests.ports.kafka.test_erasing import GONE, A, erase
from tests.ports.kafka.topics import Shop, read, state


class RegistryHandler(BaseHTTPRequestHandler):
    """Takes schemas of subjects, and says what it was set to say."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.schemas[self.path] = json.loads(body["schema"])  # type: ignore[attr-defined]
        status = self.server.status  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"id": 7}' if status == 200 else b'{"error_code": 409, "message": "READER_FIELD_MISSING_DEFAULT_VALUE"}')

    def log_message(self, *arguments: Any) -> None: ...


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), RegistryHandler)
    server.schemas, server.status = {}, 200
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("KAFKA_SCHEMA_REGISTRY", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


ROWS = {
    "number": int,
    "share": float,
    "yes": bool,
    "name": str,
    "day": pl.Date,
    "at": pl.Datetime("us", "UTC"),
    "sum": pl.Decimal(20, 2),
    "raw": pl.Binary,
    "many": pl.List(pl.Int64),
    "record": pl.Struct({"x": pl.String, "y": pl.List(pl.Date)}),
}
ROW = (
    1,
    0.5,
    True,
    "å",
    date(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=UTC),
    Decimal("-1.50"),
    b"\xff",
    [1, None],
    {"x": None, "y": [date(2026, 1, 2)]},
)


def test_rows_are_avro_records_of_the_registered_schema(kafka: Kafka, topic_name: str, lake: str, product: Any, registry: Any) -> None:
    shop = Shop(lake, product.facts, kafka, Topic(topic_name, value="avro"), columns=ROWS)
    shop.store("2026-01-01", [ROW, (2, *[None] * 9)])
    shop.deliver()
    ((subject, registered),) = registry.schemas.items()
    assert subject == f"/subjects/{topic_name}-value/versions"
    first, second = sorted((m.value or b"" for m in read(kafka, topic_name)), key=len, reverse=True)
    assert first[:5] == b"\x00\x00\x00\x00\x07"
    assert tuple(_record(first, registered).values()) == ROW
    assert _record(second, registered) == {"number": 2, **dict.fromkeys(list(ROWS)[1:])}
    assert shop.compare(full=True).differences == ()


def test_values_go_from_the_topic_where_the_row_stays(sandbox: str, topic_name: str, lake: str, product: Any, registry: Any) -> None:
    shop = Shop(lake, product.facts, Kafka(Brokers(sandbox)), Topic(topic_name, value="avro"))
    shop.store("2026-01-01", [GONE, A])
    shop.deliver()
    assert erase(shop, empties=(("name", "null"),)).rows == 1
    held = state(shop.kafka, topic_name)
    assert len(held) == 2
    assert not any(b"gone-person" in value for value in held.values())
    assert shop.compare(full=True).differences == ()


def test_a_nullable_column_has_null_as_its_default_so_that_it_may_be_added(declare: Any) -> None:
    made = schema(declare({"number": int, "name": str}, key=("number",)))
    assert made["fields"] == [{"name": "number", "type": "long"}, {"name": "name", "type": ["null", "string"], "default": None}]
    assert (made["namespace"], made["name"]) == ("shop", "sales")


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [(409, PortError, "refuses the schema"), (401, PortError, "KAFKA_SCHEMA_REGISTRY_USER"), (503, PortUnavailable, "run again")],
)
def test_a_registry_that_refuses_is_told_and_nothing_arrives(
    status: int, kind: type[PortError], sentence: str, sandbox: str, topic_name: str, lake: str, product: Any, registry: Any
) -> None:
    registry.status = status
    kafka = Kafka(Brokers(sandbox))
    shop = Shop(lake, product.facts, kafka, Topic(topic_name, value="avro"))
    shop.store("2026-01-01", [(1, 1, "a")])
    with pytest.raises(PortError, match=sentence) as told:
        shop.deliver()
    assert type(told.value) is kind
    assert read(kafka, topic_name) == []


def test_avro_without_a_registry_is_an_error(sandbox: str, lake: str, product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_SCHEMA_REGISTRY", raising=False)
    shop = Shop(lake, product.facts, Kafka(Brokers(sandbox)), Topic("shop.sales", value="avro"))
    with pytest.raises(ConfigurationError, match="KAFKA_SCHEMA_REGISTRY is not set"):
        shop.deliver()


def _record(value: bytes, registered: Any) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(registered), None)
