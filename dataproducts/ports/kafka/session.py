"""A topic opened for one run: what it stands on, what it gets next, and whether it holds what the dataset has."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataproducts import settings
from dataproducts.erasure.keys import typed
from dataproducts.errors import PortError, PortUnavailable
from dataproducts.history.changes import CHANGE, CHANGED, difference
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.history.table import Overtaken
from dataproducts.ports.journal import Journal
from dataproducts.ports.kafka import provisioning, state
from dataproducts.ports.kafka.changes import Unordered, changes
from dataproducts.ports.kafka.connection import Kafka
from dataproducts.ports.kafka.encoding import Encoding, keys
from dataproducts.ports.kafka.provisioning import Found, Settings
from dataproducts.ports.kafka.publishing import MESSAGE_OVERHEAD, Headers, Progress, Publisher, Transaction
from dataproducts.ports.port import Batch, Comparison, Delivered, Difference, Facts, Offered, Removed

if TYPE_CHECKING:
    from dataproducts.erasure.subjects import Erased

ROWS_AT_ONCE = 25_000
_IDENTITY = 32  # hex digits of a batch's identity that are carried along


class TopicSession:
    """A port's session (`ports.port.Session`) with one topic."""

    def __init__(
        self,
        offered: Offered,
        history: DatasetHistory,
        kafka: Kafka,
        port: str,
        settings_of_topic: Settings,
        encoding: Encoding,
        *,
        edition: int,
        whole: bool,
        run: str,
    ) -> None:
        self.offered, self.history, self.kafka, self.settings, self.encoding = offered, history, kafka, settings_of_topic, encoding
        self.topic, self.edition, self.whole, self.run = settings_of_topic.topic, edition, whole, run
        self._journal = Journal(history.root, offered.dataset, port)
        self._name = f"{settings.location()}.{offered.dataset.replace('/', '.')}.{port}"
        self._found: Found | None = None
        self._publisher: Publisher | None = None
        self._progress: Progress | None = None
        self._overtaken: set[int] = set()
        self._fenced = 0

    def close(self) -> None:
        """Let the brokers go; a transaction that is not committed does not arrive."""
        if self._publisher is not None:
            self._publisher.close()

    # -- what is there

    def prepare(self) -> None:
        """Create or check the topic; see that it is the one that was published to.

        Raises PortError: no such topic and no permission to create it, a setting that disagrees, another topic of the same name.
        """
        self._found = provisioning.provide(self.kafka, self.settings, self.offered.dataset)
        self.encoding.prepare(self.topic)
        last = self._last()
        if last is None or self._fresh(last):
            return
        who = self.offered.dataset
        again = f"set Topic({self.topic!r}, ..., edition={int(last['edition']) + 1}) to publish the whole state again"
        if int(last["edition"]) > self.edition:
            raise PortError(f"{who}: topic {self.topic} was published with edition {last['edition']} by newer code; deploy that")
        if int(last["edition"]) < self.edition:
            return
        if not self._is_here(last):
            raise PortError(f"{who}: topic {self.topic} is not the one that was published to, but one made since or elsewhere; {again}")
        now = state.ends(self.kafka, self.topic)
        for number, end in _ends(last).items():
            if now.get(number, (0, -1))[1] < end:
                raise PortError(
                    f"{who}: partition {number} of topic {self.topic} ends before offset {end}, up to which it was published; {again}"
                )
        if last["format"] != self.encoding.name:
            raise PortError(
                f"{who}: topic {self.topic} has been published as {last['format']} and is declared {self.encoding.name}; {again}"
            )

    def next_batch(self, delivered: Delivered, versions: Sequence[Version]) -> Sequence[Version]:
        """One version, as one transaction carries it; see `Topic` for which are passed over.

        Where nothing of this edition is at this topic, though versions were delivered before, their partitions come again.
        """
        standing = self._standing(delivered)
        newest: dict[str, Version] = {}
        versions = [v for v in versions if self._is_of_this_form(v)]
        for version in versions:
            if version.partition not in newest or newest[version.partition].number < version.number:
                newest[version.partition] = version
        if len(standing) < len(delivered.newest):
            lost = {p for p in delivered.newest if p not in standing}
            if self._one_state:
                lost = {delivered.batches[-1].versions[-1].partition} if not standing else set()
            for version in filter(self._is_of_this_form, self.history.versions()):
                if version.partition in lost and newest.get(version.partition, version).number <= version.number:
                    newest[version.partition] = version
        if self._one_state:
            last = _newest(standing)
            at = last or (delivered.batches[-1].versions[-1] if delivered.batches else None)
            newest = {p: v for p, v in newest.items() if at is None or p >= at.partition}
            if last is not None and last.partition in newest and newest[last.partition].number <= last.number:
                del newest[last.partition]
        else:
            newest = {p: v for p, v in newest.items() if p not in standing or standing[p].number < v.number}
        return [newest[min(newest)]] if newest else []

    @property
    def _one_state(self) -> bool:
        """Whether the partitions are successive states of the whole, of which a topic holds one."""
        return self.offered.contract.kind == "snapshot"

    def _last(self) -> Facts | None:
        """What the newest delivery told, by the journal."""
        told = [line.content for line in self._journal.refresh().lines if line.state == "delivered"]
        return told[-1] if told else None

    def _told(self, batch: int) -> Facts:
        for _ in range(2):
            for line in self._journal.lines:
                if line.batch == batch and line.state == "delivered":
                    told: Facts = line.content
                    return told
            self._journal.refresh()
        return {}

    def _is_here(self, told: Facts) -> bool:
        assert self._found is not None
        ids = (str(told.get("topic_id", "")), self._found.topic_id)
        return told.get("topic") == self.topic and told.get("cluster") == self._found.cluster and (ids[0] == ids[1] or "" in ids)

    def _fresh(self, told: Facts) -> bool:
        """Whether it is no wonder that the topic has nothing of what was published: another name, or a sandbox broker then or now."""
        assert self._found is not None
        elsewhere = told.get("topic") != self.topic or self._found.sandbox or told.get("sandbox") == "yes"
        return not self._is_here(told) and elsewhere

    def _counts(self, told: Facts) -> bool:
        return self._is_here(told) and told.get("edition") == self.edition

    def _standing(self, delivered: Delivered, any_edition: bool = False) -> dict[str, Version]:
        """What the topic holds by the journal, in order of delivery: the newest version of each partition; for snapshots the one state."""
        standing: dict[str, Version] = {}
        for batch in delivered.batches:
            told = self._told(batch.number)
            if self._counts(told) or (any_edition and self._is_here(told)):
                for version in batch.versions:
                    standing = {} if self._one_state else {p: v for p, v in standing.items() if p != version.partition}
                    standing[version.partition] = version
        return standing

    # -- delivering

    def deliver(self, batch: Batch, delivered: Delivered) -> Facts:
        """Deliver one version in one transaction. Raises as `Session.deliver`."""
        (version,) = batch.versions
        publisher = self._begun()
        if self._arrived(batch, delivered):
            return self._facts(self._progress)
        if not self._is_of_this_form(version):  # planned by older code, and nobody else can publish it now
            raise PortError(
                f"{version.dataset}: partition {version.partition!r} version {version.number} is of contract {version.contract} and topic "
                f"{self.topic} has rows of {self.offered.contract.version}; nothing of it arrived; materialize the partition again"
            )
        before = self._before(version, self._standing(delivered, any_edition=True))
        counted = self._before(version, self._standing(delivered))
        identity = batch.identity[:_IDENTITY]
        try:
            with publisher.transaction() as transaction:
                whole = self.whole or before is None or counted is None or not self._comparable(before, version)
                work = self._all(before, version) if whole else self._changes(before, version)  # type: ignore[arg-type]
                for change, frame, about in work:
                    self._send(transaction, version, change, frame, about, batch)
                progress = Progress(self.edition, batch.number, identity, transaction.messages, transaction.tombstones, transaction.bytes)
                transaction.commit(progress)
        except Overtaken:
            self._wait(batch)
            raise
        self._progress, self._fenced = progress, 0
        return self._facts(progress)

    def _begun(self) -> Publisher:
        assert self._found is not None
        if self._publisher is None:
            limit = self._found.max_message_bytes
            self._publisher = Publisher(self.kafka, self.topic, self._name, limit, transactional=not self._found.sandbox)
        if not self._publisher.begun:
            self._publisher.begin()
            self._progress = self._publisher.progress()
        return self._publisher

    def _arrived(self, batch: Batch, delivered: Delivered) -> bool:
        """Whether the batch is there already. Nobody else can publish now, so what is known now stays so."""
        assert self._found is not None
        progress, identity = self._progress, batch.identity[:_IDENTITY]
        if progress is not None and progress.edition > self.edition:
            raise PortError(
                f"{self.offered.dataset}: topic {self.topic} was published with edition {progress.edition} by newer code; deploy that"
            )
        if progress is not None and progress.edition == self.edition and progress.batch >= batch.number:
            if (progress.batch, progress.identity) == (batch.number, identity):
                return True
            if progress.batch > batch.number and batch.number not in self._overtaken:
                self._overtaken.add(batch.number)
                raise Overtaken
            raise PortError(
                f"{self.offered.dataset}: topic {self.topic} has batch {progress.batch}, of which the journal at {self._journal.url} does "
                f"not know; restore the journal, or set edition={self.edition + 1} of the Topic to publish the whole state again"
            )
        if progress is not None or self._found.sandbox:
            return False
        # brokers forget the progress of a group that was quiet for a week: the messages themselves tell
        start: dict[int, int] = {}
        for earlier in delivered.batches:
            told = self._told(earlier.number)
            if self._is_here(told):
                start = _ends(told)
        for some in state.messages(self.kafka, self.topic, start):
            for message in some:
                said = state.header(message)
                if said and (said.dataset, said.edition, said.batch, said.identity) == (
                    self.offered.dataset,
                    self.edition,
                    batch.number,
                    identity,
                ):
                    self._progress = Progress(self.edition, batch.number, identity, -1, -1, -1)
                    return True
        return False

    def _wait(self, batch: Batch) -> None:
        """Leave a newer publisher the time to finish: two that fence each other at once would never end."""
        self._fenced += 1
        until = time.monotonic() + min(2.0**self._fenced, 60.0) * random.uniform(0.5, 1.5)
        while time.monotonic() < until and self._journal.refresh().open == batch.number:
            time.sleep(0.1)

    def _facts(self, progress: Progress | None) -> Facts:
        assert self._found is not None
        assert progress is not None
        ends = state.ends(self.kafka, self.topic)
        counts: Facts = {"messages": progress.messages, "tombstones": progress.tombstones, "bytes": progress.bytes}
        return {
            "topic": self.topic,
            **{name: count for name, count in counts.items() if int(count) >= 0},
            "format": self.encoding.name,
            "edition": self.edition,
            "cluster": self._found.cluster,
            "topic_id": self._found.topic_id,
            "sandbox": "yes" if self._found.sandbox else "no",
            "ends": " ".join(f"{number}:{end}" for number, (_, end) in ends.items()),
        }

    # -- messages

    def _before(self, version: Version, standing: Mapping[str, Version]) -> Version | None:
        """The version that a version's changes are against."""
        return _newest(standing) if self._one_state else standing.get(version.partition)

    def _comparable(self, before: Version, after: Version) -> bool:
        """Whether a row that is equal in both is the same message."""
        contract = self.offered.contract
        if before.major != after.major or after.major != contract.version.major:
            return False
        if not before.files or before.contract == after.contract:
            return True
        then = pl.read_parquet_schema(self.history.table(before.major).absolute(before.files[0]))
        return all(name in then for name in contract.names)

    def _is_of_this_form(self, version: Version) -> bool:
        """Whether its rows can be messages as the contract now promises them."""
        return version.major == self.offered.contract.version.major

    def _rows(self, version: Version, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The rows of a version; a column that came later, with which nothing has been stored yet, is missing in all of them."""
        if not version.rows:
            return
        dtypes, there = self.offered.contract.dtypes, self.history.table(version.major).dtypes
        missing = [pl.lit(None, dtypes[name]).alias(name) for name in columns if name not in there]
        for frame in self.history.batches([version], [name for name in columns if name in there], ROWS_AT_ONCE):
            yield frame.with_columns(missing).select(columns) if missing else frame

    def _changes(self, before: Version, after: Version) -> Iterator[tuple[str, pl.DataFrame, None]]:
        contract = self.offered.contract
        names, key = contract.names, contract.key
        pieces: Iterable[pl.DataFrame]
        try:
            found = changes(self._rows(before, names), self._rows(after, names), key)
            first = next(found, None)
            pieces = chain([first] if first is not None else [], self._ordered(found))
        except Unordered:
            whole = [pl.concat([contract.empty(), *self._rows(v, names)]) for v in (before, after)]
            pieces = [difference(whole[0], whole[1], key).drop(CHANGED)]
        yield from _by_change(pieces)

    def _ordered(self, pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Once something was sent there is no way back to comparing the versions whole."""
        try:
            yield from pieces
        except Unordered:
            raise PortError(
                f"{self.offered.dataset}: a version's rows are not in the order of its key; set edition={self.edition + 1} of the Topic "
                f"{self.topic!r} to publish the whole state again"
            ) from None

    def _all(self, before: Version | None, after: Version) -> Iterator[tuple[str, pl.DataFrame, pl.Series | None]]:
        """Every row, then a tombstone for each key that was there before and is no more."""
        kept = [pl.Series("key", [], dtype=pl.UInt64)]
        for frame in self._rows(after, self.offered.contract.names):
            if before is not None:
                kept.append(state.digest(self._keys(frame, after)))
            yield ("insert" if before is None else "snapshot"), frame, None
        if before is None:
            return
        there = pl.concat(kept)
        table = self.history.table(before.major)
        for frame in self._rows(before, table.key):
            old = keys(frame, table.key, before.partition if table.kind != "snapshot" else None)
            gone = old.filter(~state.digest(old).is_in(there.implode()))
            if len(gone):
                yield "delete", frame.clear(), gone

    def _keys(self, frame: pl.DataFrame, version: Version) -> pl.Series:
        return keys(frame, self.offered.contract.key, None if self._one_state else version.partition)

    def _send(
        self, transaction: Transaction, version: Version, change: str, frame: pl.DataFrame, gone: pl.Series | None, batch: Batch
    ) -> None:
        named = gone if gone is not None else self._keys(frame, version)
        values = None if change == "delete" else self.encoding.encode(frame)
        carried = headers(version, change, batch, self.edition, self.run)
        sizes = named.bin.size() + (values.bin.size() if values is not None else 0)
        overhead = MESSAGE_OVERHEAD + sum(len(n) + len(v or b"") + 4 for n, v in carried)
        assert self._found is not None
        limit = self._found.max_message_bytes
        if len(sizes) and int(sizes.max()) + overhead > limit:  # type: ignore[arg-type]
            raise self._too_large(named, sizes, overhead, limit, version)
        transaction.send(named.to_list(), [None] * len(named) if values is None else values.to_list(), carried)
        transaction.messages += len(named)
        transaction.tombstones += len(named) if values is None else 0
        transaction.bytes += int(sizes.sum())

    def _too_large(self, named: pl.Series, sizes: pl.Series, overhead: int, limit: int, version: Version) -> PortError:
        worst = sizes.arg_max() or 0
        contract = self.offered.contract
        personal = any(contract.by_name[n].is_personal for n in contract.key)
        key = "a row, whose key is personal data" if personal else f"the row of key {bytes(named[worst]).decode()[:200]}"
        return PortError(
            f"{contract.dataset}: partition {version.partition!r} version {version.number} cannot be published to {self.topic}: {key}, "
            f"is a message of {int(sizes[worst]) + overhead:,} bytes, and the topic takes {limit:,}; raise max_message_bytes of the "
            "Topic (`spec.config.maxMessageBytes` of its manifest, at most 5,242,880) or leave columns out; nothing of the version arrived"
        )

    # -- erasing

    def erase(self, erased: Erased) -> Removed:
        """A tombstone for each key of those who are erased that the topic holds, and their row as the lake has it now where it stays.

        All of it in one transaction. The topic is read to its end, since whoever resumes an erasure knows hashes only.
        """
        publisher = self._begun()
        met = self._of_erased(erased)
        if not met:
            return Removed(0)
        standing = self._standing(self._journal.refresh().delivered(self.history.refresh().versions()))
        versions = {v.partition: v for v in self.history.versions()} | standing
        now = {partition: self._as_stored(versions[partition], rows) for partition, rows in met.items()}
        count, gone = sum(map(len, now.values())), any(value is None for rows in now.values() for value in rows.values())
        if not count:
            return Removed(0)
        number = max(line.batch for line in self._journal.lines if line.state == "delivered")
        batch = self._journal.batch(number, self.history.versions())
        identity = batch.identity[:_IDENTITY]
        try:
            with publisher.transaction() as transaction:
                for partition, rows in now.items():
                    carried = headers(versions[partition], state.ERASE, batch, self.edition, self.run)
                    transaction.send([*rows], [*rows.values()], carried)
                transaction.commit(self._progress or Progress(self.edition, number, identity, -1, -1, -1))
        except Overtaken:
            raise PortUnavailable(f"{self.offered.dataset}: another run publishes to {self.topic}; resume the erasure") from None
        hours = self.settings.delete_retention_hours
        what = "a tombstone" if gone else "the row as it is now"
        return Removed(
            count,
            f"readers see {what} for each key at once; the messages before it lie in topic "
            f"{self.topic} until the broker compacts it" + (f", and the tombstones {hours} hours longer" if hours and gone else ""),
        )

    def _of_erased(self, erased: Erased) -> dict[str, dict[bytes, bytes | None]]:
        """The keys in the topic of those who are erased whose newest message is a row, by the partition that it is of.

        With the row where it stays and is to be emptied, else with None.
        """
        newest: dict[bytes, _Newest] = {}
        for some in state.messages(self.kafka, self.topic):
            ours = [(m, said) for m in some if (said := state.header(m)) is not None and said.dataset == self.offered.dataset]
            goes, stays = self._hits([m.key() for m, _ in ours], [m.value() for m, _ in ours], erased)
            for (message, said), here_goes, here_stays in zip(ours, goes, stays, strict=True):
                key, value = bytes(message.key()), message.value()  # type: ignore[arg-type]
                was = newest.get(key, _NOTHING)
                goes_or_went, stays_or_stayed = here_goes or was.goes, here_stays or was.stays
                row = value if stays_or_stayed and not goes_or_went else None
                newest[key] = _Newest(goes_or_went, stays_or_stayed, value is not None, said.partition, row)
        met: dict[str, dict[bytes, bytes | None]] = {}
        for key, one in newest.items():
            if one.is_row and (one.goes or one.stays):
                met.setdefault(one.partition, {})[key] = one.row
        return met

    def _as_stored(self, version: Version, met: Mapping[bytes, bytes | None]) -> dict[bytes, bytes | None]:
        """What has to be sent, so that the topic has these rows as the lake has them, which has been cleaned: None is a tombstone."""
        now: dict[bytes, bytes | None] = dict.fromkeys(met)
        staying = pl.Series([key for key, row in met.items() if row is not None], dtype=pl.Binary)
        for frame in self._rows(version, self.offered.contract.names) if len(staying) else ():
            named = self._keys(frame, version)
            theirs = named.is_in(staying.implode())
            if theirs.any():
                now.update(zip(named.filter(theirs), self.encoding.encode(frame.filter(theirs)), strict=True))
        return {key: row for key, row in now.items() if row is None or row != met[key]}

    def _hits(self, named: Sequence[Any], values: Sequence[Any], erased: Erased) -> tuple[pl.Series, pl.Series]:
        """Which of these messages are of rows that go, and which of rows that stay and are to be emptied."""
        contract = self.offered.contract
        everybody = (*erased.subjects, *erased.emptied)
        wanted = sorted({c for one in everybody if set(one.columns) <= set(contract.names) for c in one.columns})
        none = pl.repeat(False, len(named), dtype=pl.Boolean, eager=True)
        if not wanted or not len(named):
            return none, none
        in_value = [n for n in wanted if n not in contract.key]
        if in_value and self.encoding.name != "json":
            raise PortError(
                f"{contract.dataset}: topic {self.topic} is {self.encoding.name}, in which nobody is found by {in_value[0]!r}; erase by key"
            )
        records = [json.loads(value if in_value and value is not None else key) for key, value in zip(named, values, strict=True)]
        frame = pl.DataFrame(
            [
                typed(pl.Series(n, [_as_text(record.get(n)) for record in records], dtype=pl.String), contract.dtypes[n]).rename(n)
                for n in wanted
            ]
        )
        return erased.hits(frame), erased.stays(frame)

    # -- comparing

    def compare(self, versions: Sequence[Version], full: bool) -> Comparison:
        """Hold the topic against those of the versions that it stands on: how many rows it has, and where `full` which.

        Of a topic whose policy lets messages go after a time, only what it still has is judged.
        """
        if self._found is None:
            self.prepare()
        assert self._found is not None
        asked = {(v.partition, v.number) for v in versions}
        for _ in range(5):
            delivered = self._journal.refresh().delivered(self.history.refresh().versions())
            standing = self._standing(delivered)
            judged = [v for v in standing.values() if (v.partition, v.number) in asked]
            if not judged:
                return Comparison(0, 0)
            progress = self._known_progress()
            newest = max(b.number for b in delivered.batches if self._counts(self._told(b.number)))
            held = state.held(self.kafka, self.topic, self.offered.dataset)
            if held.newest <= (self.edition, newest):  # else another run has delivered more since the journal was read
                break
        found: list[Difference] = []
        last = judged[-1]
        if progress is not None and progress.edition == self.edition and progress.batch < newest:
            text = f"the broker says that batch {progress.batch} was the last at topic {self.topic}, and the journal says {newest}"
            found.append(Difference(last.partition, last.number, text))
        if held.foreign:
            text = f"topic {self.topic} holds {held.foreign:,} messages that this port did not publish"
            found.append(Difference(last.partition, last.number, text))
        found += self._repeated(delivered, held)
        for version in judged:
            found += self._compared(version, held, full)
        return Comparison(len(judged), sum(v.rows for v in judged), tuple(found))

    def _known_progress(self) -> Progress | None:
        assert self._found is not None
        if self._publisher is None:
            self._publisher = Publisher(
                self.kafka, self.topic, self._name, self._found.max_message_bytes, transactional=not self._found.sandbox
            )
        return self._publisher.progress()

    def _repeated(self, delivered: Delivered, held: state.Held) -> Iterator[Difference]:
        """Batches of which the topic has more messages than were published. Fewer are no fault, where newer ones replace them."""
        assert self._found is not None
        if self._found.sandbox:  # which shows what was never committed too
            return
        batches = {batch.number: batch for batch in delivered.batches}
        for line in self._journal.lines:
            if line.state != "delivered" or line.batch not in batches or not self._counts(line.content) or "messages" not in line.content:
                continue
            published = int(line.content["messages"])
            more = held.counts[self.edition, line.batch] - published
            if more > 0:
                version = batches[line.batch].versions[-1]
                text = f"topic {self.topic} has {more:,} messages beyond the {published:,} that were published as batch {line.batch}"
                yield Difference(version.partition, version.number, text)

    def _is_as_then(self, version: Version) -> bool:
        """Whether the rows of a version are the same messages now as when it was published, which may have been under another contract."""
        contract = self.offered.contract
        if version.contract == str(contract.version) or not version.files:
            return True
        if version.major != contract.version.major or self.encoding.name != "json":
            return False
        then = pl.read_parquet_schema(self.history.table(version.major).absolute(version.files[0]))
        return tuple(name for name in then if not name.startswith("_")) == contract.names

    def _compared(self, version: Version, held: state.Held, full: bool) -> Iterator[Difference]:
        contract = self.offered.contract
        passing = "delete" in self.settings.cleanup_policy
        mine = held.frame if self._one_state else held.frame.filter(pl.col("partition") == held.number(version.partition))
        there = mine.filter(~pl.col("gone"))
        if not full and not passing and there.height == version.rows:
            return
        pieces = [pl.DataFrame(schema=state.DIGESTS)]
        for frame in self._rows(version, contract.names):
            pieces.append(state.digests(self._keys(frame, version), self.encoding.encode(frame), 0, 0))
        wanted = pl.concat(pieces)
        missing = wanted.join(there, on="key", how="anti").height
        if passing:  # of what is not there, only a tombstone says that it should not be
            missing = wanted.join(mine.filter(pl.col("gone")), on="key", how="semi").height
        surplus = there.join(wanted, on="key", how="anti").height
        both = wanted.join(there, on="key", how="inner")
        other = both.filter(pl.col("value") != pl.col("value_right")).height if full and self._is_as_then(version) else 0
        for count, what in ((missing, "does not have"), (surplus, "has beyond the"), (other, "has otherwise than the dataset")):
            if count:
                rows = f"{count:,} of {version.rows:,} rows" if what != "has beyond the" else f"{count:,} keys"
                yield Difference(version.partition, version.number, _sentence(self.topic, what, rows, version))


class _Newest(NamedTuple):
    """What the topic has under a key: whether any message of it was of a row that goes or stays; the newest one, and its row if needed."""

    goes: bool
    stays: bool
    is_row: bool
    partition: str
    row: bytes | None


_NOTHING = _Newest(False, False, False, "", None)


def _as_text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)


