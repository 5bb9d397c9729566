"""The way to the brokers: their address and credentials (nais's variable names), clients, and what their errors mean in one sentence."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import dagster as dg

from dataproducts import settings
from dataproducts.errors import ConfigurationError, PortError, PortUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._metadata import ClusterMetadata

_LOGGER = logging.getLogger("dataproducts.kafka")  # else librdkafka writes to stderr; what matters is raised
_LOGGER.addHandler(logging.NullHandler())

BROKERS = "KAFKA_BROKERS"
CERTIFICATE, PRIVATE_KEY, AUTHORITY = "KAFKA_CERTIFICATE_PATH", "KAFKA_PRIVATE_KEY_PATH", "KAFKA_CA_PATH"
_ADDRESS = re.compile(r"(\w+://)?(\[[0-9a-fA-F:.%]+\]|[^\s:/\[\]]+):\d{1,5}")
TIMEOUT = 10.0
"""Seconds that a broker has to answer a question."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Brokers:
    """Where the brokers are and who we are to them. With the three files the connection is mutual TLS, without any of them plain text."""

    addresses: str
    certificate: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    authority: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, addresses: str = "") -> Brokers:
        """As nais sets the variables. Raises ConfigurationError where one is missing, names a file that is not there, or is no address."""
        given = {name: os.environ.get(name, "") for name in (CERTIFICATE, PRIVATE_KEY, AUTHORITY)}
        if any(given.values()):
            for name, path in given.items():
                if not path:
                    there = next(n for n, p in given.items() if p)
                    raise ConfigurationError(f"{there} is set and {name} is not; a connection with TLS needs all three, one without none")
                if not Path(path).is_file():
                    raise ConfigurationError(f"{name} names a file that is not there; it has to be one that nais mounts for `kafka.pool`")
        where = addresses or settings.required(BROKERS, "the brokers' addresses, as host:port,host:port")
        for address in where.split(","):
            if not _ADDRESS.fullmatch(address.strip()):
                raise ConfigurationError(
                    f"{BROKERS} has {address.strip()!r}, which is no address with a port; write it as host:port,host:port"
                )
        return cls(where, *(path or None for path in given.values()))

    def configuration(self, **more: Any) -> dict[str, Any]:
        """What every client is configured with; `more` by the names of librdkafka."""
        secured = {
            "security.protocol": "ssl",
            "ssl.certificate.location": self.certificate,
            "ssl.key.location": self.private_key,
            "ssl.ca.location": self.authority,
        }
        return {
            "bootstrap.servers": self.addresses,
            "client.id": "dataproducts",
            "log_level": 2,  # errors arrive as exceptions; librdkafka would write each try of a connection to stderr
            **(secured if self.certificate else {}),
            **more,
        }


class Kafka:
    """A way to make clients; each is its maker's to close. Errors that belong to no call are kept in `troubles`, newest last."""

    def __init__(self, brokers: Brokers) -> None:
        self.brokers = brokers
        self.troubles: list[KafkaError] = []
        self._asking: AdminClient | None = None

    def producer(self, **more: Any) -> Producer:
        """A producer; `more` by the names of librdkafka."""
        from confluent_kafka import Producer

        with explained("make a producer", self):
            return Producer(self._configuration(more))

    def consumer(self, group: str, **more: Any) -> Consumer:
        """A consumer of committed messages that commits nothing by itself and fails where its offset is gone."""
        from confluent_kafka import Consumer

        ours = {"group.id": group, "isolation.level": "read_committed", "enable.auto.commit": False, "auto.offset.reset": "error"}
        with explained("make a consumer", self):
            return Consumer(self._configuration({**ours, **more}))

    def admin(self, **more: Any) -> AdminClient:
        """An administrator's client."""
        from confluent_kafka.admin import AdminClient

        with explained("make an administrator's client", self):
            return AdminClient(self._configuration(more))

    def metadata(self, topic: str | None = None, timeout: float | None = None) -> ClusterMetadata:
        """The cluster and a topic (None: all), as any broker knows them. A topic that does not exist has an `error` there.

        The sandbox broker creates a topic that is asked for. Raises PortUnavailable where no broker answers in time.
        """
        with explained("reach the brokers", self, topic):
            self._asking = self._asking or self.admin()  # connecting takes longer than the answer
            more = {"timeout": TIMEOUT if timeout is None else timeout}
            return self._asking.list_topics(topic, **more) if topic else self._asking.list_topics(**more)

    def _configuration(self, more: dict[str, Any]) -> dict[str, Any]:
        return self.brokers.configuration(
            **{"error_cb": self._trouble, "logger": _LOGGER, "socket.connection.setup.timeout.ms": 5_000, **more}
        )

    def _trouble(self, error: KafkaError) -> None:
        self.troubles = [*self.troubles[-9:], error]


class _Unnamed:
    """In place of brokers that are not named: a port that is idle has no use for them, and a run beside it is not to fail."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


class KafkaResource(dg.ConfigurableResource[Kafka]):
    """The brokers of KAFKA_BROKERS. `dataproducts up` sets it to a broker of its own where products have a topic in their sandbox."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Kafka, None, None]:
        """The way to the brokers, for one run or tick; where none is named, whoever asks something of it is told so, and nobody else."""
        try:
            found = self.connect()
        except ConfigurationError as error:
            found = cast(Kafka, _Unnamed(error))
        yield found

    def connect(self) -> Kafka:
        """The way to the brokers; nothing is sent yet. Raises ConfigurationError where no broker is named."""
        return Kafka(Brokers.from_environment())


