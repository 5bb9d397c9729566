"""What a dataset promises: columns, types, keys and rules, taken from a pandera model.

The model is the only declaration; asset checks, the Columns tab, ODCS and lineage are derived from it. Validation lives in
`quality`, documents in `formats`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from dataproducts.errors import DeclarationError
from dataproducts.pseudonym import PATTERN, Pseudonym

if TYPE_CHECKING:
    import pandera.polars as pa

REST = "*"
"""As a column's `source`: the column keeps, as JSON, whatever the source sends that no other column names."""


class _Stays(Enum):
    KEPT = "kept"


KEPT = _Stays.KEPT
"""As a column's `erased`: its value stays where the values of a row's personal columns are erased."""

META = "dataproducts"  # our key in pandera's per-column metadata
RESERVED = "_"  # column names that begin so belong to the history

PersonalClass = Literal[
    "none",
    "anonymized",
    "confidential",
    "possibly_identifying",
    "directly_identifying",
    "special_category",
    "protected_address",
]
"""Personal-data class of a column: the values of `product_facts.PersonalData`."""
Severity = Literal["error", "warn"]
Kind = Literal["table", "snapshot", "history"]
"""What partitions are to each other: disjoint parts of one table, successive states of the whole, or SCD2 intervals."""


def column(
    description: str,
    *,
    title: str | None = None,
    source: str | None = None,
    personal: PersonalClass | None = None,
    not_personal: str | None = None,
    pseudonym: Pseudonym | str | None = None,
    unit: str | None = None,
    time_zone: str | None = None,
    concept: str | None = None,
    ignore: Sequence[str] = (),
    examples: Sequence[Any] = (),
    erased: Any = None,
    nullable: bool = False,
    **rules: Any,
) -> Any:
    """A column of a schema: `navn: str = dp.column("Registered name", source="navn", personal="none")`.

    `source` is the name the source uses, a dotted path into nested records ("forretningsadresse.kommune"), or `dp.REST`.
    `ignore` (with REST) lists paths to leave out on purpose. `unit` is a unit of measure ("NOK", "employees").
    `time_zone` is the IANA zone in which a source writes times without an offset. `personal` is the personal-data class;
    a dataset that holds personal data must state it for every column. `not_personal` says why values that look like a person's are
    nobody's, and spares the column the scan. `pseudonym` names the group of the pseudonyms that are stored in place of what the
    source sends: `Pseudonym(...)`, or the group alone; the class is then "possibly_identifying" unless a graver one is stated. `concept` is
    the name of the term in `product.yaml` that the column holds values of. `erased` is what stands in place of a value that was erased
    while its row stays: a text, a number or `[]`; otherwise it is missing, and with `dp.KEPT` the value stays.
    `rules` are pandera's (`isin=`, `ge=`, `str_matches=` ...).
    """
    import pandera.polars as pa

    made = Pseudonym(pseudonym) if isinstance(pseudonym, str) else pseudonym
    if made is not None:
        personal = personal or "possibly_identifying"
        rules.setdefault("str_matches", PATTERN)
    facts = _Facts(
        source=source,
        personal=personal,
        not_personal=not_personal,
        pseudonym=made,
        unit=unit,
        time_zone=time_zone,
        concept=concept,
        ignore=tuple(ignore),
        examples=tuple(examples),
        erased=erased,
    )
    return pa.Field(description=description, title=title, nullable=nullable, metadata={META: facts}, **rules)


class _Facts(dict[str, Any]):
    """What `column` was told. Nobody changes it, so pandera's copies of the column, which take time, may share it."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Facts:
        return self


@dataclass(frozen=True)
class Rule:
    """One thing every row has to keep. `name` is the asset check's name; `column` is None for a rule over whole rows."""

    name: str
    kind: str
    column: str | None = None
    statistics: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    severity: Severity = "error"


