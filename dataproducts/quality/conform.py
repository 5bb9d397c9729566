"""Rename and cast what a source sends, as the contract declares it; nothing is lost and nothing is changed in silence.

Rows whose values cannot be cast are refused with the reason; fields no column names are kept as JSON or reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from functools import lru_cache
from math import isinf
from typing import Any

import polars as pl

from dataproducts.contract import REST, Column, Contract
from dataproducts.errors import ContractBreach
from dataproducts.quality.frames import Records
from dataproducts.quality.personal_data import is_suspect


@dataclass(frozen=True)
class Refused:
    """Rows that cannot be stored: each as received (JSON text), with the rules it breaks."""

    row: list[str] = field(default_factory=list)
    rules: list[list[str]] = field(default_factory=list)

    def add(self, row: Any, rules: Sequence[str]) -> None:
        """Refuse one row."""
        self.row.append(row if isinstance(row, str) else to_json(row))
        self.rules.append(list(rules))

    def extend(self, other: Refused) -> None:
        """Take over the rows of another."""
        self.row.extend(other.row)
        self.rules.extend(other.rules)

    def drop(self, theirs: Callable[[str], bool]) -> int:
        """Take out rows by what was received; gives how many."""
        kept = [(row, rules) for row, rules in zip(self.row, self.rules, strict=True) if not theirs(row)]
        dropped = len(self.row) - len(kept)
        self.row[:], self.rules[:] = [row for row, _ in kept], [rules for _, rules in kept]
        return dropped

    def __len__(self) -> int:
        return len(self.row)


@dataclass
class Conformed:
    """Rows with the contract's names and types, those refused, and the unknown fields that were seen."""

    frame: pl.DataFrame
    refused: Refused
    unknown_fields: set[str] = field(default_factory=set)


def conform(rows: pl.DataFrame | Records, contract: Contract) -> Conformed:
    """Give rows the contract's names and exact types.

    Where the contract names source fields, rows are taken as the source has them; else they have the contract's names already and only
    lossless changes of type are made. Raises ContractBreach for missing, unknown or wrongly typed columns.
    """
    if isinstance(rows, pl.DataFrame):
        return _frame(rows, contract)
    if contract.takes_source:
        return _records(rows, contract)
    if not rows:
        return Conformed(contract.empty(), Refused())
    if (stray := next((r for r in rows if not isinstance(r, Mapping)), rows)) is not rows:
        raise ContractBreach(
            f"{contract.dataset}: the function returned a list with a value of type {type(stray).__name__}; "
            "return records (dicts) with the contract's names"
        )
    try:
        frame = pl.DataFrame(rows, infer_schema_length=None)
    except (TypeError, ValueError, ArithmeticError, pl.exceptions.PolarsError) as error:
        raise ContractBreach(
            f"{contract.dataset}: the records returned are no frame ({str(error).splitlines()[0]}); return values of the contract's types"
        ) from error
    return _frame(frame, contract)


def to_json(value: Any) -> str:
    """JSON text of a row as received: decimals exact, dates in ISO 8601, Norwegian letters kept."""
    text = json.dumps(value, ensure_ascii=False, default=_plain, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a letter, which JSON can hold, but only escaped
        text = json.dumps(value, default=_plain, separators=(",", ":"))
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and value.as_tuple().exponent == 0:
            return int(value)
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)  # as text where JSON's numbers would lose digits
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


# --- frames -----------------------------------------------------------------------------------------------------------


