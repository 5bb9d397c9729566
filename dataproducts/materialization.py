"""What a run does for a dataset: ask the author for each partition, hold it against the contract, commit, and say what happened.

Knows nothing of Dagster, so that a job without it can do the same; `dataset` translates the outcome into Dagster's events.
"""

from __future__ import annotations

import json
import random
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Protocol

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ContractBreach, DataProductsError, HistoryError
from dataproducts.history.content import content_hash
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import Committed, DatasetHistory, Draft
from dataproducts.history.table import Overtaken
from dataproducts.masking import without_secrets
from dataproducts.quality import personal_data
from dataproducts.quality.anonymity import KAnonymity
from dataproducts.quality.conform import Refused, conform, to_json
from dataproducts.quality.frames import BATCH_ROWS as FRAME_ROWS
from dataproducts.quality.frames import batches
from dataproducts.quality.links import Links
from dataproducts.quality.profile import ColumnProfile, profile, profile_markdown, sample_markdown
from dataproducts.quality.pseudonymization import Pseudonymizer
from dataproducts.quality.quarantine import Quarantine
from dataproducts.quality.spool import Spool
from dataproducts.quality.suppression import Suppression
from dataproducts.quality.validation import (
    SAMPLES,
    Finding,
    Validated,
    check_unique,
    key_rule,
    looks_at_values_alone,
    repeated,
    rows_holding,
    unique_columns,
    validate,
)

UNCHANGED = object()
"""What an author returns, as rows, when the source says that nothing has changed since the partition's newest version."""

BATCH_ROWS, BATCH_PARTITIONS = 1_000_000, 200
"""A run commits whenever it holds this much."""

_FENCE = "made from what was stored"  # of commits whose rows depend on what else is stored
_ATTEMPTS = 50


class Log(Protocol):
    """Where progress goes."""

    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...


@dataclass(frozen=True)
class Result:
    """What an author returns when there is more to say than the rows.

    `rows` is any frame the kit takes; `metadata` (JSON values) is kept with the version and shown in the UI; `refused` holds what the
    author could not make a row of, as (record, rule) pairs, and goes to quarantine. Both are looked at when the rows have been taken.

    `holds` is asked right before the rows are stored, with every version there is and the partitions that are stored beside: whether they
    still are the rows to store. Where they are not, the partition is made again.
    """

    rows: Any
    metadata: Mapping[str, Any] = field(default_factory=dict)
    refused: Sequence[tuple[Any, str]] = ()
    holds: Callable[[Sequence[Version], Collection[str]], bool] | None = None


@dataclass(frozen=True)
class Limits:
    """What a partition may look like beside its rules.

    `least_rows`: fewer is a breach. `row_change`: share by which the row count may differ from that of earlier partitions before the
    check warns. `successive`: whether partitions follow each other in time; the row count of others is compared with their own before.
    `refused_share`: with a quarantine, the share of rows that may be refused; above it nothing is stored; None means there is no
    quarantine and one bad row is a breach. `anonymity`: which combinations of values may not be rare. `suppression`: which cells are hidden
    before the rows are held against the contract.
    """

    least_rows: int = 0
    row_change: float | None = 0.5
    successive: bool = True
    refused_share: float | None = None
    anonymity: KAnonymity | None = None
    suppression: Suppression | None = None


