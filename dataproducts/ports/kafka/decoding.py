"""Messages as rows under the contract's source names, and what no row can be made of, byte for byte.

JSON is read in bulk where that leads to the same as reading message by message would, which is what everything else gets.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from dataproducts.contract import REST, Column, Contract
from dataproducts.errors import DeclarationError
from dataproducts.ports.kafka.consuming import Batch, Headers, Received
from dataproducts.quality.conform import to_json

if TYPE_CHECKING:
    import pyarrow as pa

    from dataproducts.ports.kafka.registry import Registry

Form = Literal["json", "avro", "bytes"]
"""How values are written; "bytes" are left as they are."""

OWN = "kafka"
"""What a source name begins with that is not a field of the value: "kafka.offset"."""

_TEXT, _BYTES, _UTC = pl.String(), pl.Binary(), pl.Datetime("us", "UTC")
_FIELDS: dict[str, tuple[pl.DataType, ...]] = {
    "topic": (_TEXT,),
    "partition": (pl.Int64(),),
    "offset": (pl.Int64(),),
    "timestamp": (_UTC,),
    "key": (_TEXT, _BYTES),
    "headers": (_TEXT, pl.List(pl.Struct({"name": pl.String, "value": pl.String}))),
    "value": (_BYTES, _TEXT),
}
_FEWEST = 256  # messages that are worth a try in bulk
_NAMED = 64  # messages of a batch that are taken out one by one; with more it is quicker to look for the good ones
_RECORDS = 8_192  # records at a time: they take ten times the memory of their bytes
_BLOCK = 2**20  # bytes that are read at a time, side by side with others
_IN_ROW = " in row "


class Undecodable(Exception):
    """No row can be made of a message; its text is the rule that says why."""


@dataclass
class Decoded:
    """Rows as frames and lists of records under the source's names, and what was refused as (record, rule)."""

    rows: list[pl.DataFrame | list[dict[str, Any]]] = field(default_factory=list)
    refused: list[tuple[dict[str, Any], str]] = field(default_factory=list)


def own_columns(contract: Contract) -> dict[str, Column]:
    """Columns that hold something else than a field of the value, by its name without "kafka."."""
    return {c.source[len(OWN) + 1 :]: c for c in contract.columns if c.source is not None and c.source.split(".")[0] == OWN}


def refuse_faults(contract: Contract, form: Form) -> None:
    """Raise DeclarationError where a column takes what no message has, or rows would not say which message they are."""
    own = own_columns(contract)
    for name, column in own.items():
        if name not in _FIELDS:
            raise DeclarationError(
                f"{contract.dataset}: column {column.name!r} takes {column.source!r}, and a message has "
                f"{', '.join(f'{OWN}.{n}' for n in _FIELDS)}"
            )
        if column.dtype not in _FIELDS[name]:
            raise DeclarationError(
                f"{contract.dataset}: column {column.name!r} takes {column.source!r}, which comes as "
                f"{' or '.join(map(str, _FIELDS[name]))}, not {column.dtype}"
            )
    for name in ("partition", "offset"):
        if name not in own or own[name].nullable:
            raise DeclarationError(
                f"{contract.dataset}: a dataset fed by a topic says which message a row is; declare a column "
                f'`{name}: int = dp.column(..., source="{OWN}.{name}")`'
            )
    if form == "bytes" and (other := next((c for c in contract.columns if c not in own.values()), None)) is not None:
        raise DeclarationError(
            f'{contract.dataset}: column {other.name!r} takes a field of the value, which value="bytes" leaves undecoded'
        )