def _frame(frame: pl.DataFrame, contract: Contract) -> Conformed:
    taken = {(c.source or c.name) if contract.takes_source else c.name: c for c in contract.columns if c.source != REST}
    rest = next((c for c in contract.columns if c.source == REST), None)
    missing = [s for s, c in taken.items() if s not in frame.columns and not (contract.takes_source and c.nullable)]
    ignored = set(rest.ignore) if rest else set()
    extra = [n for n in frame.columns if n not in taken and n not in ignored]
    if missing or (extra and rest is None):
        raise ContractBreach(_shape_message(contract, missing, extra))
    columns, bad, reasons = [], pl.Series([False] * frame.height, dtype=pl.Boolean), dict[int, list[str]]()
    for source, column in taken.items():
        if source not in frame.columns:
            columns.append(pl.Series(column.name, [None] * frame.height, dtype=column.dtype))
            continue
        values, failed = _cast(frame.get_column(source), column, contract)
        columns.append(values.alias(column.name))
        if failed is not None and failed.any():
            if not contract.takes_source:
                example = frame.get_column(source).filter(failed)[0]
                raise ContractBreach(
                    f"{contract.dataset}: column {column.name!r} holds {_shown(example, column)}, which is no {_type_name(column.dtype)}; "
                    "return the contract's type"
                )
            bad = bad | failed
            for index in failed.arg_true():
                reasons.setdefault(index, []).append(f"{column.name}_type")
    if rest is not None:
        columns.append(_rest_of_frame(frame.select(extra), rest) if extra else pl.Series(rest.name, [None] * frame.height, dtype=pl.String))
    done = pl.DataFrame(columns).select(contract.names)
    refused = Refused()
    for index in sorted(reasons):
        refused.add(frame.row(index, named=True), reasons[index])
    return Conformed(done.filter(~bad) if reasons else done, refused, set(extra))


def _rest_of_frame(extra: pl.DataFrame, rest: Column) -> pl.Series:
    rows = [
        to_json({k: v for k, v in row.items() if v is not None}) if any(v is not None for v in row.values()) else None
        for row in extra.iter_rows(named=True)
    ]
    return pl.Series(rest.name, rows, dtype=pl.String)


def _shape_message(contract: Contract, missing: Sequence[str], extra: Sequence[str]) -> str:
    parts = []
    if missing:
        parts.append(f"lacks {', '.join(map(repr, missing))}")
    if extra:
        parts.append(f"has {', '.join(map(repr, extra))}, which the contract does not name")
    return (
        f"{contract.dataset}: what the function returned {' and '.join(parts)}; contract {contract.version} has the columns "
        f"{', '.join(contract.names)}"
    )


def _cast(values: pl.Series, column: Column, contract: Contract) -> tuple[pl.Series, pl.Series | None]:
    """The values in the column's type, and which could not be changed without loss."""
    have, want = values.dtype, column.dtype
    if have == want:
        return (values.fill_nan(None) if want == pl.Float64 else values), None
    if have == pl.Null:
        return values.cast(want), None
    if isinstance(have, pl.Categorical | pl.Enum):
        values, have = values.cast(pl.String), pl.String()
    if have == pl.String and contract.takes_source:
        return _parse_text(values, column)
    lossless = (
        (have.is_integer() and want in (pl.Int64, pl.Float64))
        or (have.is_integer() and isinstance(want, pl.Decimal))
        or (have == pl.Float32 and want == pl.Float64)
        or (isinstance(have, pl.Datetime) and isinstance(want, pl.Datetime) and have.time_zone is not None)
        or (isinstance(have, pl.Decimal) and isinstance(want, pl.Decimal))
        or (have.is_nested() and want.is_nested())
        or (have == pl.String and isinstance(want, pl.String))
        or (isinstance(have, pl.Datetime) and have.time_zone is None and want == pl.Date)
        or (contract.takes_source and have.is_numeric() and (want.is_numeric() or want == pl.String))
        or (contract.takes_source and isinstance(have, pl.Datetime) and column.time_zone is not None)
    )
    if not lossless:
        raise ContractBreach(
            f"{contract.dataset}: column {column.name!r} is {have} and contract {contract.version} promises {want}; "
            "return that type, nothing is cast in silence"
        )
    if isinstance(have, pl.Datetime) and have.time_zone is None and isinstance(want, pl.Datetime):
        assert column.time_zone is not None
        done = _localized(values, column.time_zone)
        return done, values.is_not_null() & (done.is_null() | _below_microseconds(values))
    try:
        done = values.cast(want, strict=False)
        back = done.cast(have, strict=False)
        failed = values.is_not_null() & ~values.eq_missing(back) if not want.is_nested() else _nested_loss(values, done)
    except pl.exceptions.PolarsError as error:
        raise ContractBreach(
            f"{contract.dataset}: column {column.name!r} is {have} and contract {contract.version} promises {want}; "
            "return that type, nothing is cast in silence"
        ) from error
    return (done.fill_nan(None) if want == pl.Float64 else done), failed


