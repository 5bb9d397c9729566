"""The contract of a dataset as an ODCS document (Bitol's Open Data Contract Standard), and that document as YAML.

Only keys of version 3.1 are written, so that the JSON Schemas of 3.1.0 and 3.2.0 both accept it. What a change of the
document means to consumers is judged in `compatibility`.
"""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import polars as pl
import yaml

from dataproducts.contract import REST, Column, Contract, Rule, check_name
from dataproducts.errors import DeclarationError

if TYPE_CHECKING:
    from polars.datatypes import DataTypeClass

    from dataproducts.product_facts import ProductFacts
    from dataproducts.pseudonym import Pseudonym

API_VERSION = "v3.1.0"
KEY_RULE = "key-unique"  # no rule of ours has a hyphen in its name
"""Id of the quality entry that repeats the key, for tools that read no primary keys."""

Kind = Literal["table", "snapshot", "history"]
Plain = None | bool | int | float | str | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class Terms:
    """What a dataset promises beside its columns. `access` and `personal_data` default to those of the product.

    `kind`: "table" replaces its content, "snapshot" is the whole content at each partition, "history" holds intervals.
    `materialized`: a "view" stores no rows.
    `partitioning`: text such as "daily, Europe/Oslo", None where there is one partition. `freshness` and `retention`:
    an ISO 8601 duration ("PT36H") where possible, so that worse can be told from better. `quarantine`: rows that break
    a rule are kept aside instead of stopping the load. `ports`: where the data leaves, such as "kafka:enheter".
    """

    title: str | None = None
    description: str = ""
    kind: Kind = "table"
    materialized: Literal["table", "view"] = "table"
    partitioning: str | None = None
    freshness: str | None = None
    quarantine: bool = False
    personal_data: str | None = None
    access: str | None = None
    ports: tuple[str, ...] = ()
    retention: str = "unlimited"
    k_anonymity: dict[str, Any] | None = None
    personal_reason: str | None = None


def odcs(contract: Contract, facts: ProductFacts | None, terms: Terms) -> dict[str, Any]:
    """The ODCS document of a dataset: plain dicts, lists and scalars in a fixed order, the same for the same input."""
    product, _, dataset = contract.dataset.rpartition("/")
    shared = _from_product(facts, terms)
    return _filled(
        {
            "apiVersion": API_VERSION,
            "kind": "DataContract",
            "id": "-".join(check_name(part) for part in (product, dataset) if part),
            "name": contract.dataset,
            "version": str(contract.version),
            "status": "draft",
            **shared,
            "slaProperties": [
                *shared.get("slaProperties", []),
                *([_sla("freshness", terms.freshness)] if terms.freshness else []),
                _sla("retention", terms.retention),
            ],
            "customProperties": [
                *shared.get("customProperties", []),
                *_custom(
                    personalData=str(terms.personal_data) if terms.personal_data else None,
                    personalDataReason=terms.personal_reason,
                    accessRights=str(terms.access) if terms.access else None,
                    ports=sorted(set(terms.ports)),
                ),
            ],
            "schema": [_table(contract, terms, dataset)],
        }
    )


def _from_product(facts: ProductFacts | None, terms: Terms) -> dict[str, Any]:
    """The only place that knows the product's model. What the dataset's own terms state is left out here."""
    if facts is None:
        return {}
    access = terms.access or str(facts.access.level)
    groups = [("read", facts.access.can_read), ("request", facts.access.can_request)] if access != "open" else []
    mail = facts.contact.email
    channels = dict.fromkeys(channel for channel in (facts.contact.slack, facts.slack) if channel)
    classes = facts.personal_data if terms.personal_data is None else None
    return {
        "status": facts.status,
        "tenant": facts.publisher.name,
        "domain": facts.product_area,
        "tags": [*facts.keywords, *facts.themes],
        "description": _filled({"purpose": facts.purpose, "usage": facts.usage, "limitations": facts.limitations}),
        "team": {"name": facts.team},
        "support": [
            *({"channel": channel, "tool": "slack", "scope": "interactive"} for channel in channels),
            {"channel": mail, "url": f"mailto:{mail}", "tool": "email", "scope": "interactive"},
        ],
        "roles": [{"role": group, "access": right} for right, names in groups for group in sorted(names)],
        "slaProperties": [_sla("frequency", facts.periodicity)],
        "customProperties": _custom(
            personalData=str(classes.class_) if classes else None,
            personalDataAlso=sorted(map(str, classes.also)) if classes else None,
            accessRights=None if terms.access else access,
            license={"name": facts.license.name, "uri": facts.license.uri},
            rights=facts.rights,
        ),
    }


