"""What a change of a contract means to those who use the data, and which version number it therefore needs.

The question is a consumer's: may what works on the data today fail, or mislead, on the data tomorrow? Narrower data are
safe and wider data are not, the opposite of asking whether old data pass a new contract. Both sides are ODCS documents
as `formats.odcs` writes them.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from dataproducts.contract import SemVer
from dataproducts.formats.odcs import KEY_RULE

Level = Literal["breaking", "compatible", "editorial"]
Block = Mapping[str, Any]
Judge = Callable[[object, object], Level]  # of a fact (before, after), None where it is not stated
_GRAVITY: tuple[Level, ...] = ("breaking", "compatible", "editorial")
_MOST_NAMED = 3  # changes and values that a message names
_LONGEST_SHOWN = 60  # characters of a value that a message repeats


@dataclass(frozen=True)
class Change:
    """One difference between two contracts; `where` is a column's path ("adresser[].gate") or a term ("license")."""

    level: Level
    where: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """Whether the version admits the changes since the frozen promise; `needed` is the lowest version that does."""

    changes: tuple[Change, ...]
    frozen_version: SemVer
    current_version: SemVer
    needed: SemVer
    ok: bool
    message: str

    @property
    def is_frozen(self) -> bool:
        """Whether the frozen document already says what the current one says."""
        return not self.changes and self.frozen_version == self.current_version


def verdict(frozen: Block, current: Block) -> Verdict:
    """Hold the current contract against the frozen promise; `message` is one sentence, with what to do if anything.

    Raises DeclarationError where a version is not MAJOR.MINOR.PATCH.
    """
    changes = tuple(compare(frozen, current))
    was, now = SemVer.parse(frozen.get("version", "")), SemVer.parse(current.get("version", ""))
    needed = required_version(was, changes)
    said, s, freeze = _summary(changes), "s" * (len(changes) == 1), "run `dataproducts contract freeze`"
    if now < was:
        why = f", and {said} need{s} {needed}" if needed > was else ""
        text = f"the schema says version {now}, lower than the frozen {was}{why}; raise it to {needed}, then {freeze}"
    elif now < needed:
        text = f"{said} need{s} version {needed}, but the schema says {now}; raise it, then {freeze}"
    elif changes:
        text = f"{said} fit{s} version {now}; {freeze} to make it the promise"
    elif now > was:
        text = f"nothing changed but the version, from {was} to {now}; {freeze} to make it the promise"
    else:
        text = f"version {now} is as frozen"
    return Verdict(changes, was, now, needed, now >= needed, f"{current.get('name', 'the contract')}: {text}")


def required_version(frozen_version: SemVer, changes: Iterable[Change]) -> SemVer:
    """The lowest version that admits the changes: the next major if one breaks, the next minor if one is compatible.

    Editorial changes may stay at the version they correct. 0.x is no exception: what is frozen is promised.
    """
    levels = {change.level for change in changes}
    if "breaking" in levels:
        return SemVer(frozen_version.major + 1, 0, 0)
    if "compatible" in levels:
        return SemVer(frozen_version.major, frozen_version.minor + 1, 0)
    return frozen_version


def compare(frozen: Block, current: Block) -> list[Change]:
    """All changes between two ODCS documents, gravest first; columns of a table, rules and listed values have no order.

    Versions are left to `verdict`.
    """
    changes = [*_document(frozen, current), *_roles(frozen, current)]
    old, new = _named(frozen, "schema"), _named(current, "schema")
    changes += [Change("breaking", name, f"table '{name}' was removed") for name in old.keys() - new.keys()]
    changes += [Change("compatible", name, f"table '{name}' was added") for name in new.keys() - old.keys()]
    for name in old.keys() & new.keys():
        changes += _table(old[name], new[name])
    return sorted(changes, key=lambda change: (_GRAVITY.index(change.level), change.where, change.text))


def _summary(changes: Sequence[Change]) -> str:
    counted: list[str] = []
    for level in _GRAVITY:
        texts = [change.text for change in changes if change.level == level]
        if texts:
            more = f"; and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
            named = "" if counted else f" ({'; '.join(texts[:_MOST_NAMED])}{more})"
            counted.append(f"{len(texts)} {level} change{'s' * (len(texts) > 1)}{named}")
    return ", ".join(counted[:-1]) + " and " * (len(counted) > 1) + "".join(counted[-1:])


