"""What a command that somebody waits for does where the other end of a port is away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from dataproducts.cli import following
from dataproducts.cli.following import Following
from dataproducts.cli.runs import Outcome, Runs
from tests.cli.conftest import Location

MORE = '''\
"""A dataset that leaves through a topic."""

import polars as pl

import dataproducts as dp
from assets.weather.datasets import product
from assets.weather.schemas import Reading


@product.dataset(schema=Reading, key="station", ports=[dp.Topic("weather.posted")])
def posted():
    """Readings for others."""
    return pl.DataFrame({"station": ["Vestly"], "temperature": [1.0]}).with_columns(day=pl.date(2026, 11, 1))
'''
AWAY = Outcome("", "failed", error="shop/sales: the shelf does not answer; run again", passing=True)


def test_an_unreachable_broker_is_one_sentence_after_one_try(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    location.ok("materialize", "weather/posted")
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:1")
    monkeypatch.setattr("dataproducts.ports.kafka.connection.TIMEOUT", 0.5)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waits {seconds} seconds"))
    told = location.refusal("materialize", "weather/posted/kafka")
    assert told.startswith("weather/posted: cannot reach the brokers: Kafka at 127.0.0.1:1 cannot be reached")
    monkeypatch.setenv("KAFKA_BROKERS", "foo")
    told = location.refusal("materialize", "weather/posted/kafka")
    assert told == "weather/posted: KAFKA_BROKERS has 'foo', which is no address with a port; write it as host:port,host:port"


class Answers:
    """Runs whose outcomes are given."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)

    def run(self, keys: Sequence[str]) -> list[Outcome]:
        return [self.outcomes.pop(0)]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(following.time, "sleep", found.append)
    return found


@pytest.mark.parametrize(
    ("outcomes", "waited"),
    [
        ([AWAY, AWAY, Outcome("", "new")], [30.0, 60.0]),
        ([AWAY] * 4, [30.0, 60.0, 120.0]),
        ([Outcome("", "failed", error="shop/sales: the shelf is full; take something off it")], []),
    ],
    ids=["comes back", "stays away", "will not pass"],
)
def test_without_a_daemon_a_port_is_tried_again_where_it_may_help(outcomes: list[Outcome], waited: list[float], waits: list[float]) -> None:
    said: list[str] = []
    one: Any = Following.__new__(Following)
    one.say = said.append
    assert one._again(cast(Runs, Answers(*outcomes)), []) == [outcomes[-1]]
    assert waits == waited
    assert said == [f"{AWAY.error}; trying again in {seconds:g} seconds" for seconds in waited]