@dataclass
class Outcome:
    """What became of one partition. `error` is one sentence, and then nothing of the partition was stored."""

    partition: str
    committed: Committed | None = None
    error: str | None = None
    cause: BaseException | None = None
    received: int = 0
    refused: int = 0
    profile: str = ""
    figures: Sequence[ColumnProfile] = ()
    sample: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """What became of a run: outcomes by partition, what each rule found, and unknown fields of the source.

    `unreadable` counts, by reason, what no row of the contract's shape could be made of. `faults` are what an input port's checks say, by
    check and partition. By partition, `personal` is what was found of personal data that nobody declared, `rare` what is told of too few,
    and `small_cells` what suppression has left to be seen.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    shape: list[str] = field(default_factory=list)
    unreadable: dict[str, int] = field(default_factory=dict)
    unknown_fields: dict[str, list[str]] = field(default_factory=dict)
    row_counts: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    faults: dict[str, dict[str, str]] = field(default_factory=dict)
    personal: dict[str, personal_data.Looked] = field(default_factory=dict)
    rare: dict[str, str] = field(default_factory=dict)
    small_cells: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[Outcome]:
        """Outcomes with an error."""
        return [o for o in self.outcomes.values() if o.error is not None]

    def fail(self, partition: str, error: DataProductsError, *, received: int = 0, refused: int = 0) -> None:
        """Nothing of the partition was stored, for this reason."""
        self.outcomes[partition] = Outcome(partition, error=str(error), cause=error, received=received, refused=refused)

    def count_unreadable(self, refused: Refused) -> None:
        """Add what was refused before any rule of the contract was asked."""
        for rules in refused.rules:
            for rule in rules:
                self.unreadable[rule] = self.unreadable.get(rule, 0) + 1


@dataclass(eq=False)
class _Prepared:
    partition: str
    spool: Spool
    refused: Refused
    received: int
    metadata: dict[str, Any]
    findings: dict[str, Finding]
    kept: Version | None = None  # of the quarantine, with this delivery's refused rows
    holds: Callable[[Sequence[Version], Collection[str]], bool] | None = None
    links: list[pl.DataFrame] = field(default_factory=list)  # from the pseudonyms of former keys
    erased: int = 0  # rows of those whom the registry of erasures names, which are left out
    obeys: int = 0  # lines of the registry that is by
    put_aside: list[pl.DataFrame] = field(default_factory=list)  # of rows refused on their way into a run: what has to be unique, and `_at`


class Materializer:
    """Materializes partitions of one dataset into its history in the lake at `root`."""

    def __init__(self, root: str, contract: Contract, limits: Limits, *, run: str, log: Log) -> None:
        self.contract = contract
        self.limits = limits
        self.run = run
        self.log = log
        self.history = DatasetHistory(root, contract.dataset)
        self.quarantine = Quarantine(root, contract.dataset) if limits.refused_share is not None else None
        self.pseudonymizer = Pseudonymizer(contract) if any(c.pseudonym for c in contract.columns) else None
        self.links = Links(root, contract.dataset) if self.pseudonymizer is not None and self.pseudonymizer.is_rotating else None
        self._stored: tuple[dict[str, Version], list[str]] | None = None  # what the batch at hand is compared with, and its keys in order

    def materialize(
        self,
        partitions: Sequence[str],
        produce: Callable[[str], Any],
        *,
        note: Callable[[str], dict[str, Any]] = lambda _: {},
        resume: Collection[str] = (),
        at_once: int | None = None,
    ) -> Report:
        """Produce and commit partitions, in batches; a partition that fails does not lose its neighbours.

        `produce` gives the author's rows of a partition. `resume` are the runs this one continues: what they committed is not made again.
        `at_once` partitions at most are committed together: 1 where each is made from the one before.
        """
        report = Report(findings=self._no_findings())
        done = self._of_runs(resume) if resume else {}
        waiting: list[_Prepared] = []
        line, tries = deque(partitions), Counter[str]()
        with ExitStack() as stack:
            while line or waiting:
                if line:
                    partition = line.popleft()
                    if partition in done:
                        report.outcomes[partition] = Outcome(partition, Committed(done[partition], False), received=done[partition].rows)
                    elif (prepared := self._made(partition, produce, note, stack, report, alone=len(partitions) == 1)) is not None:
                        waiting.append(prepared)
                full = sum(p.spool.rows for p in waiting) >= BATCH_ROWS or len(waiting) >= (at_once or BATCH_PARTITIONS)
                if full or not line:
                    again = self._commit(waiting, report)
                    waiting = []
                    stack.close()  # the rows and files of a batch go with it
                    tries.update(again)
                    line.extendleft(reversed([p for p in again if self._may_try(p, tries[p], report)]))
                    if line:
                        self.log.info(f"{self.contract.dataset}: {len(partitions) - len(line)} of {len(partitions)} partitions done")
        report.outcomes = {partition: report.outcomes[partition] for partition in partitions}
        return report

    def _made(
        self,
        partition: str,
        produce: Callable[[str], Any],
        note: Callable[[str], dict[str, Any]],
        stack: ExitStack,
        report: Report,
        *,
        alone: bool,
    ) -> _Prepared | None:
        """The author's rows of a partition; None where there is nothing to store, and the report says why."""
        try:
            value = produce(partition)
            if (value.rows if isinstance(value, Result) else value) is UNCHANGED:
                report.outcomes[partition] = self._unchanged(partition)
                return None
            prepared = self._prepare(partition, value, stack, report)
            prepared.metadata.update(note(partition))
            return prepared
        except Exception as error:
            without_secrets(error)  # before its text is taken
            if isinstance(error, ContractBreach):
                report.shape.append(str(error))
            if isinstance(error, DataProductsError):
                report.fail(partition, error)
            elif alone:
                raise
            else:
                text = f"{self._where(partition)}: {type(error).__name__}: {error}"
                report.outcomes[partition] = Outcome(partition, error=text, cause=error)
        return None

    def _may_try(self, partition: str, tries: int, report: Report) -> bool:
        if tries < _ATTEMPTS:
            return True
        report.fail(partition, HistoryError(f"{self._where(partition)}: other runs kept storing first, {tries} times; run again"))
        return False

    def _no_findings(self) -> dict[str, Finding]:
        findings = {rule.name: Finding(rule) for rule in self.contract.all_rules}
        if (rule := key_rule(self.contract)) is not None:
            findings[rule.name] = Finding(rule)
        return findings

    def _unchanged(self, partition: str) -> Outcome:
        version = self.history.refresh().current().get(partition)
        if version is None:
            text = f"{self._where(partition)} is said to be unchanged, but it has no version yet; return its rows"
            return Outcome(partition, error=text, cause=ContractBreach(text))
        return Outcome(partition, Committed(version, False), received=version.rows)

    def _of_runs(self, runs: Collection[str]) -> dict[str, Version]:
        contract = str(self.contract.version)
        return {p: v for p, v in self.history.current().items() if v.note.get("run") in runs and v.contract == contract}

    def _where(self, partition: str) -> str:
        return self.contract.dataset if partition == UNPARTITIONED else f"{self.contract.dataset}: partition {partition!r}"

    def _prepare(self, partition: str, value: Any, stack: ExitStack, report: Report) -> _Prepared:
        """Rows of the contract's shape."""
        result = value if isinstance(value, Result) else Result(value)
        refused = Refused()
        findings = self._no_findings()
        spool = stack.enter_context(Spool(self.contract, lambda frame: self._checked(frame, prepared)))
        prepared = _Prepared(partition, spool, refused, 0, {}, findings, holds=result.holds)
        unknown: set[str] = set()
        whole: list[pl.DataFrame] = []  # where cells are hidden, which takes all rows at once
        erased = self.history.erased()
        for batch in batches(result.rows, self.contract.dataset):
            prepared.received += len(batch)
            if self.pseudonymizer is not None:
                batch, links = self.pseudonymizer.batch(batch)
                prepared.links += links
                if erased is not None and links:
                    erased = self.history.erased_after(links)
            conformed = conform(batch, self.contract)
            frame = conformed.frame
            if erased is not None:
                frame = erased.without(frame)
                prepared.erased += conformed.frame.height - frame.height + conformed.refused.drop(erased.names)
            refused.extend(conformed.refused)
            report.count_unreadable(conformed.refused)
            unknown |= conformed.unknown_fields
            was_in_runs = spool.in_runs
            (whole.append if self.limits.suppression is not None else spool.add)(frame)
            if was_in_runs or spool.in_runs:
                self.log.info(f"{self.contract.dataset}: {prepared.received:,} rows of {partition} read")
        if whole:
            spool.add(self._suppressed(pl.concat(whole), prepared, report))
        unreadable = Refused()
        if self.pseudonymizer is not None:
            unreadable = self.pseudonymizer.refused(result.refused)
        else:
            for record, rule in result.refused:
                unreadable.add(record, [rule])
        prepared.received += len(unreadable)
        if erased is not None:
            prepared.erased += unreadable.drop(erased.names)
            prepared.obeys = erased.count
        report.count_unreadable(unreadable)
        refused.extend(unreadable)
        prepared.metadata.update(erased.scrubbed(dict(result.metadata)) if erased is not None else result.metadata)
        if unknown:
            report.unknown_fields[partition] = sorted(unknown)
        return prepared

    def _suppressed(self, frame: pl.DataFrame, prepared: _Prepared, report: Report) -> pl.DataFrame:
        """The rows without their small cells; ContractBreach where any could still be seen."""
        assert self.limits.suppression is not None
        done = self.limits.suppression.apply(frame)
        if (left := self.limits.suppression.left(done.frame)) is not None:
            report.small_cells[prepared.partition] = left
            raise ContractBreach(f"{self._where(prepared.partition)}: {left}; nothing was stored")
        prepared.metadata["suppressed"] = {"primary": done.primary, "secondary": done.secondary}
        return done.frame

    def _checked(self, frame: pl.DataFrame, prepared: _Prepared) -> pl.DataFrame:
        """The rows that keep every rule; the others are refused."""
        validated = validate(frame, self.contract)
        for name, finding in validated.findings.items():
            prepared.findings[name].merge(finding)
        at = len(prepared.refused)
        kept = self._split(frame, validated.broken, prepared)
        if validated.broken:
            names = sorted({c for columns in unique_columns(self.contract).values() for c in columns})
            numbers = pl.Series("_at", range(at, len(prepared.refused)), dtype=pl.Int64)
            prepared.put_aside.append(frame.select(names)[sorted(validated.broken)].with_columns(numbers))
        return kept

    def _split(self, frame: pl.DataFrame, broken: Mapping[int, list[str]], prepared: _Prepared) -> pl.DataFrame:
        if not broken:
            return frame
        if self.quarantine is not None:
            rows = frame[sorted(broken)]
            for index, row in zip(sorted(broken), rows.iter_rows(named=True), strict=True):
                prepared.refused.add(self._as_received(row), broken[index])
        else:
            for index in sorted(broken):
                prepared.refused.add("", broken[index])
        keep = pl.Series(range(frame.height)).is_in(list(broken)).not_()
        return frame.filter(keep)

    def _as_received(self, row: dict[str, Any]) -> str:
        """The row under the source's names, so that a replay reads it as it came."""
        if not self.contract.takes_source:
            return to_json(row)
        record: dict[str, Any] = {}
        for column in self.contract.columns:
            value = row[column.name]
            if value is None:
                continue
            if column.source == "*":
                _merge(record, json.loads(value))
                continue
            *path, last = (column.source or column.name).split(".")
            place = record
            for part in path:
                place = place.setdefault(part, {})
            place[last] = value
        return to_json(record)

    def _commit(self, waiting: Sequence[_Prepared], report: Report) -> list[str]:
        """Store what is accepted; gives the partitions that have to be made again."""
        holding = self._holding(waiting)
        again = [p.partition for p in waiting if p not in holding]
        small = [p for p in holding if not p.spool.in_runs]
        large = [p for p in holding if p.spool.in_runs]
        drafts = [*self._drafts_in_memory(small, report), *(d for p in large for d in self._draft_in_runs(p, report))]
        self._stored = None
        for attempt in range(_ATTEMPTS):
            still = self._holding([prepared for prepared, _ in drafts])
            again += [prepared.partition for prepared, _ in drafts if prepared not in still]
            drafts = [(prepared, draft) for prepared, draft in drafts if prepared in still]
            if not drafts:
                return again
            fence = _FENCE if any(prepared.holds is not None for prepared in still) else None
            try:
                if self.links is not None:  # first: a pseudonym that is stored can be led back to those of before
                    self.links.keep({prepared.partition: prepared.links for prepared, _ in drafts})
                committed = self.history.commit([draft for _, draft in drafts], self.contract, fence=fence)
            except Overtaken:  # look again at what is stored now
                time.sleep(random.uniform(0, min(0.5, 0.01 * 2 ** min(attempt, 6))))
                continue
            except DataProductsError as error:  # what earlier batches stored is stored, and has to be said
                for prepared, _ in drafts:
                    report.fail(prepared.partition, error, received=prepared.received, refused=len(prepared.refused))
                return again
            for (prepared, draft), done in zip(drafts, committed, strict=True):
                self._report(prepared, draft, done, report)
            self._keep_again([(prepared, done.version) for (prepared, _), done in zip(drafts, committed, strict=True)])
            return again
        return again + [prepared.partition for prepared, _ in drafts]

    def _holding(self, waiting: Sequence[_Prepared]) -> list[_Prepared]:
        """Those whose rows still are the ones to store, beside each other and what is stored."""
        holding = list(waiting)
        if all(p.holds is None for p in holding):
            return holding
        versions = self.history.refresh().versions()
        while True:
            beside = [p.partition for p in holding]
            kept = [p for p in holding if p.holds is None or p.holds(versions, beside)]
            if len(kept) == len(holding):
                return kept
            holding = kept

    def _keep_again(self, stored: Sequence[tuple[_Prepared, Version]]) -> None:
        """Where another run of a partition wrote its refused rows between ours and our rows, ours are those of the newest version."""
        if self.quarantine is None:
            return
        kept = self.quarantine.newest()
        crossed = [(p, v) for p, v in stored if kept.get(p.partition) != p.kept and (p.kept or p.partition in kept)]
        for prepared, version in crossed:

            def newest(partition: str = prepared.partition, ours: Version = version) -> bool:
                return self.history.refresh().current().get(partition) == ours

            try:
                self.quarantine.keep(prepared.partition, prepared.refused, self.contract, self.run, newest)
            except DataProductsError as error:  # the rows are stored; what another run refused stands in the quarantine
                self.log.warning(str(error))

    def _drafts_in_memory(self, waiting: Sequence[_Prepared], report: Report) -> list[tuple[_Prepared, Draft]]:
        """Validate many partitions as one frame: asking pandera costs the same for one row as for thousands."""
        if not waiting:
            return []
        if len(waiting) > 1 and not looks_at_values_alone(self.contract):
            return [draft for prepared in waiting for draft in self._drafts_in_memory([prepared], report)]
        frames = [p.spool.ordered() for p in waiting]
        together = pl.concat(frames) if len(frames) > 1 else frames[0]
        try:
            validated = validate(together, self.contract)
        except ContractBreach as breach:  # of a rule that cannot be applied at all, which need not be so for every partition
            if len(waiting) > 1:
                return [draft for prepared in waiting for draft in self._drafts_in_memory([prepared], report)]
            report.shape.append(str(breach))
            report.fail(waiting[0].partition, breach, received=waiting[0].received)
            return []
        names = sorted({c for columns in unique_columns(self.contract).values() for c in columns})
        if names:
            marked = together
            if len(frames) > 1:
                marks = [pl.repeat(i, f.height, dtype=pl.Int64, eager=True) for i, f in enumerate(frames)]
                marked = together.select(names).with_columns(_partition=pl.concat(marks))
            within = ("_partition",) if len(frames) > 1 else ()
            _join(validated, check_unique(marked, self.contract, within, ordered=True))
        for name, finding in validated.findings.items():
            report.findings[name].merge(finding)
        traces = personal_data.traces(together, self.contract) if len(frames) > 1 else None
        drafts = []
        start = 0
        for prepared, frame in zip(waiting, frames, strict=True):
            end = start + frame.height
            broken = {i - start: rules for i, rules in validated.broken.items() if start <= i < end} if validated.broken else {}
            start = end
            good = self._split(frame, broken, prepared)
            if self._harmless(prepared, _again(good), good.height, report, traces) and self._accepted(prepared, good.height, report):
                digest = content_hash([good], self.contract.dtypes)
                chunks = _again(good)
                drafts.append(
                    (prepared, Draft(prepared.partition, chunks, good.height, digest, self._note(prepared), obeys=prepared.obeys))
                )
                self._describe(prepared, good.lazy(), good.height, good.head(5), report)
        return drafts

    def _draft_in_runs(self, prepared: _Prepared, report: Report) -> list[tuple[_Prepared, Draft]]:
        spool = prepared.spool
        try:
            self._refuse_repeated(prepared)
        except DataProductsError as error:
            report.fail(prepared.partition, error, received=prepared.received)
            return []
        for name, found in prepared.findings.items():
            report.findings[name].merge(found)
        if not self._harmless(prepared, self._columns_on_disk(spool), spool.rows, report):
            return []
        if not self._accepted(prepared, spool.rows, report):
            return []
        digest = content_hash(spool.chunks(), self.contract.dtypes)
        draft = Draft(prepared.partition, spool.chunks, spool.rows, digest, self._note(prepared), obeys=prepared.obeys)
        self._describe(prepared, spool.lazy(), spool.rows, next(spool.chunks()).head(5), report)
        return [(prepared, draft)]

    def _columns_on_disk(self, spool: Spool) -> Callable[[], Iterable[pl.DataFrame]]:
        """What is looked at of rows on disk, as they lie there: sorting them would take longer than the look."""
        wanted = {*personal_data.looked_at(self.contract), *(self.limits.anonymity.columns if self.limits.anonymity else ())}
        names = [name for name in self.contract.names if name in wanted]
        return lambda: spool.lazy().select(names).collect_batches(chunk_size=FRAME_ROWS, maintain_order=True) if names else ()

    def _refuse_repeated(self, prepared: _Prepared) -> None:
        """Uniqueness of rows in runs, of which those that break other rules have been put aside already."""
        twice: dict[str, pl.DataFrame] = {}
        for name, columns in unique_columns(self.contract).items():
            stored = prepared.spool.select(columns)  # first, since it may put more rows aside
            found = repeated(pl.concat([stored, *(aside.select(columns) for aside in prepared.put_aside)]))
            if found.height:
                twice[name] = found
            if not any(self.contract.by_name[c].is_personal for c in columns):
                prepared.findings[name].examples = [", ".join(map(str, row)) for row in found.head(SAMPLES).iter_rows()]

        def broken(rows: pl.DataFrame) -> dict[int, list[str]]:
            rules: dict[int, list[str]] = {}
            for name, values in twice.items():
                for index in rows_holding(values, rows):
                    rules.setdefault(index, []).append(name)
                    prepared.findings[name].failed += 1
            return rules

        if not twice:
            return
        prepared.spool.sift(lambda rows: self._split(rows, broken(rows), prepared))
        for aside in prepared.put_aside:
            for index, names in broken(aside).items():
                prepared.refused.rules[aside.get_column("_at")[index]].extend(names)

    def _note(self, prepared: _Prepared) -> dict[str, Any]:
        erased = {"erased": {"count": prepared.erased}} if prepared.erased else {}
        return {**prepared.metadata, "run": self.run, "received": prepared.received, "refused": len(prepared.refused), **erased}

    def _harmless(
        self,
        prepared: _Prepared,
        rows: Callable[[], Iterable[pl.DataFrame]],
        height: int,
        report: Report,
        columns: Sequence[str] | None = None,
    ) -> bool:
        """Whether no row tells of a person what the declaration does not say; asked before refused rows are kept anywhere."""
        where, error = self._where(prepared.partition), None
        looked = personal_data.look(rows(), height, self.contract, columns)
        report.personal[prepared.partition] = looked
        if looked.found:
            error = looked.sentence(where)
        elif self.limits.anonymity is not None and (rare := self.limits.anonymity.breach(rows())) is not None:
            report.rare[prepared.partition] = rare
            error = f"{where}: {rare}; nothing was stored: make the values coarser, or leave those rows out"
        if error is not None:
            report.fail(prepared.partition, ContractBreach(error), received=prepared.received, refused=len(prepared.refused))
        return error is None

    def _accepted(self, prepared: _Prepared, rows: int, report: Report) -> bool:
        """Whether the partition may be stored; refused rows go to quarantine first, so that a crash loses none."""
        refused, where = len(prepared.refused), self._where(prepared.partition)
        error = None
        if refused and self.quarantine is None:
            error = f"{where}: {refused} of {prepared.received} rows break the contract ({_reasons(prepared)}); nothing was stored"
        elif refused and refused > (self.limits.refused_share or 0) * prepared.received:
            error = (
                f"{where}: {refused} of {prepared.received} rows break the contract ({_reasons(prepared)}), more than the "
                f"{self.limits.refused_share:.0%} that may go to quarantine; nothing was stored"
            )
        elif rows + prepared.erased < self.limits.least_rows:
            report.empty.append(prepared.partition)
            error = f"{where}: {rows} rows, and at least {self.limits.least_rows} are expected; nothing was stored"
        if error is not None:
            report.fail(prepared.partition, ContractBreach(error), received=prepared.received, refused=refused)
            return False
        if self.quarantine is not None:
            try:
                prepared.kept = self.quarantine.keep(prepared.partition, prepared.refused, self.contract, self.run)
            except DataProductsError as fault:
                report.fail(prepared.partition, fault, received=prepared.received, refused=refused)
                return False
        if (remark := self._unlike_before(prepared.partition, rows + prepared.erased)) is not None:
            report.row_counts.append(remark)
        return True

    def _unlike_before(self, partition: str, rows: int) -> str | None:
        """A remark when the row count is far from that of the last seven partitions before this one; erased rows count as delivered."""
        if self.limits.row_change is None:
            return None
        if self._stored is None:
            current = self.history.current()
            self._stored = current, sorted(current)
        current, keys = self._stored
        at = bisect_left(keys, partition)
        earlier = [current[p].rows_with_erased for p in keys[max(0, at - 7) : at]] if self.limits.successive else []
        if not earlier and partition in current:
            earlier = [current[partition].rows_with_erased]
        if not earlier or abs(rows - median(earlier)) <= self.limits.row_change * max(median(earlier), 1):
            return None
        return f"{partition}: {rows:,} rows; the partitions before it had {median(earlier):,.0f}"

    def _describe(self, prepared: _Prepared, rows: pl.LazyFrame, height: int, head: pl.DataFrame, report: Report) -> None:
        figures = profile(rows, height, self.contract)
        report.outcomes[prepared.partition] = Outcome(
            prepared.partition,
            received=prepared.received,
            refused=len(prepared.refused),
            profile=profile_markdown(figures, height),
            figures=figures,
            sample=sample_markdown(head, self.contract),
            metadata=prepared.metadata,
        )

    def _report(self, prepared: _Prepared, draft: Draft, done: Committed, report: Report) -> None:
        outcome = report.outcomes[prepared.partition]
        report.outcomes[prepared.partition] = replace(outcome, committed=done)


def _again(frame: pl.DataFrame) -> Callable[[], Iterable[pl.DataFrame]]:
    def chunks() -> Iterator[pl.DataFrame]:
        yield frame

    return chunks


def _join(validated: Validated, other: Validated) -> None:
    validated.findings.update(other.findings)
    for index, rules in other.broken.items():
        validated.broken.setdefault(index, []).extend(rules)


def _reasons(prepared: _Prepared) -> str:
    counts: dict[str, int] = {}
    for rules in prepared.refused.rules:
        for rule in rules:
            counts[rule] = counts.get(rule, 0) + 1
    worst = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{rule}: {count}" for rule, count in worst[:3])
    return shown if len(worst) <= 3 else f"{shown} and {len(worst) - 3} more rules"


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, value)