# Documents, tables, columns: what is compared with what


def _document(frozen: Block, current: Block) -> Iterator[Change]:
    def facts(document: Block) -> dict[str, Any]:
        served = {f"server {name}": server for name, server in _named(document, "servers", "server").items()}
        promised = {
            name: f"{entry.get('value')} {entry['unit']}" if entry.get("unit") else entry.get("value")
            for name, entry in _named(document, "slaProperties", "property").items()
        }
        apart = ("schema", "version", "roles", "customProperties", "slaProperties", "servers")
        return _custom(document) | served | promised | _without(document, *apart)

    before, after = facts(frozen), facts(current)
    # A port that is added is a gift; a class of personal data that is added is a duty.
    yield from _listed("ports", "port", before, after, added="compatible", removed="breaking")
    yield from _listed("personalDataAlso", "personal-data class", before, after, added="breaking", removed="compatible")
    yield from _stated("", "", before, after, _DOCUMENT)


def _listed(name: str, noun: str, before: dict[str, Any], after: dict[str, Any], *, added: Level, removed: Level) -> Iterator[Change]:
    old, new = set(before.pop(name, None) or ()), set(after.pop(name, None) or ())
    yield from (Change(added, name, f"{noun} '{one}' was added") for one in new - old)
    yield from (Change(removed, name, f"{noun} '{one}' was removed") for one in old - new)


def _roles(frozen: Block, current: Block) -> Iterator[Change]:
    old, new = ({(r["role"], str(r.get("access"))) for r in doc.get("roles", [])} for doc in (frozen, current))
    closed = _custom(current).get("accessRights", "restricted") == "restricted"
    for group, right in old - new:
        level: Level = "breaking" if closed and right != "request" else "editorial"
        yield Change(level, "roles", f"'{group}' may no longer {right}")
    for group, right in new - old:
        yield Change("editorial", "roles", f"'{group}' may now {right}")


def _table(before: Block, after: Block) -> Iterator[Change]:
    apart = ("name", "properties", "quality", "customProperties")
    old, new = (_without(table, *apart) | _custom(table) for table in (before, after))
    yield from _stated("", "", old, new, _TABLE)
    old_key, new_key = _key(before), _key(after)
    if old_key != new_key:
        text = f"the key changed from ({', '.join(old_key)}) to ({', '.join(new_key)})"
        yield Change("breaking" if old_key else "compatible", "key", text)
    yield from _rules("", before, after)
    yield from _columns("", before, after)


def _key(table: Block) -> list[str]:
    keys = [column for column in table.get("properties", []) if column.get("primaryKey")]
    return [str(column["name"]) for column in sorted(keys, key=lambda c: (c.get("primaryKeyPosition", 0), c["name"]))]


def _columns(inside: str, before: Block, after: Block) -> Iterator[Change]:
    """Columns of a table or, `inside` a record, its parts: these are of the column's type, of which the store keeps one a major version."""
    old, new = _named(before, "properties"), _named(after, "properties")
    gone = {name: column for name, column in old.items() if name not in new}
    fresh = {name: column for name, column in new.items() if name not in old}
    renamed = _likely_renames(gone, fresh)
    for name in gone:
        hint = f" (renamed to '{inside}{renamed[name]}'?)" if name in renamed else ""
        yield Change("breaking", f"{inside}{name}", f"column '{inside}{name}' was removed{hint}")
    for name in fresh:
        added: Level = "breaking" if inside else "compatible"
        yield Change(added, f"{inside}{name}", f"column '{inside}{name}' was added")
    if inside and [name for name in old if name in new] != [name for name in new if name in old]:
        yield Change("breaking", inside[:-1], f"the order of the parts of column '{inside[:-1]}' changed")
    for name in old.keys() & new.keys():
        yield from _column(f"{inside}{name}", old[name], new[name])


def _likely_renames(gone: Mapping[str, Block], fresh: Mapping[str, Block]) -> dict[str, str]:
    """Columns that went -> columns that came: of one type, and from the same source or of a similar name."""
    pairs = []
    for old, was in gone.items():
        for new, now in fresh.items():
            source = was.get("transformSourceObjects")
            same = bool(source) and source == now.get("transformSourceObjects")
            alike = 2.0 if same else difflib.SequenceMatcher(None, old.lower(), new.lower()).ratio()
            if alike >= 0.6 and _type(was) == _type(now):
                pairs.append((-alike, old, new))
    renamed: dict[str, str] = {}
    for _, old, new in sorted(pairs):
        if old not in renamed and new not in renamed.values():
            renamed[old] = new
    return renamed


