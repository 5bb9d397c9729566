"""An erasure from the question to the proof: what would go, the registry's entry, every place, and what is left to do after a crash."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.erasure import places
from dataproducts.erasure.derived import Columns, Derived, derived
from dataproducts.erasure.emptying import Empties, emptying
from dataproducts.erasure.keys import Keys
from dataproducts.erasure.pseudonymized import Become, become
from dataproducts.erasure.registry import LINKS, QUARANTINE, Line, Registry
from dataproducts.erasure.rewriting import Read, found, rewrite
from dataproducts.erasure.secret import Secret, secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled_texts
from dataproducts.errors import DataProductsError, HistoryError, UnknownDataset
from dataproducts.history.store import DatasetHistory
from dataproducts.quality.links import Links

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.dataset import Dataset
    from dataproducts.product import DataProduct


@dataclass(frozen=True)
class Place:
    """One place: rows found there, rows removed, the versions that had them, and what goes only later (a sentence with the time)."""

    place: str
    found: int
    removed: int = 0
    versions: int = 0
    later: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        more = {"later": self.later} if self.later else {}
        return {"place": self.place, "found": self.found, "removed": self.removed, "versions": self.versions, **more}


@dataclass
class Report:
    """What was found, or done. `unfinished` says why an erasure has to be resumed; `untold` are datasets in which nobody can be told."""

    dataset: str
    keys: int
    erasure: str = ""
    places: list[Place] = field(default_factory=list)
    untold: tuple[str, ...] = ()
    unfinished: list[str] = field(default_factory=list)
    is_known: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "dataset": self.dataset,
            "keys": self.keys,
            "erasure": self.erasure or None,
            "state": None if not self.erasure else "begun" if self.unfinished else "done",
            "places": [place.as_dict() for place in self.places],
            "remade_from_now_on": list(self.untold),
            "unfinished": self.unfinished,
        }


@dataclass(frozen=True)
class World:
    """Where an erasure takes place: the lake, the products of the location, and what else holds copies, where it is at hand."""

    root: str
    products: Mapping[str, DataProduct] = field(default_factory=dict)
    instance: dg.DagsterInstance | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    catalog: bool = False

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The declared datasets by name."""
        return {d.contract.dataset: d for product in self.products.values() for d in product.datasets.values()}


@dataclass
class Plan:
    """What an erasure would do; nothing is written yet. `erased` knows the values, and stays in this process.

    `empties` are, by dataset, the columns whose values go where rows stay; where there are none the rows go.
    """

    world: World
    keys: Keys
    reach: Derived
    report: Report
    read: Read = field(default_factory=dict)
    empties: Mapping[str, Empties] = field(default_factory=dict)
    become: Become = field(default_factory=dict)

    def erased(self, dataset: str, at_hand: Secret | None = None) -> Erased:
        """Those to erase from one of the datasets; by hash as well where the secret is given."""
        empties = self.empties.get(dataset, ())
        each = [(one, self.spelled(dataset, one)) for one in self.reach.columns[dataset]]
        subjects = tuple(replace(_known(one, spelled, at_hand), empties=empties) for one, spelled in each)
        return Erased(dataset, (), 0, emptied=subjects) if empties else Erased(dataset, subjects, 0)

    def spelled(self, dataset: str, columns: Columns) -> frozenset[str]:
        """The values of those columns that are the keys', or were made of them."""
        return frozenset(text for text, first in self.become[dataset, columns].items() if first in self.keys.spelled)


