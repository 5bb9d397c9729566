"""Where a dataset's rows come from outside the graph: a name on the map, or an input port that hands them to the author's function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from dataproducts.contract import Contract
    from dataproducts.history.store import DatasetHistory
    from dataproducts.materialization import Limits, Log, Result


@dataclass(frozen=True)
class Source:
    """Where a dataset's rows come from outside the graph; shown as an external asset upstream of it."""

    name: str
    description: str = ""
    url: str = ""


@dataclass
class Intake(ABC):
    """An input port during one run. `faults` are what its checks have to say, by check and partition; each is a sentence."""

    faults: dict[str, dict[str, str]] = field(default_factory=dict)

    @abstractmethod
    def give(self, partition: str) -> Any:
        """What the author's function gets of a partition."""

    @abstractmethod
    def result(self, partition: str, value: Any) -> Result:
        """What the author's function gave back, with what the port knows of the partition."""


class InputPort(Source, ABC):
    """A source that the kit reads itself, and of which it can tell what was read and what is missing."""

    parameter: ClassVar[str]
    """Name of the parameter under which an author's function gets what the port gives."""
    resources: ClassVar[frozenset[str]] = frozenset()
    """The resources it reads with."""
    checks: ClassVar[Mapping[str, str]] = {}
    """Its asset checks: name and description. A fault is an error, but nothing waits for its repair."""
    kind: ClassVar[str] = "source"
    """What Dagster shows it as."""

    def defaults(self) -> Mapping[str, Any]:
        """Its resources where the location gives none of that name."""
        return {}

    @abstractmethod
    def promised(self, contract: Contract, partitions: Any) -> Contract:
        """The dataset's contract, with what follows from the port. Raises DeclarationError where dataset and port do not go together."""

    @abstractmethod
    def open(
        self, contract: Contract, partitions: Any, limits: Limits, history: DatasetHistory, resource: Callable[[str], Any], log: Log
    ) -> Intake:
        """Begin a run. Nothing is read yet."""