def _nested_loss(before: pl.Series, after: pl.Series) -> pl.Series:
    return pl.Series([a != b for a, b in zip(before.to_list(), after.to_list(), strict=True)], dtype=pl.Boolean)


def _localized(values: pl.Series, zone: str) -> pl.Series:
    """Times without an offset, in a zone: of an hour that comes twice the first, of one that is skipped none."""
    return values.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").cast(pl.Datetime("us", "UTC"))


def _below_microseconds(values: pl.Series) -> pl.Series:
    return values.dt.nanosecond() % 1000 != 0


_WIDE = Context(prec=100)  # Python's own rounds at 28 digits
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_DATE = r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
_FINER = r"\.[0-9]{6}[0-9]*[1-9]"  # finer than the microseconds the store keeps


def _parse_text(values: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """Text of a source in the declared type; an empty text is a missing value everywhere but in text columns."""
    want = column.dtype
    if isinstance(want, pl.String):
        return values, pl.Series([False] * values.len(), dtype=pl.Boolean)
    given = values.set(values == "", None) if (values == "").any() else values
    if want.is_nested():
        given = given.set(given.str.strip_chars() == "null", None)
    if isinstance(want, pl.Date):
        done = given.set(~given.str.contains(f"{_DATE}$"), None).str.to_date("%Y-%m-%d", strict=False)
    elif isinstance(want, pl.Datetime):
        done = _parse_times(given, column.time_zone)
    elif isinstance(want, pl.Boolean):
        done = given.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    else:
        done = _parse_others(given, want)
    return done, given.is_not_null() & done.is_null()


def _plain_times(given: pl.Series, zone: str | None) -> pl.Series | None:
    """Times that are all spelled alike and in full, which Arrow reads ten times as fast; None where any is not."""
    import pyarrow as pa

    if given.len() < 1_000 or not given.str.contains(rf"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}").all():
        return None
    offset = given.str.contains(r"(Z|[+-]\d{2}:?\d{2})$")
    if offset.any() != offset.all() or (zone is None and not offset.all()):
        return None
    try:
        read = given.to_arrow().cast(pa.timestamp("us", "UTC" if offset.all() else None))
    except pa.ArrowInvalid:  # something else is in one of them
        return None
    found = pl.Series(given.name, read)
    return found.cast(pl.Datetime("us", "UTC")) if offset.all() else _localized(found.cast(pl.Datetime("us")), str(zone))


def _parse_others(given: pl.Series, want: pl.DataType) -> pl.Series:
    """Fast where polars reads a value as `exact` would, one by one where it does not."""
    fast = pl.Series([None] * given.len(), dtype=want)
    if isinstance(want, pl.Int64):
        fast = given.set(~given.str.contains(r"^-?[0-9]+$"), None).cast(want, strict=False)
    elif isinstance(want, pl.Float64):
        fast = given.set(~given.str.contains(_NUMBER), None).cast(want, strict=False)
        fast = fast.set(fast.is_infinite(), None)
    elif isinstance(want, pl.Decimal):
        pattern = rf"^-?[0-9]+(\.[0-9]{{1,{want.scale}}})?$" if want.scale else r"^-?[0-9]+$"
        fast = given.set(~given.str.contains(pattern), None).cast(want, strict=False)
    left = (given.is_not_null() & fast.is_null()).arg_true()
    if left.len() == 0:
        return fast
    found = fast.to_list()
    for index in left:
        with suppress(ValueError, TypeError, ArithmeticError):
            value = given[index]
            found[index] = exact(json.loads(value) if want.is_nested() else value, want)
    return pl.Series(found, dtype=want, strict=True)


def _parse_times(given: pl.Series, zone: str | None) -> pl.Series:
    """Times with an offset as they are; without one, in the zone the column declares, else they fail."""
    utc = pl.Datetime("us", "UTC")
    if (quick := _plain_times(given, zone)) is not None:
        return quick
    given = given.set(~given.str.contains(f"{_DATE}[T ]") | given.str.contains(_FINER), None)
    given = given.str.replace(" ", "T").str.replace(r"T(\d{2}:\d{2})(Z|[+-]|$)", "T${1}:00$2")  # Java leaves out :00 seconds
    offset = given.str.contains(r"(Z|[+-]\d{2}:?\d{2})$")
    aware = given.str.replace(r"Z$", "+00:00").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False)
    done = aware.cast(utc) if aware.dtype != utc else aware
    if zone is not None and not bool(offset.all()):
        local = given.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
        done = pl.select(pl.when(offset).then(done).otherwise(_localized(local, zone))).to_series()
    return done


