"""Rows as Avro: a schema made from the contract, registered, and each row after the number it got (a zero byte, four of the number)."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ConfigurationError, PortError, PortUnavailable

_TIMEOUT = 10.0


class Avro:
    """Rows of a contract as Avro records. Raises ConfigurationError where no registry is named, without which nobody can read them."""

    name = "avro"

    def __init__(self, contract: Contract) -> None:
        from dataproducts.ports.kafka.registry import Registry

        self._contract = contract
        self._registry = Registry.from_environment()
        self._schema = schema(contract)
        self._parsed: Any = None
        self._prefix = b""

    def prepare(self, topic: str) -> None:
        """Register the schema as the topic's; the registry refuses one that breaks its readers."""
        import fastavro
        import httpx

        url, where = self._registry.url, f"{self._contract.dataset}: the schema registry at {self._registry.url}"
        try:
            answer = httpx.post(
                f"{url}/subjects/{topic}-value/versions",
                json={"schema": json.dumps(self._schema)},
                headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
                auth=self._registry.auth,
                timeout=_TIMEOUT,
            )
        except httpx.HTTPError as error:
            raise PortUnavailable(f"{where} does not answer ({error or type(error).__name__}); run again when it does") from error
        if answer.status_code in (401, 403):
            raise PortError(f"{where} refuses us; KAFKA_SCHEMA_REGISTRY_USER and _PASSWORD have to be those of the pool")
        if answer.status_code in (409, 422):
            raise PortError(
                f"{where} refuses the schema of {topic}: {answer.text[:200]}; a change that breaks readers needs a new topic, or another "
                "compatibility of the subject"
            )
        if answer.status_code >= 500:
            raise PortUnavailable(f"{where} answers {answer.status_code}; run again when it is well")
        try:
            number = int(answer.json()["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise PortError(
                f"{where} answers {answer.status_code} and no schema's number; KAFKA_SCHEMA_REGISTRY has to be its address"
            ) from error
        self._prefix = b"\x00" + number.to_bytes(4, "big")
        self._parsed = fastavro.parse_schema(self._schema)

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Each row as Binary. Raises ConfigurationError before `prepare`."""
        import fastavro

        if self._parsed is None:
            raise ConfigurationError(f"{self._contract.dataset}: rows are encoded before their schema is registered; prepare the session")
        encoded = []
        for row in frame.select(self._contract.names).iter_rows(named=True):
            stream = io.BytesIO(self._prefix)
            stream.seek(len(self._prefix))
            fastavro.schemaless_writer(stream, self._parsed, row)
            encoded.append(stream.getvalue())
        return pl.Series(encoded, dtype=pl.Binary)


def schema(contract: Contract) -> dict[str, Any]:
    """The Avro schema of a contract's rows. Nullable columns are unions with null, which is their default."""
    namespace, name = contract.dataset.split("/")
    fields = []
    for column in contract.columns:
        kind = _type(column.dtype, _name(column.name))
        given = {"type": ["null", kind], "default": None} if column.nullable else {"type": kind}
        fields.append({"name": _name(column.name), **given, **({"doc": column.description} if column.description else {})})
    return {"type": "record", "name": name, "namespace": namespace, "fields": fields}


def _type(dtype: Any, path: str) -> Any:
    if isinstance(dtype, pl.List):
        return {"type": "array", "items": ["null", _type(dtype.inner, f"{path}_item")]}
    if isinstance(dtype, pl.Struct):
        fields = [
            {"name": _name(f.name), "type": ["null", _type(f.dtype, f"{path}_{_name(f.name)}")], "default": None} for f in dtype.fields
        ]
        return {"type": "record", "name": path, "fields": fields}
    if isinstance(dtype, pl.Decimal):
        return {"type": "bytes", "logicalType": "decimal", "precision": dtype.precision, "scale": dtype.scale}
    if isinstance(dtype, pl.Datetime):
        return {"type": "long", "logicalType": "timestamp-micros"}
    if isinstance(dtype, pl.Date):
        return {"type": "int", "logicalType": "date"}
    return _PLAIN[type(dtype)]


_PLAIN = {pl.String: "string", pl.Int64: "long", pl.Float64: "double", pl.Boolean: "boolean", pl.Binary: "bytes"}


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise ConfigurationError(f'column {text!r} is no name that Avro takes; use ASCII letters, digits and underscores, or value="json"')
    return text
