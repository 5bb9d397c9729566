"""Events of the synthetic topic as the dataset of events has them, without a broker in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from zlib import crc32

import polars as pl

from assets.arbeidsplassen.ads import end_of
from assets.arbeidsplassen.sandbox import Event, World
from assets.arbeidsplassen.schemas import Stillingshendelse
from dataproducts.contract import Contract
from dataproducts.quality.conform import Conformed, conform

EPOCH = date(2026, 11, 2)
CONTRACT = Contract.of(Stillingshendelse, dataset="arbeidsplassen/stillingshendelser")


def records(events: Iterable[Event], offsets: Counter[int] | None = None) -> list[Any]:
    """The records of messages, in four partitions by key; what is no object is left as it is."""
    offsets = Counter() if offsets is None else offsets
    found: list[Any] = []
    for event in events:
        partition = crc32(event.key.encode()) % 4
        own = {"partition": partition, "offset": offsets[partition], "timestamp": event.at, "key": event.key, "value": "{}"}
        offsets[partition] += 1
        try:
            value = json.loads(event.value or b"null")
        except ValueError:
            value = None
        found.append({"kafka": own, **value} if isinstance(value, dict) else value)
    return found


def conformed(events: Iterable[Event], offsets: Counter[int] | None = None) -> Conformed:
    """The messages under the contract, and those that it refuses."""
    return conform(records(events, offsets), CONTRACT)


def rows(world: World, days: Sequence[date]) -> dict[date, pl.LazyFrame]:
    """The rows of each day, in the order of the topic; what went before the first is in the first."""
    offsets: Counter[int] = Counter()
    world.advance(days[-1])
    found: dict[date, pl.LazyFrame] = {}
    done = 0
    for day in days:
        last = sum(event.sent < end_of(day) for event in world.log)
        found[day] = conformed(world.log[done:last], offsets).frame.lazy()
        done = last
    return found