class Decoder:
    """Decodes the messages of one topic for one contract."""

    def __init__(self, contract: Contract, topic: str, form: Form, tombstones: bool, registry: Registry | None = None) -> None:
        self.topic = topic
        self.form = form
        self.tombstones = tombstones
        self.registry = registry
        self.own = own_columns(contract)
        self.names = {c.source or c.name: c for c in contract.columns if c.source != REST}
        self._schema = _arrow_schema(contract) if form == "json" else None
        self._vain = 0  # batches that could not be read in bulk, in a row

    def decode(self, batch: Batch) -> Iterator[Decoded]:
        """All messages of a batch, in any order: frames where possible, else lists of records."""
        left: Sequence[int] = range(len(batch))
        if self.form == "bytes" or (self._schema is not None and self._vain < 3):
            decoded = Decoded()
            left = self._in_bulk(batch, decoded)
            yield decoded
        yield from self._records(batch, left)

    def records(self, batch: Batch) -> Iterator[Decoded]:
        """As `decode`, always as records: nested objects with what the contract takes of the message itself under "kafka"."""
        return self._records(batch, range(len(batch)))

    def _records(self, batch: Batch, places: Sequence[int]) -> Iterator[Decoded]:
        for start in range(0, len(places), _RECORDS):
            decoded, records = Decoded(), list[dict[str, Any]]()
            for place in places[start : start + _RECORDS]:
                message = batch.message(place)
                try:
                    records.append(self.record(message))
                except Undecodable as reason:
                    decoded.refused.append((as_received(message), str(reason)))
            if records:
                decoded.rows.append(records)
            yield decoded

    def record(self, message: Received) -> dict[str, Any]:
        """One message. Raises Undecodable."""
        own = {name: self._own(name, column, message) for name, column in self.own.items()}
        value = message.value
        if self.form == "bytes":
            return {OWN: own}
        if value is None:
            if not self.tombstones:
                raise Undecodable("no_value")
            return {OWN: own}
        fields = _from_json(value) if self.form == "json" else self._from_avro(value)
        if not isinstance(fields, dict):
            raise Undecodable("not_an_object")
        if OWN in fields:
            raise Undecodable(f"value_has_field_{OWN}")
        return {OWN: own, **fields}

    def _own(self, name: str, column: Column, message: Received) -> Any:
        if name == "topic":
            return self.topic
        if name == "partition":
            return message.partition
        if name == "offset":
            return message.offset
        if name == "timestamp":
            return _moment(message.time)
        if name == "headers":
            headers = _headers(message.headers)
            return to_json(headers) if headers is not None and column.dtype == _TEXT else headers
        raw = message.key if name == "key" else message.value
        return _text(raw, f"{name}_not_text") if column.dtype == _TEXT else raw

    def _from_avro(self, value: bytes) -> Any:
        assert self.registry is not None
        return self.registry.decode(value)

    # --- in bulk ---

    def _in_bulk(self, batch: Batch, decoded: Decoded) -> list[int]:
        """Decode what can be decoded at once; gives the places of the messages that are left."""
        count = len(batch)
        fit = np.ones(count, dtype=bool)
        columns: dict[str, pl.Series] = {}
        for name, column in self.own.items():
            values = self._own_series(name, column, batch, fit)
            columns[f"{OWN}.{name}"] = values.alias(f"{OWN}.{name}")
        if self.form == "bytes":
            self._add(decoded, pl.DataFrame(columns), np.flatnonzero(fit), None)
            return np.flatnonzero(~fit).tolist()  # type: ignore[no-any-return]
        lines = _as_lines(batch.values) if None not in batch.values else None
        if lines is None or not _are_lines(lines, count):
            lines = None
            text = _as_text(_as_bytes(batch.values))
            fit &= (text.is_not_null() & ~text.fill_null("\n").str.contains(r"[\r\n]")).to_numpy()
        frame = pl.DataFrame(columns)
        left = np.flatnonzero(~fit).tolist()
        found = 0
        for places, fields in self._parsed(batch.values, np.flatnonzero(fit), lines):
            if fields is None:
                left += places.tolist()
            else:
                found += len(places)
                self._add(decoded, frame, places, fields)
        self._vain = 0 if found else self._vain + 1
        return left

    def _add(self, decoded: Decoded, own: pl.DataFrame, places: np.ndarray[Any, Any], values: pl.DataFrame | None) -> None:
        if len(places):
            rows = own if len(places) == own.height else own[places]
            decoded.rows.append(rows if values is None else rows.hstack(values))

    def _own_series(self, name: str, column: Column, batch: Batch, fit: np.ndarray[Any, Any]) -> pl.Series:
        if name == "topic":
            return pl.repeat(self.topic, len(batch), dtype=pl.String, eager=True)
        if name in ("partition", "offset"):
            return pl.Series(getattr(batch, f"{name}s"), dtype=pl.Int64)
        if name == "timestamp":
            times = pl.Series(batch.times, dtype=pl.Int64)
            return times.set(times < 0, None).cast(pl.Datetime("ms", "UTC")).cast(_UTC)
        if name == "headers":
            found: list[Any] = []
            for index, given in enumerate(batch.headers):
                try:
                    headers = _headers(given)
                except Undecodable:
                    headers = None
                    fit[index] = False
                found.append(to_json(headers) if headers is not None and column.dtype == _TEXT else headers)
            return pl.Series(found, dtype=column.dtype)
        raw = _as_bytes(batch.keys if name == "key" else batch.values)
        if column.dtype == _BYTES:
            return raw
        text = _as_text(raw)
        if text.null_count():
            fit &= (text.is_not_null() | raw.is_null()).to_numpy()
        return text

    def _parsed(
        self, values: Sequence[bytes | None], places: np.ndarray[Any, Any], lines: bytes | None
    ) -> Iterator[tuple[np.ndarray[Any, Any], pl.DataFrame | None]]:
        """Pieces of `places` with their fields as columns, or None where they have to be read one by one. `lines` are all the values."""
        pieces, named = [places], 0
        while pieces:
            piece = pieces.pop()
            parsed: pl.DataFrame | int | None = None
            if len(piece) >= _FEWEST:
                some = _of(values, piece)
                parsed = self._parse(some, lines if lines is not None and some is values else _as_lines(some))
            if isinstance(parsed, pl.DataFrame):
                yield piece, parsed
            elif parsed is not None and named < _NAMED:
                named += 1
                yield piece[parsed : parsed + 1], None
                pieces += [piece[parsed + 1 :], piece[:parsed]]
            elif len(piece) > 2 * _FEWEST:
                half = len(piece) // 2
                pieces += [piece[half:], piece[:half]]
            else:
                yield piece, None

    def _parse(self, values: Sequence[bytes | None], text: bytes) -> pl.DataFrame | int | None:
        """The fields as columns, or the place of a message that cannot be read so, or None where none can be named."""
        import pyarrow as pa

        block = 2 * max(map(len, values)) + _BLOCK  # type: ignore[arg-type]
        try:
            try:
                table = self._read(text, block)
            except pa.ArrowInvalid:
                table = self._read(text, len(text) + 1)  # in one block, since of several it counts the rows in each
        except pa.ArrowInvalid as error:
            row = str(error).rpartition(_IN_ROW)[2]
            return int(row) if row.isdigit() else None
        if table.num_rows != len(values):
            return None
        nested = pl.from_arrow(table.column("m")).alias("m")  # type: ignore[union-attr]
        if nested.null_count():
            return int(nested.is_null().arg_true()[0])  # the value is `null`, which is no object
        flat = _flattened(nested, list(self.names))
        for numbers in flat.iter_columns():
            if numbers.dtype == pl.Float64 and not numbers.is_finite().all():
                return int((~numbers.is_finite()).arg_true()[0])  # NaN and the like, which are not JSON
        return flat

    def _read(self, text: bytes, block: int) -> pa.Table:
        import pyarrow as pa
        import pyarrow.json as pj

        assert self._schema is not None
        return pj.read_json(
            pa.BufferReader(text),
            parse_options=pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="error"),
            read_options=pj.ReadOptions(use_threads=block < len(text), block_size=block),
        )


