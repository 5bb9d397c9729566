"""A catalog in memory that keeps the rules of a real one, and products to publish to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from dataproducts.errors import CatalogUnavailable
from dataproducts.messages import Definition, Delivery, Proof, Receipt, parse


class Memory:
    """Takes a message once by its key, refuses another under the same key, and keeps everything as it came over the wire."""

    name = "memory"

    def __init__(self) -> None:
        self.messages: dict[str, Any] = {}
        self.digests: dict[str, str] = {}
        self.calls: list[int] = []
        self.poison: Callable[[Any], bool] = lambda _: False
        self.before: Callable[[Sequence[Any]], None] = lambda _: None
        self.after: Callable[[Sequence[Any]], None] = lambda _: None

    def send(self, messages: Sequence[Any]) -> list[Receipt]:
        self.before(messages)
        self.calls.append(len(messages))
        receipts = [self._take(parse(m.model_dump(mode="json"))) for m in messages]
        self.after(messages)
        return receipts

    def _take(self, message: Any) -> Receipt:
        if self.poison(message):
            return Receipt(key=message.key, status="refused", problem="it is poison")
        held = self.digests.get(message.key)
        if held is not None:
            return Receipt(key=message.key, status="already" if held == message.digest else "refused", problem="another under the same key")
        self.messages[message.key], self.digests[message.key] = message, message.digest
        return Receipt(key=message.key, status="stored")

    def newest(self, location: str) -> dict[str, dict[str, tuple[int, str]]]:
        found: dict[str, dict[str, tuple[int, str]]] = {}
        for d in self.of(Definition):
            if d.dataset is not None:
                found.setdefault(d.dataset.name, {})
        for d in self.of(Delivery):
            held = found.setdefault(d.dataset, {}).get(d.partition)
            if held is None or held[0] < d.number:
                found[d.dataset][d.partition] = d.number, d.content_hash
        return found

    def of(self, kind: type) -> list[Any]:
        return [m for m in self.messages.values() if isinstance(m, kind)]

    @property
    def deliveries(self) -> list[Delivery]:
        return self.of(Delivery)

    @property
    def proof(self) -> Proof:
        return self.of(Proof)[-1]


def away(_: Any) -> None:
    raise CatalogUnavailable("the catalog does not answer")


@pytest.fixture
def catalog() -> Memory:
    return Memory()


LETTERS = [f"p{n:02}" for n in range(40)]
BEGAN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)


@pytest.fixture
def shop(product: Any) -> Any:
    """The product "shop", with datasets."""
    return furnished(product)


def furnished(product: Any) -> Any:
    """A product with datasets: `sales` by partition, `totals` of all of them, and `prices`, which fails for the partition p13."""
    import dagster as dg
    import pandera.polars as pa
    import polars as pl

    import dataproducts as dp

    class Row(pa.DataFrameModel):
        """Rows."""

        number: int = dp.column("Number of the row.", ge=0)
        text: str = dp.column("Anything.", nullable=True)

        class Config:
            unique = "number"

    parts = dg.StaticPartitionsDefinition(LETTERS)

    @product.dataset(schema=Row, partitions=parts, source=dp.Source("till", "The tills.", "https://till.example.com"))
    def sales(partition: str) -> pl.DataFrame:
        """What was sold."""
        return pl.DataFrame({"number": [1, 2, 3], "text": [partition, None, "x"]})

    @product.dataset(schema=Row, inputs=[sales])
    def totals(sales: pl.DataFrame) -> dp.Result:
        """Everything."""
        return dp.Result(pl.DataFrame({"number": [1], "text": [str(sales.height)]}), metadata={"file": "a.csv"})

    @product.dataset(schema=Row, partitions=parts)
    def prices(partition: str) -> pl.DataFrame:
        """What it costs."""
        if partition == "p13":
            raise ValueError("row of Kari Nordmann")
        return pl.DataFrame({"number": [1], "text": [partition]})

    return product


def delivered(dataset: Any, partition: str | None, number: int = 1, **more: Any) -> Any:
    """The event of a version, as a run of the dataset would log it."""
    from dataproducts.dataset import materialization
    from dataproducts.history.ledger import Version
    from dataproducts.history.store import Committed
    from dataproducts.materialization import Outcome

    version = Version(dataset.contract.dataset, partition or "-", number, BEGAN, "1.0.0", 3, f"{number:064x}")
    return materialization(dataset.declaration, Outcome(partition or "-", Committed(version, True), received=3, **more))


def write(instance: Any, events: Sequence[tuple[datetime, Any]]) -> None:
    """Put materializations and check evaluations into the log at once, at times of our choosing: one by one takes 50 ms each."""
    from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
    from dagster._core.events.log import EventLogEntry
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    rows = []
    for at, said in events:
        is_check = hasattr(said, "check_name")
        kind = DagsterEventType.ASSET_CHECK_EVALUATION if is_check else DagsterEventType.ASSET_MATERIALIZATION
        event = DagsterEvent(kind.value, "runless", event_specific_data=said if is_check else StepMaterializationData(said))
        entry = EventLogEntry(None, 20, "", "", at.timestamp(), job_name="runless", dagster_event=event)
        rows.append(instance.event_log_storage._event_to_row(entry))
    with instance.event_log_storage.index_connection() as connection:
        connection.execute(SqlEventLogStorageTable.insert(), rows)


def run_range(dataset: Any, instance: Any, first: str, last: str) -> Any:
    """One run of many partitions."""
    import dagster as dg

    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize([dataset], tags=tags, instance=instance, raise_on_error=False)