def plan(world: World, name: str, texts: Sequence[tuple[str, str]], *, lenient: bool = False, only_personal: bool = False) -> Plan:
    """Look for keys in a dataset and in all that is made from it. Reads the columns that tell, and writes nothing.

    With `only_personal` rows stay, and the values of their personal columns go.
    Raises UnknownDataset for a dataset or a key that is nowhere (with `lenient` a key may be), MalformedKey, DeclarationError.
    """
    history = DatasetHistory(world.root, name)
    tables = history.tables()
    if not any(table.ledger() for table in tables) and not (lenient and name in world.datasets):
        raise UnknownDataset(
            f"{name} has no history in {world.root}, so there is nothing to erase; `dataproducts list` shows what there is"
        )
    declared = world.datasets.get(name)
    if declared is not None and declared.declaration.view is not None:
        read = " or ".join(sorted({i.dataset for i in declared.declaration.inputs.values()}))
        raise UnknownDataset(f"{name} is a view and holds no rows; erase from {read}, which it reads")
    key = declared.contract.key if declared is not None else tables[-1].key
    keys = Keys.of(name, key, declared.contract.dtypes if declared is not None else tables[-1].dtypes, texts)
    reach = derived(world.datasets, name, keys.columns)
    reach, empties = emptying(world, name, reach) if only_personal else (reach, {})
    named, others = keys.spelled, _other_pseudonyms(world, keys, reach)
    keys = replace(keys, spelled=keys.spelled.union(*others.values()))
    values = _with_links(world, become(keys.spelled, reach))
    made = Plan(world, keys, reach, Report(name, len(named), untold=reach.untold), empties=empties, become=values)
    met: set[str] = set()
    for dataset in reach.columns:
        erased = made.erased(dataset)
        of_dataset, refused = DatasetHistory(world.root, dataset), DatasetHistory(world.root, dataset + QUARANTINE)
        rows, kept = found(of_dataset, erased), found(refused, erased.of_quarantine())
        made.read.update({**rows.read, **kept.read})
        made.report.places.append(Place(dataset, rows.rows, versions=rows.versions))
        if kept.rows:
            made.report.places.append(Place(f"{dataset}, quarantine", kept.rows, versions=kept.versions))
        first = {text: of for columns in reach.columns[dataset] for text, of in values[dataset, columns].items()}
        met |= {first[text] for text in rows.values if text in first}
        for value in named - met if kept.rows and not lenient else ():
            one = replace(made, keys=replace(keys, spelled=frozenset({value}))).erased(dataset)
            met |= {value} if found(refused, one.of_quarantine()).rows else set()
    met |= {text for text, same in others.items() if same & met}
    if unknown := named - met - _registered(world, name, keys):
        if len(unknown) == len(named) and not lenient:
            raise UnknownDataset(
                f"{name} has no row of {'that key' if len(unknown) == 1 else 'these keys'} in any version; nothing was changed"
            )
        if not lenient:
            where = next(where for where, text in texts if Keys.of(name, key, _dtypes(world, name), [(where, text)]).spelled <= unknown)
            raise UnknownDataset(f"{name} has no row of {len(unknown)} of the {len(named)} keys, the first at {where}; nothing was changed")
    made.report.is_known = not unknown and not met
    return made


def erase(made: Plan, *, reason: str, ground: str = "", who: str, say: Callable[[str], None] = lambda text: None) -> Report:
    """Carry out a plan: the registry first, then every place. Safe beside runs of all kinds; after a crash `resume` goes on.

    Raises DataProductsError where the registry cannot be written; what fails afterwards is told in the report as unfinished.
    """
    refuse_telling(made, reason, ground)
    at_hand = secret(make=True)
    registry = Registry(made.world.root).refresh()
    erasure, now = uuid.uuid4().hex, datetime.now(UTC)
    lines = [
        Line(
            erasure,
            "begun",
            now,
            who,
            ground,
            reason,
            made.report.dataset,
            dataset,
            columns,
            digest,
            at_hand.name,
            made.empties.get(dataset, ()),
        )
        for dataset, sets in made.reach.columns.items()
        for columns in sets
        for digest in at_hand.hashed(sorted(made.spelled(dataset, columns)))
    ]
    unfinished = registry.open()
    known = {_what(line) for line in registry.lines if line.erasure not in unfinished}
    again = next((one for one, held in unfinished.items() if {_what(x) for x in lines} <= {_what(x) for x in held}), None)
    if again is not None:
        erasure = again
    elif {_what(line) for line in lines} <= known:
        lines = []  # they are obeyed already: what is found all the same is removed again
    else:
        registry.add(lines)
    say("written to the registry")
    erased = {dataset: made.erased(dataset, at_hand) for dataset in made.reach.columns}
    report = Report(made.report.dataset, made.report.keys, erasure, untold=made.reach.untold)
    _carry_out(made.world, registry, erasure, erased, report, say, made.read)
    return report


def resume(world: World, say: Callable[[str], None] = lambda text: None) -> list[Report]:
    """Finish every erasure that was begun. Those it is about are known by hash only, which finds them more slowly."""
    registry = Registry(world.root).refresh()
    reports = []
    for erasure, lines in registry.open().items():
        names = list(dict.fromkeys(line.dataset for line in lines))
        erased = {name: one for name in names if (one := registry.erased(name, erasure)) is not None}
        report = Report(lines[0].asked, len({line.hash for line in lines}), erasure)
        _carry_out(world, registry, erasure, erased, report, say)
        reports.append(report)
    return reports


