"""A dlt source as the source of a dataset: its rows without any destination of dlt's, its incremental state with the versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from dataproducts.contract import Contract
from dataproducts.errors import ConfigurationError, DataProductsError, DeclarationError, PartitionUnavailable, SourceError
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Log
from dataproducts.ports.inputs.chain import Chain, Link, refuse_uncut
from dataproducts.ports.inputs.rows import Facts, RowsIntake
from dataproducts.source import InputPort

CHECK, NOTE = "state", "dlt"
BATCH_ROWS = 20_000


@dataclass(frozen=True)
class Dlt(InputPort):
    """A dlt source that feeds a dataset: `source=dp.Dlt("issues", make=lambda: github("navikt/repo"), resource="issues")`.

    The dataset's function gets its partition's rows as `rows`, and the simplest gives them back: `return rows`.

    `make` gives the source or resource; it is called in each run, so that secrets are looked up only then. `resource` names the resource of
    a source that has several. With `incremental`, a partition (by time) goes on from the state, as dlt keeps it, in which the
    one before left the source; the state is recorded with the rows, and only the newest partition can be made again. Without it, every
    partition and run begins anew. Rows are as the resource gives them: dlt neither normalizes nor renames.
    """

    make: Callable[[], Any] = field(kw_only=True, compare=False)
    resource: str | None = field(default=None, kw_only=True)
    incremental: bool = field(default=False, kw_only=True)

    parameter: ClassVar[str] = "rows"
    kind: ClassVar[str] = "dlt"
    checks: ClassVar[Mapping[str, str]] = {CHECK: "A source that is read on from where it was left keeps a state, and goes on from it."}

    def promised(self, contract: Contract, partitions: Any) -> Contract:
        """The contract as it is. Raises DeclarationError for a dataset that this cannot feed."""
        if not callable(self.make):
            raise DeclarationError(f"{contract.dataset}: dlt source {self.name!r} takes make=, a function that gives the source")
        if self.incremental:
            refuse_uncut(contract, partitions, f"incremental dlt source {self.name!r}")
        return contract

    def open(
        self, contract: Contract, partitions: Any, limits: Limits, history: DatasetHistory, resource: Callable[[str], Any], log: Log
    ) -> DltIntake:
        """Begin a run. Raises ConfigurationError where dlt is not installed."""
        try:
            import dlt  # noqa: F401
        except ModuleNotFoundError:
            raise ConfigurationError(f"{contract.dataset} is fed by a dlt source, which needs dlt; install dataproducts[dlt]") from None
        return DltIntake(dlt=self, contract=contract, partitions=partitions, history=history, log=log)


@dataclass
class DltIntake(RowsIntake):
    """A dlt source during one run of the dataset it feeds."""

    dlt: Dlt = field(kw_only=True)

    @cached_property
    def chain(self) -> Chain:
        """The states of the dataset's partitions."""
        return Chain(self.contract, self.partitions, self.history, NOTE)

    def reading(self, partition: str) -> Callable[[Facts], Iterator[Any]]:
        """All there is, or what has come since the partition before."""
        if not self.dlt.incremental:
            return lambda facts: self._all(partition, facts)
        known = self.chain.recorded()
        previous = self.chain.before(partition, known)
        if (following := self.chain.followed(partition, known)) is not None:
            raise PartitionUnavailable(
                f"{self.where(partition)}: the dlt source {self.dlt.name} was read on to {following.partition!r} and cannot go back; "
                "what is stored stays as it is"
            )
        return lambda facts: self._on(partition, previous, facts)

    def holds(self, partition: str, versions: Sequence[Version], beside: Collection[str]) -> bool:
        """States follow each other."""
        return not self.dlt.incremental or self.chain.holds(partition, versions, beside)

    def _all(self, partition: str, facts: Facts) -> Iterator[Any]:
        facts["rows_read"] = yield from self._rows(partition, {})

    def _on(self, partition: str, previous: Link | None, facts: Facts) -> Iterator[Any]:
        from dlt.common.json import json as typed

        state = typed.typed_loads(json.dumps(previous.ends)) if previous is not None and previous.ends else {}
        count = yield from self._rows(partition, state)
        ends = json.loads(typed.typed_dumps(state)) or None
        self.faults.get(CHECK, {}).pop(partition, None)
        if ends is None:
            text = f"{self.where(partition)}: the dlt source {self.dlt.name} keeps no state, so every partition reads all of it; "
            self.fault(CHECK, partition, text + "give its resource dlt.sources.incremental, or leave incremental out")
        elif previous is not None and previous.ends is not None and not _same_resources(previous.ends, ends):
            text = f"{self.where(partition)}: the dlt source {self.dlt.name} did not go on from the state {previous.partition!r} left it in"
            self.fault(CHECK, partition, f"{text}; see whether its resources were renamed")
        start, end = self.chain.window(partition)
        link = Link(partition, start, end, previous.ends if previous else None, ends, count)
        self.chain.read(link)
        facts[NOTE] = link.note()
        facts["rows_read"] = count

    def _rows(self, partition: str, state: dict[str, Any]) -> Generator[Any, None, int]:
        """The items of the resource, as frames and lists of records; the state is changed as the source is read. Gives their number."""
        from dlt.common.configuration.container import Container
        from dlt.common.pipeline import StateInjectableContext

        where, count = self.where(partition), 0
        # dlt looks for its state while it makes the source and each time it gives an item, and must not find ours in between
        with Container().injectable_context(StateInjectableContext(state=state)):  # type: ignore[arg-type]
            items = _told(lambda: iter(self._resource()), where, self.dlt.name)
        batch: list[Any] = []
        while True:
            with Container().injectable_context(StateInjectableContext(state=state)):  # type: ignore[arg-type]
                item = _told(lambda: next(items, _END), where, self.dlt.name)
            if item is _END:
                break
            if isinstance(item, Mapping):
                batch.append(item)
            elif isinstance(item, list):
                batch += item
            else:
                count += len(item)
                yield item
            if len(batch) >= BATCH_ROWS:
                count += len(batch)
                yield batch
                batch = []
        if batch:
            count += len(batch)
            yield batch
        return count

    def _resource(self) -> Any:
        made = self.dlt.make()
        resources = getattr(made, "resources", None)
        if resources is None:
            return made
        names = list(resources)
        if self.dlt.resource is None and len(names) != 1:
            raise DeclarationError(f"dlt source {self.dlt.name} has the resources {', '.join(names)}; name one with resource=")
        name = self.dlt.resource or names[0]
        if name not in resources:
            raise DeclarationError(f"dlt source {self.dlt.name} has no resource {name!r}; its resources are {', '.join(names)}")
        return made.with_resources(name)


_END = object()


def _told(step: Callable[[], Any], where: str, name: str) -> Any:
    """Trouble of the source as one sentence. What the source says may quote its rows or secrets, so only its kind is told."""
    try:
        return step()
    except DataProductsError:
        raise
    except Exception as error:
        cause: BaseException = error
        while type(cause).__module__.startswith("dlt.") and (cause.__cause__ or cause.__context__) is not None:
            cause = cause.__cause__ or cause.__context__ or cause
        raise SourceError(
            f"{where}: the dlt source {name} failed with {type(cause).__name__}; see the run's log; nothing was stored"
        ) from error


def _same_resources(before: Any, after: Any) -> bool:
    """Whether what had a state still has one, and nothing else does."""

    def names(state: Any) -> set[tuple[str, str]]:
        return {(source, name) for source, held in state.get("sources", {}).items() for name in held.get("resources", {})}

    return names(before) == names(after)