def _table(contract: Contract, terms: Terms, name: str) -> dict[str, Any]:
    quality = [_quality(rule) for rule in contract.rules]
    if contract.key:
        where = " in one version of a partition" if terms.partitioning else ""
        key_rule = {
            "id": KEY_RULE,
            "type": "library",
            "metric": "duplicateValues",
            "description": f"No two rows{where} have the same {', '.join(contract.key)}.",
            "dimension": "uniqueness",
            "severity": "error",
            "arguments": {"properties": list(contract.key)},
            "mustBe": 0,
        }
        quality.insert(0, key_rule)
    ids = _ids(contract.names)
    return _filled(
        {
            "id": check_name(name),
            "name": name,
            "businessName": terms.title,
            "description": terms.description or contract.description,
            "logicalType": "object",
            "physicalType": terms.materialized,
            "customProperties": _custom(
                kind=terms.kind,
                partitioning=terms.partitioning,
                quarantine=terms.quarantine,
                kAnonymity=terms.k_anonymity,
                historyModel="versioned partitions",
                knowledgeTimeColumn="_known_at",
                versionColumn="_version",
                partitionColumn="_partition",
                validTimeColumns=["valid_from", "valid_to"] if terms.kind == "history" else None,
            ),
            "properties": [_property(column, contract.key, ids[column.name]) for column in contract.columns],
            "quality": quality,
        }
    )


def _property(column: Column, key: tuple[str, ...], identity: str) -> dict[str, Any]:
    typed = _typed(column.dtype)
    limits, left = _options(column, typed["logicalType"])
    options = {**typed.pop("logicalTypeOptions", {}), **limits}
    nested: dict[str, Any] = {name: typed.pop(name) for name in ("items", "properties") if name in typed}
    rest = column.source == REST
    how = "Whatever the source sends that no other column names, as JSON" if rest else None
    if rest and column.ignore:
        how = f"{how}, apart from {', '.join(column.ignore)}"
    if column.time_zone:
        how = f"Times without an offset are read as {column.time_zone}"
    return _filled(
        {
            "id": identity,
            "name": column.name,
            "businessName": column.title,
            "description": column.description,
            **typed,
            "logicalTypeOptions": options,
            "required": not column.nullable,
            "unique": any(rule.kind == "unique" for rule in column.rules) or None,
            "primaryKey": column.name in key or None,
            "primaryKeyPosition": key.index(column.name) + 1 if column.name in key else None,
            "classification": column.personal,
            "encryptedName": column.name if column.pseudonym else None,
            "transformSourceObjects": [column.source] if column.source and not rest else [],
            "transformDescription": how,
            "examples": [] if column.is_personal else [_plain(value) for value in column.examples],
            "customProperties": _custom(
                unit=column.unit,
                sourceTimeZone=column.time_zone,
                pseudonym=_pseudonym(column.pseudonym) if column.pseudonym else None,
                notPersonal=column.not_personal,
            ),
            "quality": [_quality(rule, typed["logicalType"]) for rule in left],
            **nested,
        }
    )


def _pseudonym(made: Pseudonym) -> dict[str, Any]:
    """With whom it can be joined, and of what it is made."""
    return _filled({"group": made.group, "method": "HMAC-SHA256", "digits": made.digits})


_TYPES: dict[DataTypeClass, tuple[str, str, dict[str, Any]]] = {  # logical, as Delta names it, options
    pl.String: ("string", "string", {}),
    pl.Int64: ("integer", "long", {"format": "i64"}),
    pl.Float64: ("number", "double", {"format": "f64"}),
    pl.Boolean: ("boolean", "boolean", {}),
    pl.Date: ("date", "date", {}),
    pl.Datetime: ("timestamp", "timestamp", {"timezone": True, "defaultTimezone": "Etc/UTC"}),
    pl.Binary: ("string", "binary", {"format": "binary"}),
    pl.Decimal: ("number", "decimal", {}),
    pl.List: ("array", "array", {}),
    pl.Struct: ("object", "struct", {}),
}


def _typed(dtype: pl.DataType | DataTypeClass) -> dict[str, Any]:
    logical, physical, options = _TYPES[dtype.base_type()]
    if isinstance(dtype, pl.Decimal):
        physical = f"decimal({dtype.precision},{dtype.scale})"
    typed: dict[str, Any] = {"logicalType": logical, "physicalType": physical, "logicalTypeOptions": dict(options)}
    if isinstance(dtype, pl.List):
        typed["items"] = _typed(dtype.inner)
    if isinstance(dtype, pl.Struct):
        ids = _ids(field.name for field in dtype.fields)
        typed["properties"] = [{"id": ids[f.name], "name": f.name, **_typed(f.dtype)} for f in dtype.fields]
    return _filled(typed)