def as_received(message: Received) -> dict[str, Any]:
    """A message for the quarantine, byte for byte: key, value and the values of headers in base64."""
    headers, moment = message.headers, _moment(message.time)
    return {
        "undecoded": {
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "timestamp": moment.isoformat() if moment is not None else None,
            "key_base64": _base64(message.key),
            "value_base64": _base64(message.value),
            "headers_base64": [[name, _base64(value)] for name, value in headers] if headers is not None else None,
        }
    }


def _of(values: Sequence[bytes | None], places: np.ndarray[Any, Any]) -> Sequence[bytes | None]:
    return values if len(places) == len(values) else [values[i] for i in places.tolist()]


def _as_lines(values: Sequence[bytes | None]) -> bytes:
    """A message a line, each a member of an object, so that none can end where it should not, or be two."""
    return b'{"m":' + b'}\n{"m":'.join(values) + b"}\n"  # type: ignore[arg-type]


def _are_lines(text: bytes, count: int) -> bool:
    """Whether the lines of so many messages are UTF-8, and no message has the end of a line in it."""
    import pyarrow as pa

    if text.count(b"\n") != count or b"\r" in text:
        return False
    ends = np.array([0, len(text)], dtype=np.int64)
    whole = pa.LargeStringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(text))
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _as_bytes(raw: Sequence[bytes | None]) -> pl.Series:
    import pyarrow as pa

    return pl.Series(pa.array(raw, type=pa.large_binary()), dtype=pl.Binary)


