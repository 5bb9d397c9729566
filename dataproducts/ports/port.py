"""An output port: what a dataset's author declares, and what a run needs of it to deliver versions exactly once.

A port knows nothing of Dagster. Which versions have been delivered, and which are being, is in its journal (journal.py);
how a batch of them is delivered so that a repeat does no harm is the port's own business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from dataproducts.contract import Contract
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.messages import PortFacts
from dataproducts.product_facts import ProductFacts

if TYPE_CHECKING:
    from dataproducts.sql.query import Query

Facts = dict[str, str | int | float]
"""What a port tells about a delivery: shown in Dagster and in the catalog."""


@dataclass(frozen=True)
class Read:
    """An input of a view: as its own product offers it, with its ports."""

    offered: Offered
    ports: tuple[OutputPort, ...]


@dataclass(frozen=True)
class View:
    """What a dataset that stores no rows is made of: its query, and its inputs by the names they have there."""

    query: Query
    inputs: Mapping[str, Read]


@dataclass(frozen=True)
class Offered:
    """The dataset that leaves through a port, as declared."""

    facts: ProductFacts
    contract: Contract
    title: str
    description: str
    access: str
    personal: str
    partitions: Any = None
    """Dagster's definition of its partitions, or None."""
    view: View | None = None
    """What gives its rows, where it stores none."""

    @property
    def dataset(self) -> str:
        """Its name, "product/dataset"."""
        return self.contract.dataset

    @property
    def name(self) -> str:
        """Its own name, without the product's."""
        return self.dataset.split("/")[1]


@dataclass(frozen=True)
class Batch:
    """Versions that are delivered together, all or none. `number` counts the batches of one port from 1."""

    number: int
    versions: tuple[Version, ...]

    @property
    def identity(self) -> str:
        """Names what it carries, the same in every attempt: for job ids and the like."""
        from hashlib import sha256

        carried = [f"{v.dataset} {v.partition} {v.number} {v.first_hash}" for v in self.versions]
        return sha256("\n".join([str(self.number), *sorted(carried)]).encode()).hexdigest()


@dataclass(frozen=True)
class Difference:
    """What reconciliation found at a port for one version, in one sentence."""

    partition: str
    number: int
    text: str


@dataclass(frozen=True)
class Comparison:
    """A port held against the dataset: how many versions and rows were compared, and what differs."""

    versions: int
    rows: int
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Removed:
    """What an erasure took away at a port: how many rows or messages, and what is only gone later, in a sentence with the time."""

    rows: int
    later: str = ""


@dataclass(frozen=True)
class Delivered:
    """The batches of a port that are known to have arrived, newest last, as (partition, version number) in order of delivery."""

    batches: tuple[Batch, ...] = ()
    versions: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    @property
    def newest(self) -> dict[str, int]:
        """The newest version of each partition that has arrived."""
        found: dict[str, int] = {}
        for partition, number in self.versions:
            found[partition] = max(number, found.get(partition, 0))
        return found


class Session(Protocol):
    """A port opened for one run, with its connection. One that can take back rows has `erase` too (`erasure.places.Erasing`)."""

    def prepare(self) -> None:
        """Create or check what is at the other end (table, topic) before anything is delivered.

        Raises PortError, with the command or manifest that helps, where it may not or where it disagrees.
        """

    def next_batch(self, delivered: Delivered, versions: Sequence[Version]) -> Sequence[Version]:
        """Of the versions the dataset has (of the partitions asked for), those to deliver together next; none when all is done.

        A port may pass over versions that no reader would ever see at it. Deterministic: two runs that know the same decide the same.
        """

    def deliver(self, batch: Batch, delivered: Delivered) -> Facts:
        """Deliver a batch, all of it or nothing; done already is done, whoever did it. Other runs may be at it at the same time.

        Raises PortError where it is certain that nothing of the batch has arrived or ever will (the batch is then given up, and its
        versions are planned anew), PortUnavailable where that is not known or the same again may succeed (the batch stays open for the
        next run), Overtaken where `delivered` is not what the other end knows (the journal is read again).
        """

    def compare(self, versions: Sequence[Version], full: bool) -> Comparison:
        """Hold what has arrived against the dataset, version by version: row counts always, contents too where `full`."""


class OutputPort(ABC):
    """A declared output port. Subclasses are frozen dataclasses that hold what the author says."""

    kind: ClassVar[Literal["bigquery", "kafka", "file"]]
    partitions_per_run: ClassVar[int | None] = None
    """How many partitions of a backfill one run delivers; None: as many as one run of the dataset makes."""
    takes_views: ClassVar[bool] = False
    """Whether a dataset that stores no rows can leave through it."""
    empties: ClassVar[bool] = False
    """Whether values can be erased at it where rows stay."""

    @property
    def name(self) -> str:
        """Third part of the port's asset key, [product, dataset, name]; unique among the ports of a dataset."""
        return self.kind

    @abstractmethod
    def check(self, offered: Offered) -> None:
        """Raise DeclarationError where the dataset cannot leave through this port as declared."""

    @abstractmethod
    def facts(self, offered: Offered) -> PortFacts:
        """Address and settings, for people and the catalog; without any connection."""

    @abstractmethod
    def remedy(self, offered: Offered) -> str:
        """What to do where something else is at the other end than was delivered, as the end of a sentence."""

    @abstractmethod
    def resources(self) -> Mapping[str, Any]:
        """The Dagster resources `open` gets, with what they are where the location gives none of that name."""

    @abstractmethod
    def idle(self) -> str | None:
        """Why the port writes nowhere in this environment (a sentence with the variable to set); None where it does."""

    @abstractmethod
    def open(self, offered: Offered, history: DatasetHistory, resources: Mapping[str, Any], run: str) -> AbstractContextManager[Session]:
        """Connect. Raises PortError (credentials, project) or PortUnavailable (no answer)."""
