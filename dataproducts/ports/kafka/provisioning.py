"""The topic at the broker: created where we may, else held against what was declared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.ports.kafka.connection import TIMEOUT, Kafka, explained, meaning, once_controlled
from dataproducts.ports.kafka.sandbox import is_sandbox

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

MANIFEST = {
    "cleanup.policy": "cleanupPolicy",
    "retention.ms": "retentionHours",
    "max.message.bytes": "maxMessageBytes",
    "delete.retention.ms": "deleteRetentionHours",
    "min.insync.replicas": "minimumInSyncReplicas",
}
"""Where nais's Topic manifest has a setting, under `spec.config`."""
_HOUR = 3_600_000


@dataclass(frozen=True)
class Settings:
    """A topic as declared. `retention_hours` -1 keeps for ever; None leaves a setting to the broker."""

    topic: str
    partitions: int = 1
    replication: int | None = None
    cleanup_policy: str = "compact"
    retention_hours: int | None = None
    delete_retention_hours: int | None = None
    max_message_bytes: int = 1_048_588
    minimum_in_sync_replicas: int | None = None

    @property
    def configuration(self) -> dict[str, str]:
        """As brokers name it; what an existing topic is held against."""
        hours = {"retention.ms": self.retention_hours, "delete.retention.ms": self.delete_retention_hours}
        return {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
            **{name: str(-1 if value < 0 else value * _HOUR) for name, value in hours.items() if value is not None},
            **({"min.insync.replicas": str(self.minimum_in_sync_replicas)} if self.minimum_in_sync_replicas is not None else {}),
        }


@dataclass(frozen=True)
class Found:
    """A topic as it is. `topic_id` is empty where the broker gives none; `checked` whether its settings could be read."""

    cluster: str
    topic_id: str
    sandbox: bool
    partitions: int
    max_message_bytes: int
    checked: bool


def provide(kafka: Kafka, settings: Settings, dataset: str) -> Found:
    """Find the topic, or create it.

    Raises PortError where it may not be created, or where it is there and disagrees with what is declared; PortUnavailable where no
    broker answers.
    """
    found = kafka.metadata()
    cluster = str(found.cluster_id or "")
    if is_sandbox(cluster):
        partitions = kafka.metadata(settings.topic).topics[settings.topic].partitions  # asking creates it
        where = " ".join(sorted(f"{broker.host}:{broker.port}" for broker in found.brokers.values()))  # its id alone may come again
        return Found(f"{cluster} {where}", "", True, len(partitions), settings.max_message_bytes, False)
    partitions_found = _partitions(kafka, settings.topic)
    admin = kafka.admin()
    if partitions_found is None:
        _create(kafka, settings, dataset)
        partitions_found = _partitions(kafka, settings.topic, wait=True)
    if partitions_found is None:
        raise PortUnavailable(f"{dataset}: topic {settings.topic} was created and is not ready yet; run again")
    given = _configuration(kafka, settings.topic)
    if given is not None:
        _hold_against(settings, partitions_found, given, dataset)
    limit = int((given or {}).get("max.message.bytes", settings.max_message_bytes))
    return Found(cluster, _topic_id(kafka, admin, settings.topic), False, partitions_found, limit, given is not None)


def _partitions(kafka: Kafka, topic: str, wait: bool = False) -> int | None:
    """How many the topic has; None where there is no such topic. `wait`: until each has a leader."""
    from confluent_kafka import KafkaError

    until = time.monotonic() + TIMEOUT
    while True:
        about = kafka.metadata(topic).topics[topic]
        if about.error is None and (not wait or all(p.error is None and p.leader >= 0 for p in about.partitions.values())):
            return len(about.partitions)
        if about.error is not None and about.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART and not wait:
            raise meaning(about.error, f"find topic {topic}", kafka, topic)
        if not wait or time.monotonic() > until:
            return None
        time.sleep(0.05)


def _create(kafka: Kafka, settings: Settings, dataset: str) -> None:
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.cimpl import NewTopic

    topic = settings.topic
    wanted = NewTopic(topic, settings.partitions, settings.replication or -1, config=settings.configuration)

    def ask(admin: AdminClient, seconds: float) -> None:
        admin.create_topics([wanted], operation_timeout=seconds, request_timeout=seconds)[topic].result(seconds + 5)

    try:
        once_controlled(kafka, ask)
    except KafkaException as error:
        told = error.args[0]
        if told.code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another run made it
            return
        if told.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            namespace, _, name = topic.rpartition(".")
            raise PortError(
                f"{dataset}: there is no topic {topic} and this application may not create it; apply a Topic manifest with namespace "
                f"{namespace or '<team>'} and name {name} (`dataproducts manifest topic {dataset.split('/')[0]}`)"
            ) from error
        if told.code() in (KafkaError.INVALID_CONFIG, KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.INVALID_PARTITIONS):
            raise PortError(f"{dataset}: topic {topic} cannot be created as declared: {told.str()}; correct the Topic") from error
        raise meaning(told, f"create topic {topic}", kafka, topic) from error
    except TimeoutError as error:
        raise PortUnavailable(f"{dataset}: Kafka at {kafka.brokers.addresses} did not create topic {topic} in time; run again") from error


def _configuration(kafka: Kafka, topic: str) -> dict[str, str] | None:
    """The topic's settings; None where we may not read them, as those who may only write may not."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin._config import ConfigResource
    from confluent_kafka.admin._resource import ResourceType

    def ask(admin: AdminClient, seconds: float) -> Mapping[str, Any]:
        (asked,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)], request_timeout=seconds).values()
        found: Mapping[str, Any] = asked.result(seconds + 5)
        return found

    with explained(f"read the settings of topic {topic}", kafka, topic):
        try:
            found = once_controlled(kafka, ask)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
                return None
            raise
    return {name: str(entry.value) for name, entry in found.items() if entry.value is not None}


def _hold_against(settings: Settings, partitions: int, given: Mapping[str, str], dataset: str) -> None:
    where = f"{dataset}: topic {settings.topic}"
    if partitions < settings.partitions:
        raise PortError(
            f"{where} has {partitions} partitions and is declared with {settings.partitions}; set `spec.config.partitions` of its Topic "
            "manifest, or `partitions` of Topic(...)"
        )
    for name, declared in settings.configuration.items():
        there = given.get(name)
        if there is not None and _value(there) != _value(declared):
            raise PortError(
                f"{where} has {name}={there} and is declared with {declared}; set `spec.config.{MANIFEST[name]}` of its Topic manifest, or "
                f"`{_field(name)}` of Topic(...)"
            )


def _value(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))


def _field(name: str) -> str:
    return {
        "cleanup.policy": "cleanup_policy",
        "retention.ms": "retention_hours",
        "delete.retention.ms": "delete_retention_hours",
        "max.message.bytes": "max_message_bytes",
        "min.insync.replicas": "minimum_in_sync_replicas",
    }[name]


def _topic_id(kafka: Kafka, admin: AdminClient, topic: str) -> str:
    from confluent_kafka import KafkaError, KafkaException, TopicCollection

    with explained(f"identify topic {topic}", kafka, topic):
        try:
            return str(admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)[topic].result(TIMEOUT + 5).topic_id)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
                return ""
            raise