def _as_text(raw: pl.Series) -> pl.Series:
    """UTF-8 as text; what is not UTF-8 is missing."""
    try:
        return raw.cast(pl.String)
    except pl.exceptions.PolarsError:  # polars says that something is not, and not what
        found: list[str | None] = []
        for value in raw:
            try:
                found.append(value.decode() if value is not None else None)
            except UnicodeDecodeError:
                found.append(None)
        return pl.Series(found, dtype=pl.String)


def _base64(raw: Any) -> str | None:
    return None if raw is None else base64.b64encode(raw.encode() if isinstance(raw, str) else raw).decode()


def _moment(milliseconds: int) -> datetime | None:
    return None if milliseconds < 0 else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _text(raw: Any, rule: str) -> str | None:
    try:
        return raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        raise Undecodable(rule) from error


def _headers(headers: Headers | None) -> list[dict[str, str | None]] | None:
    if headers is None:
        return None
    return [{"name": name, "value": _text(value, "headers_not_text")} for name, value in headers]


def _from_json(value: bytes) -> Any:
    try:
        return json.loads(value.decode(), parse_constant=_no_number, parse_float=_exactly)
    except (ValueError, RecursionError) as error:
        raise Undecodable("not_json") from error


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _exactly(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)  # a float would have lost digits that a column may keep


# --- the shape of values, for reading them in bulk ---


def _arrow_schema(contract: Contract) -> pa.Schema | None:
    """What values have to look like; None where a column's type is better read one by one."""
    import pyarrow as pa

    tree: dict[str, Any] = {}
    for column in contract.columns:
        path = (column.source or column.name).split(".")
        if column.source == REST or path[0] == OWN:
            continue
        leaf = _arrow_type(column.dtype)
        place = tree
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                return None  # one column takes an object whole and another a part of it
        if leaf is None or path[-1] in place:
            return None
        place[path[-1]] = leaf

    def struct(node: dict[str, Any]) -> pa.DataType:
        return pa.struct([(name, struct(inner) if isinstance(inner, dict) else inner) for name, inner in node.items()])

    return pa.schema([("m", struct(tree))]) if tree else None


def _arrow_type(dtype: pl.DataType, inner: bool = False) -> pa.DataType | None:
    import pyarrow as pa

    if isinstance(dtype, pl.String):
        return pa.string()
    if isinstance(dtype, pl.Int64):
        return pa.int64()
    if isinstance(dtype, pl.Boolean):
        return pa.bool_()
    if isinstance(dtype, pl.Float64) and not inner:
        return pa.float64()
    if isinstance(dtype, pl.Date | pl.Datetime) and not inner:
        return pa.string()  # conforming reads it as it reads any source's
    if isinstance(dtype, pl.List):
        item = _arrow_type(dtype.inner, True)  # type: ignore[arg-type]
        return None if item is None else pa.list_(item)
    if isinstance(dtype, pl.Struct):
        members = [(f.name, _arrow_type(f.dtype, True)) for f in dtype.fields]  # type: ignore[arg-type]
        return None if any(t is None for _, t in members) else pa.struct(members)
    return None


def _flattened(nested: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """The columns of a contract from objects; the fields of an object that is missing are missing."""
    pick: Callable[[pl.Series, str], pl.Series] = lambda values, name: values.struct.field(name)  # noqa: E731
    columns = []
    for source in names:
        path = source.split(".")
        if path[0] == OWN:
            continue
        values = nested
        for part in path:
            values = pick(values, part)
        columns.append(values.alias(source))
    return pl.DataFrame(columns)