@dataclass(frozen=True)
class Column:
    """One promised column. `source` is the path in the source's records, `dtype` one of the exact types of the store."""

    name: str
    dtype: pl.DataType
    nullable: bool
    description: str
    title: str | None = None
    source: str | None = None
    personal: PersonalClass | None = None
    not_personal: str | None = None
    pseudonym: Pseudonym | None = None
    unit: str | None = None
    time_zone: str | None = None
    concept: str | None = None
    ignore: tuple[str, ...] = ()
    examples: tuple[Any, ...] = ()
    erased: Any = None
    rules: tuple[Rule, ...] = ()

    @property
    def is_personal(self) -> bool:
        """Whether profiles, samples and logs must leave the column out."""
        return self.personal not in (None, "none", "anonymized")


@dataclass(frozen=True, order=True)
class SemVer:
    """A semantic version; a change that can break a consumer raises `major`."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> SemVer:
        """Read "1.2.3"; anything else is a DeclarationError."""
        match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", str(text))
        if not match:
            raise DeclarationError(f"contract version {text!r} is not of the form MAJOR.MINOR.PATCH; write for instance '1.0.0'")
        return cls(*(int(part) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Contract:
    """The promise of one dataset: its columns in order, its key, its rules and its version."""

    dataset: str
    version: SemVer
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()  # over whole rows; the columns hold their own
    description: str = ""
    kind: Kind = "table"
    schema: pa.DataFrameSchema | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, model: Any, *, dataset: str, key: str | Sequence[str] = (), version: str = "1.0.0", kind: Kind = "table") -> Contract:
        """Take the contract of `dataset` ("product/dataset") from a pandera polars model or schema.

        Raises DeclarationError for a type the store cannot keep exactly, an unknown key column, a nullable key or a reserved name.
        """
        schema = _own_copy(model.to_schema() if hasattr(model, "to_schema") else model)
        schema.strict = True
        keys = (key,) if isinstance(key, str) else tuple(key)
        uniques = schema.unique or []
        if not keys and uniques:
            keys = (uniques,) if isinstance(uniques, str) else tuple(uniques)
        schema.unique = None  # uniqueness is ours: one pass over sorted keys instead of 60 % of the validation time
        names: set[str] = set()
        columns = tuple(_column(dataset, name, spec, names) for name, spec in schema.columns.items())
        rules = tuple(_rule(check, None, names) for check in schema.checks)
        contract = cls(
            dataset=dataset,
            version=SemVer.parse(version),
            columns=columns,
            key=keys,
            rules=rules,
            description=" ".join((schema.description or "").split()),
            kind=kind,
            schema=schema,
        )
        contract._refuse_faults()
        return contract

    def _refuse_faults(self) -> None:
        if not self.columns:
            raise DeclarationError(f"{self.dataset}: the schema has no columns; declare at least one")
        for name in self.key:
            if name not in self.by_name:
                raise DeclarationError(f"{self.dataset}: key column {name!r} is not in the schema; its columns are {', '.join(self.names)}")
            if self.by_name[name].nullable:
                raise DeclarationError(f"{self.dataset}: key column {name!r} is nullable; a key has no missing parts")
        sources = [c.source for c in self.columns if c.source]
        twice = {s for s in sources if sources.count(s) > 1}
        if twice:
            raise DeclarationError(f"{self.dataset}: two columns take the source field {sorted(twice)[0]!r}; keep one")
        for column in self.columns:
            self._refuse_personal_faults(column)

    def _refuse_personal_faults(self, column: Column) -> None:
        where = f"{self.dataset}: column {column.name!r}"
        if column.not_personal is not None:
            if not column.not_personal.strip():
                raise DeclarationError(f"{where} says not_personal without a reason; write why its values are nobody's")
            if column.is_personal:
                raise DeclarationError(f"{where} is classed {column.personal} and says not_personal; keep one of the two")
        if column.erased not in (None, KEPT) and not _fits(column.erased, column.dtype):
            raise DeclarationError(
                f"{where} is {column.dtype}, and erased={column.erased!r} is no value of it; give one, [] for a list, or leave it out"
            )
        if column.pseudonym is None:
            return
        if column.dtype != pl.String or column.source == REST:
            raise DeclarationError(f"{where} is a pseudonym, which is a text made of one value; declare it as str with a source of its own")
        if not column.is_personal:
            raise DeclarationError(f"{where} is a pseudonym and classed {column.personal}; a pseudonym still is a person's, so class it so")
        path = (column.source or column.name).split(".")
        for other in self.columns:
            theirs = (other.source or other.name).split(".")
            shorter = min(len(path), len(theirs))
            if other is not column and other.source != REST and path[:shorter] == theirs[:shorter]:
                raise DeclarationError(
                    f"{where} is the pseudonym of {'.'.join(path)!r}, which column {other.name!r} takes too; leave one out"
                )

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {c.name: c for c in self.columns}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in the promised order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Exact type of each column."""
        return {c.name: c.dtype for c in self.columns}

    @cached_property
    def all_rules(self) -> tuple[Rule, ...]:
        """Rules of the columns, then those over whole rows."""
        return tuple(r for c in self.columns for r in c.rules) + self.rules

    @property
    def takes_source(self) -> bool:
        """Whether rows arrive under the source's names and types, to be renamed and cast as declared."""
        return any(c.source for c in self.columns)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything a stored row depends on: names, types, nullability and key. Twelve hex digits."""
        columns = [[c.name, str(c.dtype), c.nullable, *([str(c.pseudonym)] if c.pseudonym else [])] for c in self.columns]
        promise = columns, list(self.key), str(self.version)
        return hashlib.sha256(json.dumps(promise).encode()).hexdigest()[:12]

    @property
    def code_version(self) -> str:
        """What Dagster shows as the code version: the contract's version and fingerprint."""
        return f"{self.version}+{self.fingerprint}"

    def empty(self) -> pl.DataFrame:
        """A frame of no rows with the promised columns and types."""
        return pl.DataFrame(schema=dict(self.dtypes))