# --- records ----------------------------------------------------------------------------------------------------------


def _records(records: Records, contract: Contract) -> Conformed:
    refused = Refused()
    objects = []
    for record in records:
        if isinstance(record, dict):
            objects.append(record)
        else:
            refused.add(to_json(record), ["not_an_object"])
    reader = _Reader.of(contract)
    columns: list[pl.Series] = []
    reasons: dict[int, list[str]] = {}
    for column, getter in reader.getters:
        values, failed = _series([getter(r) for r in objects], column)
        columns.append(values)
        for index in failed:
            reasons.setdefault(index, []).append(f"{column.name}_type")
    unknown: set[str] = set()
    if reader.rest is not None or not reader.known.open:
        leftovers: list[str | None] = []
        for index, record in enumerate(objects):
            left = None if index in reasons else reader.known.leftover(record)
            leftovers.append(to_json(left) if left else None)
            if left:
                unknown.update(_paths(left))
        if reader.rest is not None:
            columns.append(pl.Series(reader.rest.name, leftovers, dtype=pl.String))
        elif unknown:
            raise ContractBreach(_shape_message(contract, [], sorted(unknown)))
    frame = pl.DataFrame(columns).select(contract.names) if objects else contract.empty()
    if reasons:
        for index in sorted(reasons):
            refused.add(objects[index], reasons[index])
        keep = pl.Series([i not in reasons for i in range(len(objects))], dtype=pl.Boolean)
        frame = frame.filter(keep)
    return Conformed(frame, refused, unknown)


_PLAIN: dict[type[pl.DataType], frozenset[type]] = {
    pl.String: frozenset({str, type(None)}),
    pl.Boolean: frozenset({bool, type(None)}),
    pl.Int64: frozenset({int, type(None)}),
}


def _series(values: list[Any], column: Column) -> tuple[pl.Series, list[int]]:
    """Values of one field as a series of the declared type, and the places of those that are of another kind."""
    want = column.dtype
    try:
        plain = _PLAIN.get(type(want))
        if plain is not None and plain.issuperset(map(type, values)):  # polars does not raise at each of the others: at some it panics
            return pl.Series(column.name, values, dtype=want, strict=True), []
        if isinstance(want, pl.Date | pl.Datetime):
            return _times(values, column)
    except (TypeError, ValueError, pl.exceptions.PolarsError, OverflowError):
        pass
    found: list[Any] = []
    failed_at: list[int] = []
    for index, value in enumerate(values):
        try:
            found.append(exact(value, want, column.time_zone))
        except (ValueError, TypeError, ArithmeticError):
            found.append(None)
            failed_at.append(index)
    if want.is_nested():  # thirty times as fast through Arrow as polars makes them of Python's lists and dicts
        import pyarrow as pa

        inside = pl.Series([], dtype=want).to_arrow().type
        return pl.Series(column.name, pa.array(found, type=inside)).cast(want), failed_at
    return pl.Series(column.name, found, dtype=want, strict=True), failed_at