def _carry_out(
    world: World,
    registry: Registry,
    erasure: str,
    erased: Mapping[str, Erased],
    report: Report,
    say: Callable[[str], None],
    read: Read | None = None,
) -> None:
    now = datetime.now(UTC)
    for name in erased:  # first all of them, so that nothing is made from one that is not clean yet
        for part in ("", QUARANTINE, LINKS):
            for table in DatasetHistory(world.root, name + part).tables():
                table.begin_erasure(erasure)
    touched: dict[str, set[tuple[str, int]]] = {}
    for name, one in erased.items():
        parts = ((name, one), (f"{name}, quarantine", one.of_quarantine()), (f"{name}, links of pseudonyms", one.of_links()))
        for place, target in parts:
            done = rewrite(DatasetHistory(world.root, target.dataset), target, erasure, now, read)
            later = f"{done.pending} files are being written by runs that will discard them" if done.pending else ""
            if place == name or done.rows:
                report.places.append(Place(place, done.rows, done.rows, len(done.versions), later))
        touched[name] = _erased_versions(world, name)
        say(f"{name} is clean")
    for one_more in _elsewhere(world, erased, touched, report):
        report.places.append(one_more)
        say(f"{one_more.place} is clean")
    lines = registry.refresh().open().get(erasure)
    if lines and not report.unfinished:
        registry.finish(lines[0])


def _elsewhere(world: World, erased: Mapping[str, Erased], touched: Mapping[str, set[tuple[str, int]]], report: Report) -> Iterator[Place]:
    """Ports, Dagster's event log, results of examples, catalog. What cannot be reached is told, and the erasure is not done."""
    steps = (places.at_ports, places.in_event_log, places.in_examples, places.in_catalog)
    for step in steps:
        try:
            for where, rows, later in step(world, erased, touched, report.unfinished):
                yield Place(where, rows, rows, later=later)
        except DataProductsError as error:
            report.unfinished.append(str(error))


def _erased_versions(world: World, name: str) -> set[tuple[str, int]]:
    """Every version that an erasure has touched, this one or an earlier; of a view all, for what is kept of them showed others' rows."""
    versions = DatasetHistory(world.root, name).versions()
    return {(v.partition, v.number) for v in versions if v.is_view or "at" in v.note.get("erased", {})}


def refuse_telling(made: Plan, *texts: str) -> None:
    """Raise HistoryError where a reason names the one who is to be forgotten: the registry keeps it for ever."""
    shown = Erased(made.report.dataset, tuple(_known(one, made.keys.spelled, None) for one in made.reach.columns[made.report.dataset]), 0)
    if any(shown.scrubbed_text(text) != text for text in texts):
        raise HistoryError("the reason or ground names the key itself, and the registry keeps both for ever; say it without")


def _known(columns: Columns, spelled: frozenset[str], at_hand: Secret | None) -> Subjects:
    hashes = frozenset(at_hand.hashed(spelled)) if at_hand is not None else frozenset()
    names, sources = tuple(n for n, _ in columns), tuple(s for _, s in columns)
    return Subjects(names, sources, hashes, at_hand or Secret(b""), spelled)


def _with_links(world: World, values: Become) -> Become:
    """Also the pseudonyms of the same people under keys that are no longer held, as far as links lead to them."""
    found = {}
    for (dataset, columns), texts in values.items():
        links = Links(world.root, dataset).all() if DatasetHistory(world.root, dataset + LINKS).tables() else None
        more: dict[str, str] = {}
        if links is not None and len(columns) == 1:
            for text, first in texts.items():
                more |= {spelled_texts([one]): first for one in Links.same([text.partition(":")[2]], links)}
        found[dataset, columns] = {**more, **texts}
    return found


def _other_pseudonyms(world: World, keys: Keys, reach: Derived) -> dict[str, set[str]]:
    """By spelled pseudonym, the others of the same person, from before and after rotations of the key."""
    links = [Links(world.root, dataset).all() for dataset in reach.columns if DatasetHistory(world.root, dataset + LINKS).tables()]
    if not links or len(keys.columns) > 1:
        return {}
    every = pl.concat(links)
    found = {text: Links.same([text.partition(":")[2]], every) for text in keys.spelled}
    return {text: {spelled_texts([one]) for one in same} for text, same in found.items()}


def _registered(world: World, name: str, keys: Keys) -> set[str]:
    """Keys of which the registry knows already."""
    lines = {line.hash for line in Registry(world.root).refresh().lines if line.dataset == name and line.hash}
    if not lines:
        return set()
    texts = sorted(keys.spelled)
    return {text for text, digest in zip(texts, secret().hashed(texts), strict=True) if digest in lines}


def _dtypes(world: World, name: str) -> Mapping[str, Any]:
    declared = world.datasets.get(name)
    return declared.contract.dtypes if declared is not None else DatasetHistory(world.root, name).tables()[-1].dtypes


def _what(line: Line) -> tuple[str, Columns, str, Empties]:
    return line.dataset, line.columns, line.hash, line.empties