def check_name(text: str) -> str:
    """A name Dagster accepts for a check: ASCII letters, digits and underscores."""
    if text.isascii() and text.isidentifier() and text == text.strip("_"):
        return text
    for letter, spelled in (("æ", "ae"), ("ø", "oe"), ("å", "aa"), ("Æ", "Ae"), ("Ø", "Oe"), ("Å", "Aa")):
        text = text.replace(letter, spelled)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "rule"


def _own_copy(schema: Any) -> Any:
    """A schema whose settings are ours to change; a deep copy would take a tenth of the time a code location loads."""
    ours = copy.copy(schema)
    ours.checks = [copy.copy(check) for check in schema.checks]
    ours.columns = {name: copy.copy(column) for name, column in schema.columns.items()}
    for column in ours.columns.values():
        column.checks = [copy.copy(check) for check in column.checks]
    return ours


def _column(dataset: str, name: str, spec: Any, taken: set[str]) -> Column:
    if name.startswith(RESERVED):
        raise DeclarationError(f"{dataset}: column {name!r} begins with an underscore, which is kept for the history; rename it")
    if name == "check_output" or (name.startswith("^") and name.endswith("$")):
        raise DeclarationError(f"{dataset}: column {name!r} has a name that polars or pandera read as something else; rename it")
    facts = (spec.metadata or {}).get(META, {})
    dtype = _exact(dataset, name, spec.dtype.type if spec.dtype is not None else None)
    rules = []
    if not spec.nullable:
        rules.append(Rule(_free(f"{name}_required", taken), "required", name, {}, f"{name} is never missing"))
    if spec.unique:
        rules.append(Rule(_free(f"{name}_unique", taken), "unique", name, {}, f"no value of {name} occurs twice"))
        spec.unique = False
    rules += [_rule(check, name, taken) for check in spec.checks]
    return Column(
        name=name,
        dtype=dtype,
        nullable=bool(spec.nullable),
        description=" ".join((spec.description or "").split()),
        title=spec.title,
        rules=tuple(rules),
        **{k: v for k, v in facts.items() if k in Column.__dataclass_fields__},
    )