def _times(values: list[Any], column: Column) -> tuple[pl.Series, list[int]]:
    """Dates and times: texts all at once, and what is none one by one, so that one stray value does not make a column slow."""
    others = [index for index, value in enumerate(values) if value is not None and not isinstance(value, str)]
    texts = [value if isinstance(value, str) else None for value in values] if others else values
    done, failed = _parse_text(pl.Series(column.name, texts, dtype=pl.String, strict=True), column)
    failed_at = failed.arg_true().to_list()
    if not others:
        return done.alias(column.name), failed_at
    found = done.to_list()
    for index in others:
        try:
            found[index] = exact(values[index], column.dtype, column.time_zone)
        except (ValueError, TypeError, ArithmeticError):
            failed_at.append(index)
    return pl.Series(column.name, found, dtype=column.dtype, strict=True), sorted(failed_at)


def exact(value: Any, want: Any, zone: str | None = None) -> Any:
    """One value in a type, or ValueError, TypeError or ArithmeticError; nothing is rounded, cut or guessed.

    `zone` is that of times without an offset.
    """
    if value is None:
        return None
    if isinstance(value, _Stray):
        raise ValueError(value)
    if isinstance(want, pl.List):
        if not isinstance(value, list):
            raise ValueError(value)
        return [exact(v, want.inner, zone) for v in value]
    if isinstance(want, pl.Struct):
        if not isinstance(value, dict):
            raise ValueError(value)
        return {f.name: exact(value.get(f.name), f.dtype, zone) for f in want.fields}
    if isinstance(want, pl.String):
        if isinstance(value, bool | dict | list):
            raise ValueError(value)
        text = value if isinstance(value, str) else str(value)
        text.encode()  # half a letter is not text
        return text
    if isinstance(want, pl.Binary):
        return value if isinstance(value, bytes) else bytes.fromhex(value)  # hex is how `to_json` writes bytes
    if value == "":
        return None
    if isinstance(want, pl.Boolean):
        if value is True or value == "true":
            return True
        if value is False or value == "false":
            return False
        raise ValueError(value)
    if isinstance(value, bool | dict | list):
        raise ValueError(value)
    if isinstance(want, pl.Int64 | pl.Decimal | pl.Float64) and isinstance(value, str) and not re.search(_NUMBER, value):
        raise ValueError(value)
    if isinstance(want, pl.Int64):
        number = Decimal(str(value))
        if number != number.to_integral_value() or not -(2**63) <= number < 2**63:
            raise ValueError(value)
        return int(number)
    if isinstance(want, pl.Decimal):
        number = Decimal(str(value))
        if not number.is_finite() or number.quantize(Decimal(1).scaleb(-(want.scale or 0)), context=_WIDE) != number:
            raise ValueError(value)
        if number.copy_abs() >= Decimal(10) ** ((want.precision or 38) - (want.scale or 0)):
            raise ValueError(value)
        return number
    if isinstance(want, pl.Float64):
        number_ = float(value)
        if (isinstance(value, int) and int(number_) != value) or (isinf(number_) and isinstance(value, str | Decimal)):
            raise ValueError(value)
        return None if number_ != number_ else number_
    if isinstance(want, pl.Date):
        if isinstance(value, datetime):
            if value.tzinfo is not None or value.time() != time():
                raise ValueError(value)
            return value.date()
        if isinstance(value, str) and not re.search(f"{_DATE}$", value):
            raise ValueError(value)
        return value if isinstance(value, date) else date.fromisoformat(value)
    if isinstance(want, pl.Datetime):
        return _one_time(value, zone)
    raise ValueError(value)