def _options(column: Column, logical: str) -> tuple[dict[str, Any], list[Rule]]:
    """The rules that ODCS has options for, and those left for `quality`: warnings, second limits and all others."""
    options: dict[str, Any] = {}
    left = []
    for rule in column.rules:
        if rule.kind in ("required", "unique"):
            continue
        found = _limits(rule, logical) if rule.severity == "error" else None
        if found is None or found.keys() & options.keys():
            left.append(rule)
        else:
            options |= found
    return options, left


def _limits(rule: Rule, logical: str) -> dict[str, Any] | None:
    """A limit, length or pattern in ODCS's words; None where it has no words for it."""
    stated = rule.statistics
    low, high = stated.get("min_value"), stated.get("max_value")
    found: dict[str, Any] = {}
    if rule.kind == "str_length" and logical == "string":
        exact = stated.get("exact_value")
        found = {"minLength": low if exact is None else exact, "maxLength": high if exact is None else exact}
    elif rule.kind == "str_matches" and logical == "string":
        pattern = _ecma(stated.get("pattern"))
        return {"pattern": pattern if pattern.startswith("^") else f"^{pattern}"} if pattern else None
    elif rule.kind in ("greater_than_or_equal_to", "greater_than", "less_than_or_equal_to", "less_than", "in_range"):
        if any(value is not None and _bound(value, logical) is None for value in (low, high)):
            return None
        above = "exclusiveMinimum" if rule.kind == "greater_than" or stated.get("include_min") is False else "minimum"
        below = "exclusiveMaximum" if rule.kind == "less_than" or stated.get("include_max") is False else "maximum"
        found = {above: _bound(low, logical), below: _bound(high, logical)}
    return {name: value for name, value in found.items() if value is not None} or None


def _bound(value: object, logical: str) -> int | float | str | None:
    if logical in ("integer", "number"):
        return _number(value)
    if logical == "timestamp" and isinstance(value, dt.datetime):
        return str(_plain(value))
    if logical == "date" and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    return None


def _quality(rule: Rule, logical: str = "") -> dict[str, Any]:
    """A rule as a quality entry: a library metric where ODCS has one, else pandera's own words, else text."""
    stated = rule.statistics
    arguments: dict[str, Any] = {}
    if rule.kind == "isin" and "allowed_values" in stated:
        arguments = {"validValues": _values(stated["allowed_values"])}
    elif rule.kind == "equal_to" and "value" in stated:
        arguments = {"validValues": [_plain(stated["value"])]}
    elif rule.kind == "notin" and "forbidden_values" in stated:
        arguments = {"invalidValues": _values(stated["forbidden_values"])}
    elif rule.kind == "not_equal_to" and "value" in stated:
        arguments = {"invalidValues": [_plain(stated["value"])]}
    elif rule.kind == "str_matches" and (pattern := _ecma(stated.get("pattern"))):
        arguments = {"pattern": pattern if pattern.startswith("^") else f"^{pattern}"}
    elif rule.kind == "str_contains" and (pattern := _ecma(stated.get("pattern"))):
        arguments = {"pattern": pattern}
    elif rule.kind == "str_startswith" and "string" in stated:
        arguments = {"pattern": f"^{_escaped(stated['string'])}"}
    elif rule.kind == "str_endswith" and "string" in stated:
        arguments = {"pattern": f"{_escaped(stated['string'])}$"}

    automatic = rule.description.startswith(f"{rule.kind}(")  # pandera's own text only repeats the arguments
    common = {
        "description": None if automatic and stated else rule.description,
        "dimension": "conformity" if rule.column else "consistency",
        "severity": "error" if rule.severity == "error" else "warning",
    }
    if arguments:
        entry = {"type": "library", "metric": "invalidValues", **common, "arguments": arguments, "mustBe": 0}
    elif stated:
        how = {
            "check": rule.kind,
            **(_limits(rule, logical) or {name: _plain(value) for name, value in stated.items()}),
        }
        entry = {"type": "custom", **common, "engine": "pandera", "implementation": how}
    else:
        entry = {"type": "text", **common}
    return _filled({"id": rule.name, **entry})


def _ecma(pattern: object) -> str:
    """The pattern where ECMA-262, ODCS's dialect, reads it as our engine does; "" where it does not."""
    text = str(getattr(pattern, "pattern", pattern) or "")
    return "" if re.search(r"\(\?[^:=!<]|\\[AzZ]|\[\[:", text) else text


