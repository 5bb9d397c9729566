"""Read values that name their Avro schema, as schema registries have them: a zero byte, the schema's number in four, the record."""

from __future__ import annotations

import io
import json
import os
import struct
from typing import Any

from dataproducts import settings
from dataproducts.errors import SourceError
from dataproducts.ports.kafka.decoding import Undecodable
from dataproducts.secret_references import secret_of

REGISTRY, USER, PASSWORD = "KAFKA_SCHEMA_REGISTRY", "KAFKA_SCHEMA_REGISTRY_USER", "KAFKA_SCHEMA_REGISTRY_PASSWORD"
_TIMEOUT = 10.0
_GARBLED = (EOFError, ValueError, LookupError, TypeError, ArithmeticError, struct.error, RecursionError, MemoryError)


class Registry:
    """The schemas of a registry, each asked for once."""

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        self.url = url.rstrip("/")
        self.auth = (user, password) if user else None
        self._schemas: dict[int, Any] = {}  # None: the registry does not know it

    @classmethod
    def from_environment(cls) -> Registry:
        """As nais sets the variables. Raises ConfigurationError where there is no registry."""
        url = settings.required(REGISTRY, "the schema registry's address, which topics with Avro values need")
        return cls(url, os.environ.get(USER, ""), secret_of(PASSWORD))

    def decode(self, value: bytes) -> Any:
        """The record of a value. Raises Undecodable, or SourceError where the registry does not answer."""
        import fastavro

        if len(value) < 5 or value[0] != 0:
            raise Undecodable("not_avro")
        schema = self._schema(int.from_bytes(value[1:5], "big"))
        if schema is None:
            raise Undecodable("unknown_schema")
        stream = io.BytesIO(value[5:])
        try:
            found = fastavro.schemaless_reader(stream, schema, None)
        except _GARBLED as error:
            raise Undecodable("not_avro") from error
        if stream.read(1):
            raise Undecodable("not_avro")  # more than the record is not the record
        return found

    def _schema(self, number: int) -> Any:
        import fastavro
        import httpx

        if number in self._schemas:
            return self._schemas[number]
        where = f"{self.url}/schemas/ids/{number}"
        try:
            answer = httpx.get(where, auth=self.auth, timeout=_TIMEOUT)
            if answer.status_code == httpx.codes.NOT_FOUND:
                self._schemas[number] = None
                return None
            answer.raise_for_status()
            self._schemas[number] = fastavro.parse_schema(json.loads(answer.json()["schema"]))
        except httpx.HTTPStatusError as error:
            raise SourceError(
                f"the schema registry at {self.url} answers {error.response.status_code} for schema {number}; check {USER} and {PASSWORD}"
            ) from error
        except httpx.HTTPError as error:
            raise SourceError(
                f"the schema registry at {self.url} cannot be reached ({type(error).__name__}); run again when it answers"
            ) from error
        except (ValueError, KeyError, TypeError, fastavro.schema.SchemaParseException) as error:
            raise SourceError(f"the schema registry at {self.url} gives no Avro schema for number {number}") from error
        return self._schemas[number]