def _rule(check: Any, column_name: str | None, taken: set[str]) -> Rule:
    severity: Severity = "warn" if check.raise_warning else "error"
    check.raise_warning, check.n_failure_cases = False, None  # every failure is counted; the severity is ours to apply
    if not check.element_wise and not check.is_builtin_check(getattr(check._check_fn, "__name__", "")):
        check._check_fn = _answering_per_row(check._check_fn)
    statistics = {k: v for k, v in (check.statistics or {}).items() if v is not None}
    wanted = f"{column_name}_{check.name}" if column_name else str(check.name or "rule")
    text = check.description or check.error or wanted
    return Rule(_free(wanted, taken), str(check.name), column_name, statistics, str(text), severity)


def _answering_per_row(function: Callable[..., Any]) -> Callable[..., Any]:
    """A check that gives one answer for all rows would be read as the answer of the first."""

    @wraps(function)
    def check(data: Any, *args: Any, **kwargs: Any) -> Any:
        found = function(data, *args, **kwargs)
        if not isinstance(found, pl.LazyFrame):
            return found
        answers, rows = found.collect(), data.lazyframe.select(pl.len()).collect().item()
        if answers.height != rows:
            raise ValueError(f"it gives {answers.height} answers for {rows} rows; a rule answers for each row")
        return answers.lazy()

    return check


def _free(wanted: str, taken: set[str]) -> str:
    name = base = check_name(wanted)
    number = 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    return name


_EXACT: tuple[type[pl.DataType], ...] = (pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Binary)


def _exact(dataset: str, name: str, dtype: Any) -> pl.DataType:
    """The instance of a type that Delta, Parquet and BigQuery all keep without loss; anything else is refused."""
    where = f"{dataset}: column {name!r}"
    if dtype is None:
        raise DeclarationError(f"{where} has no type; annotate it, for instance `{name}: str`")
    instance: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    if isinstance(instance, _EXACT):
        return instance
    if isinstance(instance, pl.Decimal):
        if instance.precision is None or instance.scale is None:
            raise DeclarationError(f"{where} needs a precision and scale; write Annotated[pl.Decimal, 20, 2]")
        return instance
    if isinstance(instance, pl.Datetime):
        if instance.time_unit != "us" or instance.time_zone != "UTC":
            raise DeclarationError(f"{where} is {instance}; times are stored in UTC: write Annotated[pl.Datetime, 'us', 'UTC']")
        return instance
    if isinstance(instance, pl.List):
        return pl.List(_exact(dataset, f"{name}[]", instance.inner))
    if isinstance(instance, pl.Struct):
        return pl.Struct([pl.Field(f.name, _exact(dataset, f"{name}.{f.name}", f.dtype)) for f in instance.fields])
    raise DeclarationError(
        f"{where} has type {instance}, which the store does not keep exactly; use str, int (64 bit), float, bool, pl.Date, "
        "Annotated[pl.Datetime, 'us', 'UTC'], Annotated[pl.Decimal, p, s], pl.Binary, or lists and structs of these"
    )


def _fits(instead: Any, dtype: pl.DataType) -> bool:
    """Whether it can stand in place of an erased value."""
    if isinstance(dtype, pl.List):
        return bool(instead == [])
    if isinstance(dtype, pl.String):
        return isinstance(instead, str)
    if isinstance(dtype, pl.Boolean):
        return isinstance(instead, bool)
    return type(instead) in (int, float) and dtype.is_numeric()


def personal_columns(columns: Iterable[Column]) -> tuple[str, ...]:
    """Names of the columns that profiles, samples and logs leave out."""
    return tuple(c.name for c in columns if c.is_personal)
