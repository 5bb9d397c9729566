"""A topic as an output port: what an author declares."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from dataproducts import settings
from dataproducts.errors import DeclarationError
from dataproducts.history.store import DatasetHistory
from dataproducts.messages import PortFacts
from dataproducts.ports.kafka.provisioning import Settings
from dataproducts.ports.port import Offered, OutputPort, Session

BROKERS = "KAFKA_BROKERS"
CleanupPolicy = Literal["compact", "delete", "compact,delete"]


@dataclass(frozen=True)
class Topic(OutputPort):
    """Publish a dataset's rows by key to a topic: `ports=[Topic("team-shop.sales")]`.

    A message's key is a JSON object of the dataset's key columns (after `_partition` where partitions are parts of one table), its value
    the row, and a tombstone says that the row is no more. Each version arrives in one transaction, whole or not at all for readers with
    `isolation.level=read_committed`. Of a table each partition goes from the newest version delivered to the newest there is; of
    snapshots the topic holds one state, which goes on to newer partitions in order, and older ones are passed over.

    `mode`: "changes" sends what differs from the version before, "snapshot" every row each time. Raise `edition` to have the whole state
    published again, for instance after the topic was lost. `partitions` and the settings after it are for the topic's creation, and an
    existing one is held against them. `retention_hours` -1 keeps for ever. With `value="avro"` the schema is registered at
    KAFKA_SCHEMA_REGISTRY.
    """

    topic: str
    value: Literal["json", "avro"] = "json"
    mode: Literal["changes", "snapshot"] = "changes"
    edition: int = 1
    partitions: int = 1
    replication: int | None = None
    cleanup_policy: CleanupPolicy = "compact"
    retention_hours: int | None = None
    delete_retention_hours: int | None = None
    max_message_bytes: int = 1_048_588
    minimum_in_sync_replicas: int | None = None
    port: str = "kafka"

    kind: ClassVar[Literal["bigquery", "kafka", "file"]] = "kafka"
    empties: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Third part of the port's asset key; `port` tells two topics of one dataset apart."""
        return self.port

    @property
    def settings(self) -> Settings:
        """The topic as the broker should have it."""
        return Settings(
            topic=self.topic,
            partitions=self.partitions,
            replication=self.replication,
            cleanup_policy=self.cleanup_policy,
            retention_hours=self.retention_hours,
            delete_retention_hours=self.delete_retention_hours,
            max_message_bytes=self.max_message_bytes,
            minimum_in_sync_replicas=self.minimum_in_sync_replicas,
        )

    def check(self, offered: Offered) -> None:
        """Raise DeclarationError for a dataset without a key, of kind "history", or a topic that no broker or manifest would take."""
        where, contract = f"{offered.dataset}: topic {self.topic!r}", offered.contract
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", self.topic) or self.topic in (".", ".."):
            raise DeclarationError(f"{where} is no name for a topic; write it as <team>.<name>, of letters, digits, '.', '_' and '-'")
        if not contract.key:
            raise DeclarationError(f"{where} needs a key to publish by, and the dataset has none; declare its key columns")
        if contract.kind == "history":
            raise DeclarationError(f"{where} cannot hold intervals, of which one key has many; publish the dataset they are made from")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.port):
            raise DeclarationError(f"{where} has a port named {self.port!r}; use lower-case letters, digits and underscores")
        allowed: list[tuple[str, Any, bool, str]] = [
            ("value", self.value, self.value in ("json", "avro"), '"json" or "avro"'),
            ("mode", self.mode, self.mode in ("changes", "snapshot"), '"changes" or "snapshot"'),
            ("cleanup_policy", self.cleanup_policy, self.cleanup_policy in _POLICIES, '"compact", "delete" or "compact,delete"'),
            ("edition", self.edition, self.edition >= 1, "1 or more"),
            ("partitions", self.partitions, 1 <= self.partitions <= 1_000_000, "1 to 1,000,000"),
            ("replication", self.replication, self.replication is None or self.replication >= 1, "1 or more"),
            ("max_message_bytes", self.max_message_bytes, 1 <= self.max_message_bytes <= 5_242_880, "1 to 5,242,880, as nais has it"),
            ("retention_hours", self.retention_hours, self.retention_hours is None or self.retention_hours >= -1, "-1 or more"),
        ]
        for name, value, fits, wanted in allowed:
            if not fits:
                raise DeclarationError(f"{where} has {name}={value!r}; it has to be {wanted}")

    def facts(self, offered: Offered) -> PortFacts:
        """Address and settings."""
        key = [*(["_partition"] if self._is_keyed_by_partition(offered) else []), *offered.contract.key]
        retention = {} if self.retention_hours is None else {"Retention": _hours(self.retention_hours)}
        return PortFacts(
            name=self.name,
            kind="kafka",
            address=self.topic,
            title=f"Topic {self.topic}",
            facts={
                "Key": f"JSON object of {', '.join(key)}",
                "Value": "JSON object of the row" if self.value == "json" else "Avro, schema in the registry",
                "Carries": "changes by key, tombstones for rows that are no more"
                if self.mode == "changes"
                else "every row of each version, tombstones for rows that are no more",
                "Cleanup policy": self.cleanup_policy,
                **retention,
                "Read with": "isolation.level=read_committed",
            },
        )

    def remedy(self, offered: Offered) -> str:
        """Another edition."""
        again = f"materialize {offered.dataset}/{self.name}, which publishes the whole state again"
        return f"declare Topic({self.topic!r}, ..., edition={self.edition + 1}) and {again}"

    def resources(self) -> Mapping[str, Any]:
        """The brokers of KAFKA_BROKERS."""
        from dataproducts.ports.kafka.connection import KafkaResource

        return {"kafka": KafkaResource()}

    def idle(self) -> str | None:
        """On a laptop without brokers there is nowhere to publish to; elsewhere a missing KAFKA_BROKERS is an error."""
        if os.environ.get(BROKERS) or settings.environment() != "local":
            return None
        return f"{BROKERS} is not set, so nothing is published; set it to the brokers' addresses, as host:port,host:port"

    @contextmanager
    def open(self, offered: Offered, history: DatasetHistory, resources: Mapping[str, Any], run: str) -> Iterator[Session]:
        """Connect. Raises PortError or PortUnavailable when the session is first used."""
        from dataproducts.ports.kafka.connection import Kafka, KafkaResource
        from dataproducts.ports.kafka.encoding import Encoding, Json
        from dataproducts.ports.kafka.session import TopicSession

        given = resources["kafka"]
        kafka: Kafka = given.connect() if isinstance(given, KafkaResource) else given
        encoding: Encoding
        if self.value == "avro":
            from dataproducts.ports.kafka.avro import Avro

            encoding = Avro(offered.contract)
        else:
            encoding = Json(offered.contract.dtypes)
        session = TopicSession(
            offered, history, kafka, self.name, self.settings, encoding, edition=self.edition, whole=self.mode == "snapshot", run=run
        )
        try:
            yield session
        finally:
            session.close()

    def _is_keyed_by_partition(self, offered: Offered) -> bool:
        return offered.partitions is not None and offered.contract.kind == "table"


_POLICIES = ("compact", "delete", "compact,delete")


def _hours(hours: int) -> str:
    return "for ever" if hours < 0 else f"{hours} hours"