def _column(path: str, before: Block, after: Block) -> Iterator[Change]:
    whose = f"column '{path}'"
    apart = (*_TYPE, "name", "properties", "primaryKey", "primaryKeyPosition", "customProperties", "quality")
    unstated = {"required": False, "unique": False}
    old, new = (unstated | _without(column, *apart) | _custom(column) for column in (before, after))
    yield from _stated(path, whose, old, new, _COLUMN)
    yield from _rules(path, before, after)
    if _type(before) != _type(after):
        old_type, new_type = _shown_type(before, after), _shown_type(after, before)
        yield Change("breaking", path, f"the type of {whose} changed from {old_type} to {new_type}")
        return  # limits and parts of another type are not comparable
    options = (_without(column.get("logicalTypeOptions", {}), *_TYPE_OPTIONS) for column in (before, after))
    yield from _limits(path, whose, *options, whole=before.get("logicalType") == "integer")
    yield from _columns(f"{path}.", before, after)
    if "items" in before and "items" in after:
        yield from _column(f"{path}[]", before["items"], after["items"])


_TYPE = ("logicalType", "physicalType", "logicalTypeOptions", "items")
_TYPE_OPTIONS = ("format", "timezone", "defaultTimezone")


def _type(column: Block) -> tuple[object, ...]:
    physical = str(column.get("physicalType", "")).lower().replace(" ", "")
    options = column.get("logicalTypeOptions", {})
    return (physical, column.get("logicalType"), *(options.get(name) for name in _TYPE_OPTIONS), "items" in column)


def _shown_type(column: Block, other: Block) -> str:
    """The physical type if that tells the two apart, else all there is to say."""
    said = _type(column)
    return str(said[0] if said[0] and said[0] != _type(other)[0] else " ".join(str(part) for part in said[:-1] if part))


_BOUNDS = (  # what, the direction that is tighter, the option that includes the limit, the one that does not
    ("lower limit", 1, "minimum", "exclusiveMinimum"),
    ("upper limit", -1, "maximum", "exclusiveMaximum"),
    ("least length", 1, "minLength", ""),
    ("greatest length", -1, "maxLength", ""),
    ("least number of items", 1, "minItems", ""),
    ("greatest number of items", -1, "maxItems", ""),
    ("least number of parts", 1, "minProperties", ""),
    ("greatest number of parts", -1, "maxProperties", ""),
)


def _limits(where: str, whose: str, before: Block, after: Block, *, whole: bool) -> Iterator[Change]:
    """Compare limits by their order and other options as they are; in `whole` numbers, above 0 is from 1."""
    for label, tighter, including, excluding in _BOUNDS:
        old, new = ({n: side[n] for n in (including, excluding) if n in side} for side in (before, after))
        before, after = _without(before, *old), _without(after, *new)
        if old == new:
            continue
        try:
            was, now = (_tightness(side, tighter, excluding, whole=whole) for side in (old, new))
            level: Level = "editorial" if was == now else "compatible" if now > was else "breaking"
        except (TypeError, ValueError, OverflowError):
            level = "breaking" if old else "compatible"  # neither numbers nor times: no order to go by
        beyond = "above " if tighter > 0 else "below "
        shown = [" and ".join(beyond * (n == excluding) + _shown(v) for n, v in side.items()) for side in (old, new)]
        if not new:
            text = f"the {label} of {whose}, {shown[0]}, was removed"
        elif not old:
            text = f"the {label} of {whose} is now {shown[1]}"
        else:
            how = {"compatible": "tightened", "breaking": "widened", "editorial": "rewritten"}[level]
            text = f"the {label} of {whose} was {how} from {shown[0]} to {shown[1]}"
        yield Change(level, where, text)
    yield from _stated(where, whose, before, after, {"uniqueItems": _narrowing})