@contextmanager
def explained(doing: str, kafka: Kafka | None = None, topic: str | None = None) -> Iterator[None]:
    """What the client or a broker says, as one sentence.

    Raises PortUnavailable where the same may succeed later (no answer, a restart, a lost connection), else PortError: wrong
    credentials, no permission, no such topic, a refused setting.
    """
    from confluent_kafka import KafkaException

    try:
        yield
    except KafkaException as error:
        raise meaning(error.args[0], doing, kafka, topic) from error
    except TimeoutError as error:  # of a future of the administrator's client
        raise PortUnavailable(f"cannot {doing}: {_where(kafka)} did not answer in time; run again when it does") from error


def once_led(ask: Callable[[], Answer]) -> Answer:
    """The answer to a question, asked again while its partition has no leader: for a moment after a broker has come back.

    Raises the client's own error of any other kind at once, and this one too after TIMEOUT seconds.
    """
    from confluent_kafka import KafkaException

    until = time.monotonic() + TIMEOUT
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _moving() or time.monotonic() > until:
                raise
        time.sleep(0.1)


def once_controlled(kafka: Kafka, ask: Callable[[AdminClient, float], Answer]) -> Answer:
    """The answer to what only the controller answers, within the seconds that `ask` is given; asked twice, each time with a new client.

    One that connects while a broker is coming back is told of no controller, and waits for it in vain.
    """
    from confluent_kafka import KafkaError, KafkaException

    try:
        return ask(kafka.admin(), TIMEOUT / 2)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._TIMED_OUT:
            raise
    return ask(kafka.admin(), TIMEOUT / 2)


def meaning(error: KafkaError, doing: str, kafka: Kafka | None = None, topic: str | None = None) -> PortError:
    """The error of ours that a client's error is."""
    from confluent_kafka import KafkaError

    code, where = error.code(), _where(kafka)
    said = (error.str() or error.name()).strip().rstrip(".")
    about = f"topic {topic}" if topic else "the topic"
    troubles = [t.code() for t in kafka.troubles] if kafka else []
    if code in (KafkaError._SSL, KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED) or KafkaError._SSL in troubles:
        detail = next((t.str() for t in reversed(kafka.troubles) if t.code() == KafkaError._SSL), said) if kafka else said
        return PortError(
            f"cannot {doing}: {where} does not accept the connection ({_short(detail)}); {CERTIFICATE}, {PRIVATE_KEY} and {AUTHORITY} "
            "have to be those of the pool, which are new at every deploy"
        )
    if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
        return PortError(
            f"cannot {doing}: {where} does not let this application near {about}; add it to `spec.acl` of the Topic manifest "
            "(team, application, access: write to publish, read to read)"
        )
    if code in (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED):
        what = "consumer group" if code == KafkaError.GROUP_AUTHORIZATION_FAILED else "transactional id"
        return PortError(
            f"cannot {doing}: {where} does not let this application use its {what}; add the application to `spec.acl` of the Topic "
            f"manifest of {about} with access readwrite"
        )
    if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
        return PortError(f"cannot {doing}: {where} has no {about}; apply its Topic manifest, or correct the name (<team>.<name>)")
    if code == KafkaError.TOPIC_EXCEPTION:
        return PortError(f"cannot {doing}: {topic!r} is no name for a topic; use letters, digits, '.', '_' and '-', at most 249")
    if code in _passing():
        return PortUnavailable(f"cannot {doing}: {where} {_because(code, said)}; run again when it answers")
    if error.retriable() or error.txn_requires_abort():
        return PortUnavailable(f"cannot {doing}: {where} answers {_short(said)!r} ({error.name()}), which may pass; run again")
    return PortError(f"cannot {doing}: {where} answers {_short(said)!r} ({error.name()})")


def _moving() -> frozenset[int]:
    """Codes of a partition whose leader has just changed, or is about to, while not all know of it."""
    from confluent_kafka import KafkaError as E

    return frozenset(
        {
            E.LEADER_NOT_AVAILABLE,
            E.NOT_LEADER_FOR_PARTITION,
            E.FENCED_LEADER_EPOCH,
            E.UNKNOWN_LEADER_EPOCH,
            E.OFFSET_NOT_AVAILABLE,
        }
    )


def _passing() -> frozenset[int]:
    """Codes of a broker that is away or busy."""
    from confluent_kafka import KafkaError as E

    return _moving() | frozenset(
        {
            E._TRANSPORT,
            E._ALL_BROKERS_DOWN,
            E._TIMED_OUT,
            E._TIMED_OUT_QUEUE,
            E._MSG_TIMED_OUT,
            E._RESOLVE,
            E._WAIT_COORD,
            E._RETRY,
            E.REQUEST_TIMED_OUT,
            E.BROKER_NOT_AVAILABLE,
            E.NETWORK_EXCEPTION,
            E.COORDINATOR_LOAD_IN_PROGRESS,
            E.COORDINATOR_NOT_AVAILABLE,
            E.NOT_COORDINATOR,
            E.NOT_ENOUGH_REPLICAS,
            E.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            E.CONCURRENT_TRANSACTIONS,
            E.UNSTABLE_OFFSET_COMMIT,
            E.KAFKA_STORAGE_ERROR,
        }
    )


def _because(code: int, said: str) -> str:
    from confluent_kafka import KafkaError as E

    if code in (E._TRANSPORT, E._ALL_BROKERS_DOWN, E._RESOLVE):
        return f"cannot be reached ({_short(said)})"
    if code in (E._TIMED_OUT, E._TIMED_OUT_QUEUE, E._MSG_TIMED_OUT, E.REQUEST_TIMED_OUT):
        return f"did not answer in time ({_short(said)})"
    return f"is not ready ({_short(said)})"


def _where(kafka: Kafka | None) -> str:
    return f"Kafka at {kafka.brokers.addresses}" if kafka else "Kafka"


def _short(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= 200 else first[:199] + "…"