def _one_time(value: Any, zone: str | None) -> datetime | None:
    if isinstance(value, str):
        found = _parse_times(pl.Series([value], dtype=pl.String), zone)[0]
    elif not isinstance(value, datetime):
        raise ValueError(value)
    elif value.tzinfo is not None:
        return value.astimezone(UTC)  # Arrow leaves out the offset of a time within a list
    else:
        found = _localized(pl.Series([value], dtype=pl.Datetime("us")), zone)[0] if zone is not None else None
    if not isinstance(found, datetime):
        raise ValueError(value)
    return found


@dataclass
class _Known:
    """The fields a contract names, as a tree; `open` where the whole value is taken or ignored."""

    open: bool = False
    members: dict[str, _Known] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    def add(self, path: Sequence[str], dtype: Any = None) -> None:
        if not path:
            inner = dtype
            while isinstance(inner, pl.List):
                inner = inner.inner
            if isinstance(inner, pl.Struct):
                for member in inner.fields:
                    self.add([member.name], member.dtype)
            else:
                self.open = True
            return
        self.members.setdefault(path[0], _Known()).add(path[1:], dtype)
        self.names = frozenset(self.members)

    def leftover(self, value: Any) -> Any:
        """What of `value` no column takes; empty where everything is known."""
        if self.open or value is None:
            return None
        if isinstance(value, list):
            parts = [self.leftover(v) for v in value]
            return parts if any(parts) else None
        if not isinstance(value, dict):
            return value
        left = {}
        for name, inner in value.items():
            known = self.members.get(name)
            if known is None:
                left[name] = inner
            elif not known.open and inner:
                rest = known.leftover(inner)
                if rest:
                    left[name] = rest
        return left


def _paths(value: dict[str, Any], above: str = "") -> Iterator[str]:
    """Dotted paths of the outermost unknown fields. Members of a list are named by the list."""
    for name, inner in value.items():
        yield from _paths(inner, f"{above}{name}.") if isinstance(inner, dict) and inner else (f"{above}{name}",)


@dataclass
class _Reader:
    getters: list[tuple[Column, Callable[[dict[str, Any]], Any]]]
    known: _Known
    rest: Column | None

    @staticmethod
    @lru_cache(maxsize=256)
    def _of(identity: _Identity) -> _Reader:
        known = _Known()
        getters = []
        rest = None
        for column in identity.contract.columns:
            if column.source == REST:
                rest = column
                for left_out in column.ignore:
                    known.add(left_out.split("."))
                continue
            path = (column.source or column.name).split(".")
            known.add(path, column.dtype)
            getters.append((column, _getter(tuple(path))))
        return _Reader(getters, known, rest)

    @classmethod
    def of(cls, contract: Contract) -> _Reader:
        return cls._of(_Identity(contract))


class _Identity:
    """A contract by identity, so that the reader made for it can be kept."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def __hash__(self) -> int:
        return id(self.contract)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.contract is self.contract


class _Stray:
    """A value where a path leads through it: there is no field to take from it, so it fits no type."""


def _getter(path: tuple[str, ...]) -> Callable[[dict[str, Any]], Any]:
    if len(path) == 1:
        name = path[0]
        return lambda record: record.get(name)
    head, tail = path[0], path[1:]

    def get(record: dict[str, Any]) -> Any:
        value: Any = record.get(head)
        for name in tail:
            if value is None:
                return None
            if not isinstance(value, dict):
                return _Stray()
            value = value.get(name)
        return value

    return get


def _type_name(dtype: pl.DataType) -> str:
    return {"String": "text", "Int64": "whole number", "Float64": "number", "Boolean": "truth value"}.get(str(dtype), str(dtype).lower())


def _shown(value: Any, column: Column) -> str:
    hidden = column.is_personal or is_suspect(value)
    return "a value (personal, not shown)" if hidden else repr(value)