def _tightness(limits: Block, tighter: int, excluding: str, *, whole: bool) -> tuple[float, int]:
    """A limit as a number that grows with tightness, and whether the limit itself is out; no limit is the loosest."""
    found: list[tuple[float, int]] = [(-math.inf, 0)]
    for name, value in limits.items():
        number = tighter * _measure(value)
        if whole:
            found.append((math.floor(number) + 1 if name == excluding else math.ceil(number), 0))
        else:
            found.append((number, int(name == excluding)))
    return max(found)


def _measure(value: object) -> float:
    if isinstance(value, int | float):
        return value
    moment = datetime.fromisoformat(str(value))
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _rules(path: str, before: Block, after: Block) -> Iterator[Change]:
    whose = f"column '{path}'" if path else "the table"
    old, new = ([rule for rule in side.get("quality", []) if rule.get("id") != KEY_RULE] for side in (before, after))
    for was, now in _paired(old, new):
        identity = str((now or was or {}).get("id", "without id"))
        where, name = path or identity, f"rule '{identity}'" + f" of {whose}" * bool(path)
        if was is None:
            yield Change("compatible", where, f"{name} was added")
        elif now is None:
            yield Change("compatible" if _warns(was) else "breaking", where, f"{name} was removed")
        else:
            yield from _rule(where, whose, name, was, now)


def _paired(old: list[Block], new: list[Block]) -> Iterator[tuple[Block | None, Block | None]]:
    """The same rule on both sides: by all that it says, else by id, else by what it says something about."""

    def content(rule: Block) -> str:
        said = _without(rule, "id", "name", "severity", "dimension", "tags")
        return _json(said if rule.get("type") == "text" else _without(said, "description"))

    def identity(rule: Block) -> str:
        return str(rule.get("id", ""))

    def subject(rule: Block) -> str:
        return _json([rule.get("metric"), sorted(rule["arguments"])]) if rule.get("arguments") else ""

    old, new = sorted(old, key=_json), sorted(new, key=_json)
    for same in (content, identity, subject):
        for was in tuple(old):
            now = next((rule for rule in new if same(was) and same(rule) == same(was)), None)
            if now is not None:
                old.remove(was)
                new.remove(now)
                yield was, now
    yield from ((was, None) for was in old)
    yield from ((None, now) for now in new)


def _rule(where: str, whose: str, name: str, before: Block, after: Block) -> Iterator[Change]:
    judges = dict(_EDITORIAL)
    if before.get("type") == "text":
        judges["description"] = _told  # the text is all that the rule says
    old, new = (_without(rule, "severity", "arguments", "implementation") for rule in (before, after))
    found = [*_stated(where, name, old, new, judges)]
    old, new = (dict(rule.get("arguments", {})) for rule in (before, after))
    for argument in ("validValues", "invalidValues"):
        if argument in old and argument in new:
            was, now = ({_json(value): value for value in side.pop(argument)} for side in (old, new))
            more, less = ([b[k] for k in sorted(b.keys() - a.keys())] for a, b in ((was, now), (now, was)))
            allowed, refused = (more, less) if argument == "validValues" else (less, more)
            found += [Change("breaking", where, f"{whose} may now hold {_shown_values(allowed)}")] * bool(allowed)
            found += [Change("compatible", where, f"{whose} no longer holds {_shown_values(refused)}")] * bool(refused)
    found += _stated(where, name, old, new, {})
    old, new = (rule.get("implementation", {}) for rule in (before, after))
    if isinstance(old, dict) and isinstance(new, dict):
        found += _limits(where, name, old, new, whole=False)
    else:
        found += _stated(where, name, {"implementation": old}, {"implementation": new}, {})
    if _warns(before):  # rows may break the rule already, so nobody can count on it
        found = [replace(change, level="compatible") if change.level == "breaking" else change for change in found]
    yield from found
    if _warns(before) != _warns(after):
        level: Level = "breaking" if _warns(after) else "compatible"
        text = "now only warns" if _warns(after) else "is now an error, no longer a warning"
        yield Change(level, where, f"{name} {text}")
    elif before.get("severity") != after.get("severity"):
        yield Change("editorial", where, f"the severity of {name} changed")


def _warns(rule: Block) -> bool:
    return bool(rule.get("severity", "error") != "error")