def headers(version: Version, change: str, batch: Batch, edition: int, run: str) -> Headers:
    """What each message says of itself, as UTF-8 text. `change` is insert, update, delete, or snapshot where all rows are sent."""
    product, dataset = settings.split_name(version.dataset)
    told = {
        "product": product,
        "dataset": dataset,
        "contract": version.contract,
        "partition": version.partition,
        "version": str(version.number),
        "run": run,
        "known_at": version.known_at.isoformat(),
        "content_hash": version.content_hash,
        "change": change,
        "batch": str(batch.number),
        "batch_identity": batch.identity[:_IDENTITY],
        "edition": str(edition),
    }
    return [(name, text.encode()) for name, text in told.items()]


def _newest(standing: Mapping[str, Version]) -> Version | None:
    """The version that was delivered last."""
    return list(standing.values())[-1] if standing else None


def _sentence(topic: str, what: str, rows: str, version: Version) -> str:
    of = f"partition {version.partition} version {version.number}" if version.partition != UNPARTITIONED else f"version {version.number}"
    if what == "has beyond the":
        return f"topic {topic} has {rows} that {of} does not have"
    return f"topic {topic} {what} {rows} of {of}"


def _ends(told: Facts) -> dict[int, int]:
    """Offsets by topic partition, as `_facts` wrote them."""
    found: dict[int, int] = {}
    for pair in str(told.get("ends", "")).split():
        number, _, end = pair.partition(":")
        with suppress(ValueError):
            found[int(number)] = int(end)
    return found


def _by_change(pieces: Iterable[pl.DataFrame]) -> Iterator[tuple[str, pl.DataFrame, None]]:
    for piece in pieces:
        for change in ("insert", "update", "delete"):
            rows = piece.filter(pl.col(CHANGE) == change).drop(CHANGE)
            if rows.height:
                yield change, rows, None
