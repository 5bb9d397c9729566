"""A topic as the source of a dataset: each partition is a contiguous range of offsets, recorded in the commit that stores its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ContractBreach, DeclarationError, PartitionUnavailable
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import UNCHANGED, Limits, Log, Result
from dataproducts.ports.kafka import consuming, ranges
from dataproducts.ports.kafka.consuming import Stream, TopicState, ahead
from dataproducts.ports.kafka.decoding import Decoded, Decoder, Form, own_columns, refuse_faults
from dataproducts.ports.kafka.ranges import Offsets, Range
from dataproducts.ports.kafka.registry import Registry
from dataproducts.quality.conform import to_json
from dataproducts.source import InputPort, Intake

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.ports.kafka.connection import Kafka

CHECK = "offsets"
_FEW = 2_000  # messages that it does not matter to fetch, or to keep in memory, in vain


@dataclass(frozen=True)
class TopicInput(InputPort):
    """A topic that feeds a dataset with partitions by time: `source=dp.TopicInput("team.topic")`.

    The dataset's function gets its partition's messages as `messages`, and the simplest gives them back: `return messages`.

    A column takes what its `source` names: a field of the value by its (dotted) path, or of the message itself "kafka.topic",
    "kafka.partition", "kafka.offset", "kafka.timestamp" (UTC), "kafka.key" (text or bytes), "kafka.headers" (JSON text, or a list of
    structs of name and value) or "kafka.value" (bytes or text). Partition and offset are required, and are the key where none is given.

    `value` is how values are written: "json", "avro" (with the schema registry of KAFKA_SCHEMA_REGISTRY) or "bytes", left as they are.
    What cannot be decoded is refused, byte for byte. `tombstones` says that a message without a value is a row without the value's
    fields; else it is refused.

    A partition begins where the one before it ended, the first one where the topic does, and ends before the first message of a later
    time. `anew` names partitions that begin where the topic does although others went before, for a topic that was deleted
    and made again.
    """

    value: Form = "json"
    tombstones: bool = False
    anew: tuple[str, ...] = ()

    parameter: ClassVar[str] = "messages"
    resources: ClassVar[frozenset[str]] = frozenset({"kafka"})
    kind: ClassVar[str] = "kafka"
    checks: ClassVar[Mapping[str, str]] = {
        CHECK: "Every message was read: none was gone before it was, and the topic is the one the partitions before were read from."
    }

    def defaults(self) -> Mapping[str, Any]:
        """The brokers of KAFKA_BROKERS."""
        from dataproducts.ports.kafka.connection import KafkaResource

        return {"kafka": KafkaResource()}

    def promised(self, contract: Contract, partitions: Any) -> Contract:
        """The contract, with partition and offset as its key where it has none. Raises DeclarationError for a dataset no topic can feed."""
        import dagster as dg

        if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
            raise DeclarationError(
                f"{contract.dataset}: a dataset fed by topic {self.name} has partitions by time; give it hourly or daily partitions"
            )
        if contract.kind != "table":
            raise DeclarationError(f"{contract.dataset}: messages are parts of one table; leave kind={contract.kind!r} out")
        refuse_faults(contract, self.value)
        own = own_columns(contract)
        return contract if contract.key else replace(contract, key=(own["offset"].name, own["partition"].name))

    def open(
        self, contract: Contract, partitions: Any, limits: Limits, history: DatasetHistory, resource: Callable[[str], Any], log: Log
    ) -> TopicIntake:
        """Begin a run."""
        kafka = resource("kafka")
        return TopicIntake(topic=self, contract=contract, partitions=partitions, limits=limits, history=history, kafka=kafka, log=log)


class Messages:
    """The messages of one partition, which can be gone through once.

    As an iterator it gives frames and lists of records under the source's names, as a dataset may return them. A dataset that makes
    something else of its messages takes them from `records`, and takes them all.
    """

    def __init__(self, partition: str, stream: Stream, decoder: Decoder, refuse_at: float) -> None:
        self.partition = partition
        self._refuse_at = refuse_at
        self._stream = stream
        self._decoder = decoder
        self._begun = False
        self.count = 0
        self.refused: list[tuple[Any, str]] = []
        self.ends: dict[int, int] | None = None
        """Where each partition of the topic was left, once all messages have been taken."""

    def __iter__(self) -> Iterator[pl.DataFrame | list[dict[str, Any]]]:
        """Frames and lists of records, a bounded number of rows at a time."""
        for decoded in self._decoded(self._decoder.decode):
            yield from decoded.rows

    def records(self) -> Iterator[list[dict[str, Any]]]:
        """Lists of records: the fields of the value, and what the contract takes of the message itself under "kafka"."""
        for decoded in self._decoded(self._decoder.records):
            for rows in decoded.rows:
                assert isinstance(rows, list)
                yield rows

    def _decoded(self, decode: Callable[[Any], Iterator[Decoded]]) -> Iterator[Decoded]:
        if self._begun:
            raise DeclarationError(f"the messages of {self.partition} are gone through twice; keep what is needed of them the first time")
        self._begun = True

        def make() -> Iterator[tuple[int, Decoded]]:
            for batch in ahead(lambda: iter(self._stream)):  # reading holds Python's lock, and most of decoding does not
                count = len(batch)
                for decoded in decode(batch):
                    yield count, decoded
                    count = 0

        for count, decoded in ahead(make):
            self.count += count
            self.refused += [(to_json(record), rule) for record, rule in decoded.refused]
            if len(self.refused) > self._refuse_at:  # they are kept in memory, and will not be needed
                worst, many = Counter(rule for _, rule in self.refused).most_common(1)[0]
                raise ContractBreach(
                    f"{self.partition}: {len(self.refused):,} messages cannot be decoded ({worst}: {many:,}), more than may go to "
                    "quarantine whatever else comes; nothing was stored"
                )
            yield decoded
        self.ends = dict(self._stream.ends)


@dataclass(frozen=True)
class _Plan:
    """What a partition is to be read from. `fixed` is the range that was recorded when it was read before."""

    partition: str
    start: datetime
    end: datetime
    state: TopicState
    begins: dict[int, int]
    limits: dict[int, int]
    gone: Offsets
    follows: str | None = None
    anew: bool = False
    fixed: Range | None = None

    def range(self, messages: Messages) -> Range:
        assert messages.ends is not None
        offsets = {n: (begin, max(begin, messages.ends[n])) for n, begin in self.begins.items()}
        return Range(self.partition, self.start, self.end, self.state.identity, offsets, self.gone, messages.count)


@dataclass
class TopicIntake(Intake):
    """A topic during one run of the dataset it feeds."""

    topic: TopicInput = field(kw_only=True)
    contract: Contract = field(kw_only=True)
    partitions: dg.TimeWindowPartitionsDefinition = field(kw_only=True)
    limits: Limits = field(kw_only=True)
    history: DatasetHistory = field(kw_only=True)
    kafka: Kafka = field(kw_only=True)
    log: Log = field(kw_only=True)
    _registry: Registry | None = None
    _given: dict[str, tuple[_Plan, Messages]] = field(default_factory=dict)
    _pending: dict[str, Range] = field(default_factory=dict)  # read in this run and not stored yet, or never to be

    def give(self, partition: str) -> Messages:
        """The messages of a partition: of its recorded range, or of a new one after that of the partition before.

        Raises PartitionUnavailable where it cannot be read (yet, or any more), PortUnavailable where the broker does not answer.
        """
        self._pending.pop(partition, None)
        plan = self._planned(partition)
        begins = {n: max(b, plan.gone.get(n, (0, b))[1]) for n, b in plan.begins.items()}
        until = None if plan.fixed is not None else plan.end
        if self.topic.value == "avro" and self._registry is None:
            self._registry = Registry.from_environment()
        decoder = Decoder(self.contract, self.topic.name, self.topic.value, self.topic.tombstones, self._registry)
        stream = Stream(self.kafka, self.topic.name, begins, plan.limits, until, self._expected(plan, begins))
        most = sum(max(0, plan.limits[n] - begin) for n, begin in begins.items())
        messages = Messages(partition, stream, decoder, max(_FEW, most * (self.limits.refused_share or 0)))
        self._given[partition] = plan, messages
        return messages

    def result(self, partition: str, value: Any) -> Result:
        """What the author returned, with the range in its metadata once all messages have been taken."""
        given = value if isinstance(value, Result) else Result(value)
        if given.rows is UNCHANGED:
            return given
        plan, messages = self._given.pop(partition)
        metadata: dict[str, Any] = dict(given.metadata)
        refused = list(given.refused)

        def rows() -> Iterator[Any]:
            yield given.rows
            refused.extend(messages.refused)
            metadata.update(self._done(plan, messages))

        def holds(versions: Sequence[Version], beside: Collection[str]) -> bool:
            pending = {p: r for p, r in self._pending.items() if p in beside}
            fit = ranges.fits(self._pending[partition], plan.follows, plan.anew, versions, pending)
            if not fit:
                self._pending = pending  # what is neither stored nor about to be is not there to be followed
            return fit

        return Result(rows(), metadata, refused, holds)

    def _done(self, plan: _Plan, messages: Messages) -> dict[str, Any]:
        where = f"{self.contract.dataset}: partition {plan.partition!r}"
        if messages.ends is None:
            raise DeclarationError(f"{where}: its function did not take all messages; go through them to the end, and leave out rows after")
        found = plan.range(messages)
        if plan.fixed is not None and messages.count != plan.fixed.messages:
            raise PartitionUnavailable(
                f"{where}: topic {self.topic.name} has {messages.count:,} messages of the recorded offsets and had {plan.fixed.messages:,} "
                "when they were read (compaction drops messages); what is stored stays as it is"
            )
        self._pending[plan.partition] = found
        if found.gone:
            self.faults.setdefault(CHECK, {})[plan.partition] = (
                f"{plan.partition}: {found.lost:,} offsets of topic {self.topic.name} were gone before they were read: "
                f"{ranges.spelled(found.gone)}; what is left is stored"
            )
        lag = sum(end - found.offsets[n][1] for n, end in plan.state.ends.items() if n in found.offsets)
        told: dict[str, Any] = {ranges.NOTE: found.note(), "messages": found.messages}
        if plan.fixed is None:
            told["lag"] = lag
        if found.gone:
            told["lost_offsets"] = found.lost
        return told

    def _planned(self, partition: str) -> _Plan:
        window = self.partitions.time_window_for_partition_key(partition)
        start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
        where = f"{self.contract.dataset}: partition {partition!r}"
        if end > datetime.now(UTC):
            raise PartitionUnavailable(f"{where} is not over before {end:%Y-%m-%d %H:%M} UTC; materialize it then")
        known = ranges.recorded(self.history.refresh().versions())
        if partition in known:
            return self._again(known[partition], where)
        others = {**self._pending, **known}
        previous, following = ranges.before(start, others.values()), ranges.after(end, others.values())
        expected = self._key_before(partition)
        if expected is not None and (previous is None or previous.end < start):
            raise PartitionUnavailable(
                f"{where} begins where {expected!r} ended, and that has not been materialized; "
                f"materialize {self._first_missing(others)!r} first"
            )
        state = consuming.state(self.kafka, self.topic.name)
        anew = partition in self.topic.anew
        if previous is None or anew:
            begins = dict(state.earliest)
        else:
            self._refuse_rewound(previous, state, where, partition)
            begins = {n: previous.ends.get(n, 0) for n in state.ends}
        limits = dict(state.ends)
        if following is not None:
            limits = {n: min(limit, following.offsets.get(n, (limit,))[0]) for n, limit in limits.items()}
            begins = {n: min(begin, limits[n]) for n, begin in begins.items()}
        gone = ranges.missing(begins, state.earliest, limits, begins)
        follows = previous.partition if previous is not None else None
        return _Plan(partition, start, end, state, begins, limits, gone, follows, anew)

    def _again(self, fixed: Range, where: str) -> _Plan:
        """Read a recorded range once more, and nothing else."""
        state = consuming.state(self.kafka, self.topic.name)
        self._refuse_rewound(fixed, state, where, fixed.partition)
        if dropped := ranges.missing(fixed.begins, state.earliest, fixed.ends, fixed.offsets):
            raise PartitionUnavailable(
                f"{where}: topic {self.topic.name} no longer has all its messages ({ranges.spelled(dropped)}); "
                "what is stored stays as it is"
            )
        begins = {n: begin for n, (begin, _) in fixed.offsets.items()}
        return _Plan(fixed.partition, fixed.start, fixed.end, state, begins, fixed.ends, fixed.gone, fixed=fixed)

    def _refuse_rewound(self, previous: Range, state: TopicState, where: str, partition: str) -> None:
        fault = None
        short = {n: end for n, end in previous.ends.items() if state.ends.get(n, -1) < end}
        if previous.identity.differs(state.identity):
            fault = f"the topic is {state.identity} and {previous.partition!r} was read from {previous.identity}"
        elif short:
            number, end = min(short.items())
            now = f"ends at offset {state.ends[number]:,}" if number in state.ends else "is not there"
            fault = f"partition {number} of topic {self.topic.name} {now} and {previous.partition!r} was read to offset {end:,}"
        if fault is None:
            return
        remedy = (
            f'if the topic was made again, declare TopicInput(..., anew=("{partition}",))'
            if partition != previous.partition
            else "what is stored stays as it is"
        )
        text = f"{where}: {fault}; {remedy}"
        self.faults.setdefault(CHECK, {})[partition] = text
        raise PartitionUnavailable(text)

    def _key_before(self, partition: str) -> str | None:
        window = self.partitions.time_window_for_partition_key(partition)
        before = self.partitions.get_prev_partition_window(window.start)
        first = self.partitions.get_first_partition_window()
        if before is None or first is None or before.start < first.start:
            return None
        return str(self.partitions.get_partition_key_for_timestamp(before.start.timestamp()))

    def _first_missing(self, known: Collection[str]) -> str:
        """The partition to begin with: the first after those that are there, or the first of all."""
        return str(next((key for key in self.partitions.get_partition_keys() if key not in known), "the one before"))

    def _expected(self, plan: _Plan, begins: Mapping[int, int]) -> int:
        """About how many messages there will be, so that a small partition does not fetch all that comes after it."""
        most = sum(max(0, plan.limits[n] - begin) for n, begin in begins.items())
        if plan.fixed is not None or most <= _FEW:
            return most
        found = consuming.first_at(self.kafka, self.topic.name, sorted(begins), plan.end)
        return sum(max(0, (found[n] if found.get(n, -1) >= 0 else plan.limits[n]) - begin) for n, begin in begins.items())