def _stated(where: str, whose: str, before: Block, after: Block, judges: Mapping[str, Judge]) -> Iterator[Change]:
    """Judge each fact that differs; one that no judge knows is a promise. `whose` is named in the text."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        label = _LABELS.get(name, f"the {name}") + f" of {whose}" * bool(whose)
        if name in _SENTENCES:
            text = _SENTENCES[name][not new].format(whose)
        elif old is None:
            text = f"{label} is now {_shown(new)}"
        elif new is None:
            text = f"{label}, {_shown(old)}, was removed"
        elif _shown(old) == _shown(new) or judges.get(name) is _editorial:
            text = f"{label} changed"
        else:
            text = f"{label} changed from {_shown(old)} to {_shown(new)}"
        yield Change(judges.get(name, _promise)(old, new), where or name, text)


# Facts: how each is judged


def _promise(before: object, after: object) -> Level:
    return "compatible" if before is None else "breaking"


def _fixed(before: object, after: object) -> Level:
    return "breaking"


def _told(before: object, after: object) -> Level:
    return "compatible"


def _editorial(before: object, after: object) -> Level:
    return "editorial"


def _narrowing(before: object, after: object) -> Level:
    return "compatible" if after else "breaking"


def _widening(before: object, after: object) -> Level:
    return "breaking" if after else "compatible"


def _status(before: object, after: object) -> Level:
    if after == "retired" or (before == "active" and after != "deprecated"):
        return "breaking"
    return "compatible" if after == "deprecated" else "editorial"


_ACCESS = ("open", "internal", "restricted")
_PERSONAL = (
    "none", "anonymized", "possibly_identifying", "directly_identifying", "special_category", "protected_address"
)  # fmt: skip


def _access(before: object, after: object) -> Level:
    return _ranked(_ACCESS, before or "restricted", after or "restricted")  # closed by default


def _personal(before: object, after: object) -> Level:
    if (after or "none") == "none" != (before or "none"):
        return "compatible"  # also from "confidential", which has no rank among the others
    return _ranked(_PERSONAL, before or "none", after or "none")


def _ranked(loosest_first: tuple[str, ...], before: object, after: object) -> Level:
    if before == after:
        return "editorial"
    known = before in loosest_first and after in loosest_first
    looser = known and loosest_first.index(str(after)) < loosest_first.index(str(before))
    return "compatible" if looser else "breaking"


_OBLIGATIONS = {  # by code of the EU licence vocabulary
    "CC0": frozenset[str](),
    "ODC_PDDL": frozenset[str](),
    "NLOD_1_0": frozenset({"attribution"}),
    "NLOD_2_0": frozenset({"attribution"}),
    "CC_BY_4_0": frozenset({"attribution"}),
    "ODC_BY": frozenset({"attribution"}),
    "CC_BYSA_4_0": frozenset({"attribution", "share alike"}),
    "ODC_BL": frozenset({"attribution", "share alike"}),
    "CC_BYNC_4_0": frozenset({"attribution", "no commerce"}),
}


def _license(before: object, after: object) -> Level:
    """Breaking unless both are known and the new one asks no more than the old one."""
    if before is None or after is None:
        return _promise(before, after)
    uris = [str(one.get("uri") if isinstance(one, dict) else one) for one in (before, after)]
    if uris[0] == uris[1]:
        return "editorial"
    old, new = (_OBLIGATIONS.get(uri.rpartition("/")[2]) for uri in uris)
    return "compatible" if old is not None and new is not None and new <= old else "breaking"


def _shorter_is_better(before: object, after: object) -> Level:
    if before is None or after is None:
        return _promise(before, after)
    old, new = _seconds(before), _seconds(after)
    if old is None or new is None:
        return "breaking"  # words that cannot be put in order
    return "editorial" if new == old else "compatible" if new < old else "breaking"


def _longer_is_better(before: object, after: object) -> Level:
    return _promise(before, after) if before is None or after is None else _shorter_is_better(after, before)


_DAYS = {  # between two updates, by code of the EU frequency vocabulary; codes that promise no interval are left out
    "CONT": 0, "UPDATE_CONT": 0, "1MIN": 1 / 1440, "5MIN": 5 / 1440, "10MIN": 10 / 1440, "15MIN": 15 / 1440,
    "30MIN": 30 / 1440, "HOURLY": 1 / 24, "BIHOURLY": 2 / 24, "TRIHOURLY": 3 / 24, "12HRS": 0.5, "DAILY_2": 0.5,
    "DAILY": 1, "WEEKLY_5": 7 / 5, "WEEKLY_3": 7 / 3, "WEEKLY_2": 3.5, "WEEKLY": 7, "MONTHLY_3": 10, "BIWEEKLY": 14,
    "MONTHLY_2": 15, "MONTHLY": 30, "BIMONTHLY": 61, "QUARTERLY": 91, "ANNUAL_3": 122, "ANNUAL_2": 183, "ANNUAL": 365,
    "BIENNIAL": 730, "TRIENNIAL": 1095, "QUADRENNIAL": 1461, "QUINQUENNIAL": 1826, "DECENNIAL": 3652,
    "BIDECENNIAL": 7305, "TRIDECENNIAL": 10957, "NEVER": math.inf, "unlimited": math.inf,
}  # fmt: skip
_ISO_DURATION = re.compile(r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_ISO_UNITS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)  # near enough to tell which of two is longer
_UNITS = {"s": 1, "second": 1, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400, "week": 7 * 86400}


def _seconds(duration: object) -> float | None:
    """A duration as a number to order by: "PT36H", "36 hours", "DAILY", "unlimited"; None for any other words."""
    text = str(duration).strip()
    if text in _DAYS:
        return _DAYS[text] * 86400
    if iso := _ISO_DURATION.fullmatch(text):
        return sum(float(part) * unit for part, unit in zip(iso.groups("0"), _ISO_UNITS, strict=True))
    words = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.lower())
    unit = _UNITS.get(words[2]) or _UNITS.get(words[2].removesuffix("s")) if words else None
    return float(words[1]) * unit if words and unit else None


_EDITORIAL: dict[str, Judge] = dict.fromkeys(
    (
        "apiVersion", "authoritativeDefinitions", "businessImpact", "businessName", "contractCreatedTs",
        "dataGranularityDescription", "dataProduct", "description", "dimension", "domain", "examples", "id", "kind",
        "method", "name", "rights", "schedule", "scheduler", "support", "tags", "team", "tenant",
        "transformDescription", "transformLogic",
    ),
    _editorial,
)  # fmt: skip
_DOCUMENT: dict[str, Judge] = _EDITORIAL | {
    "name": _fixed,
    "status": _status,
    "accessRights": _access,
    "personalData": _personal,
    "personalDataReason": _editorial,
    "license": _license,
    "freshness": _shorter_is_better,
    "frequency": _shorter_is_better,
    "latency": _shorter_is_better,
    "retention": _longer_is_better,
}
_TABLE: dict[str, Judge] = _EDITORIAL | {"kind": _fixed, "partitioning": _fixed, "quarantine": _widening}
_COLUMN: dict[str, Judge] = _EDITORIAL | {
    "required": _narrowing,
    "unique": _narrowing,
    "classification": _personal,
    "pseudonym": _fixed,  # with another group or form it joins nothing it joined before
    "notPersonal": _editorial,
    "transformSourceObjects": _told,  # harmless where the source renamed its field, but a reviewer has to see it
}
_LABELS = {
    "accessRights": "the access",
    "businessName": "the title",
    "classification": "the personal-data class",
    "personalData": "the personal-data class",
    "sourceTimeZone": "the time zone of the source",
    "transformDescription": "the description of the source",
    "transformSourceObjects": "the source",
}
_SENTENCES = {  # for what either is so or is not
    "required": ("{} is now required", "{} may now be missing"),
    "unique": ("{} is now unique", "{} is no longer unique"),
    "quarantine": ("rows that break a rule are now kept aside", "rows that break a rule are no longer kept aside"),
}


# Blocks and values


def _named(block: Block, key: str, by: str = "name") -> dict[str, Block]:
    return {entry[by]: entry for entry in block.get(key, [])}


def _custom(block: Block) -> dict[str, Any]:
    return {entry["property"]: entry.get("value") for entry in block.get("customProperties", [])}


def _without(block: Block, *names: str) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in names}


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _shown(value: object) -> str:
    if isinstance(value, dict) and "name" in value:
        value = value["name"]
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = f"'{value}'" if isinstance(value, str) else _json(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _shown_values(values: Sequence[object]) -> str:
    more = f" and {len(values) - _MOST_NAMED} more values" if len(values) > _MOST_NAMED else ""
    return ", ".join(_shown(value) for value in values[:_MOST_NAMED]) + more