def _escaped(text: str) -> str:
    return re.sub(r"([\\^$.|?*+()\[\]{}/])", r"\\\1", text)


def _values(values: Iterable[Any]) -> list[Any]:
    """A set of values in one order, whatever the order in the code."""

    def rank(value: Plain) -> tuple[bool, float, str]:
        return (False, value, "") if isinstance(value, int | float) else (True, 0, str(value))

    return sorted((_plain(value) for value in values), key=rank)


def _number(value: object) -> int | float | None:
    """A JSON number that is exactly this value, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite():
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else None
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    return None


def _plain(value: object) -> Plain:
    """A value as JSON and YAML both keep it; times in UTC with a Z, one without a zone taken as UTC."""
    if value is None or isinstance(value, bool | str):
        return value
    number = _number(value)
    if number is not None:
        return number
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, set | frozenset):
        return _values(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(one) for one in value]
    return str(value)


def _sla(name: str, value: str) -> dict[str, Any]:
    return {"property": name, "value": value}


def _custom(**stated: object) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in stated.items() if value not in (None, [])]


def _ids(names: Iterable[str]) -> dict[str, str]:
    """ODCS ids by name: ASCII, and unlike each other also where "næring" meets "naering"."""
    ids: dict[str, str] = {}
    for name in names:
        wanted = identity = check_name(name)
        number = 2
        while identity in ids.values():
            identity, number = f"{wanted}_{number}", number + 1
        ids[name] = identity
    return ids


def _filled(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value not in (None, "", [], {})}


HEADER = """\
# Generated by `dataproducts contract freeze`: the promise to consumers, reviewed as a diff.
# Change the schema and freeze again rather than edit this file.
"""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 takes for something else than text; these are numbers or booleans to other readers.
    ambiguous = re.fullmatch(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0[ox][0-9A-Fa-f]+|[yYnN]", text)
    # It folds the rarer line ends away unless they are escaped.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else "|" if "\n" in text else "'" if ambiguous else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(document: Mapping[str, Any]) -> str:
    """The document as YAML that reads well as a diff: one thing a line, keys in their order, a comment first."""
    return HEADER + yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    # Dates stay text, as in JSON: a document has no dates of its own.
    yaml_implicit_resolvers: ClassVar = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(path: str | Path) -> dict[str, Any]:
    """Read a frozen document. Raises DeclarationError where there is none or it is not an ODCS document."""
    again = "restore it from version control, or write it anew with `dataproducts contract freeze`"
    try:
        text = Path(path).read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            raise DeclarationError(f"{path}: the contract uses YAML aliases, which no frozen contract does; {again}")
        document = yaml.load(text, Loader=_Loader)
    except FileNotFoundError:
        raise DeclarationError(f"{path}: there is no frozen contract; run `dataproducts contract freeze`") from None
    except OSError as error:
        raise DeclarationError(f"{path}: the contract cannot be read ({error.strerror}); make it readable") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DeclarationError(f"{path}: line {line} is not YAML ({error.problem}); {again}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DeclarationError(f"{path}: the contract is not YAML text in UTF-8; {again}") from error
    if not isinstance(document, dict) or document.get("kind") != "DataContract":
        raise DeclarationError(f"{path}: this is not an ODCS data contract; {again}")
    fault = _fault(document, "the contract")
    if fault:
        raise DeclarationError(f"{path}: {fault}; {again}")
    return document


_LISTS = {
    "schema": "name", "properties": "name", "quality": "", "customProperties": "property", "slaProperties": "property",
    "roles": "role", "servers": "server",
}  # fmt: skip
_BLOCKS = ("items", "logicalTypeOptions", "arguments")


def _fault(block: dict[str, Any], where: str) -> str | None:
    """What keeps a comparison from reading the document; the JSON Schema, which says much more, is for the tests."""
    for key, naming in _LISTS.items():
        entries = block.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            return f"`{key}` of {where} is not a list of entries"
        names = [entry.get(naming) for entry in entries] if naming else []
        if not all(isinstance(name, str) for name in names):
            return f"an entry in `{key}` of {where} has no `{naming}`"
        if key != "roles" and len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            return f"`{key}` of {where} has two entries called {twice!r}"
        for entry in entries:
            fault = _fault(entry, f"{naming} {entry[naming]!r}" if naming else f"a rule of {where}")
            if fault:
                return fault
    for key in _BLOCKS:
        if not isinstance(block.get(key, {}), dict):
            return f"`{key}` of {where} is not a block"
    return _fault(block["items"], f"the items of {where}") if "items" in block else None
