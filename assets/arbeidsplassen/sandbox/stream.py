"""The synthetic topic: what the world's days send to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

from assets.arbeidsplassen.sandbox.world import Event, World
from dataproducts.ports.kafka.synthetic import SyntheticTopic

TOPIC = "teampam.stilling-historikk"


class Sandbox(SyntheticTopic):
    """The topic of job-ad events, as `dataproducts up` drives it."""

    topic = TOPIC
    start_variable = "ARBEIDSPLASSEN_START"

    def __init__(self, world: World | None = None, *, brokers: str | None = None, clock: Callable[[], datetime] | None = None) -> None:
        """`brokers` are addresses of a broker to send to, instead of one of its own. `clock` gives an aware datetime."""
        super().__init__(world.epoch if world is not None else None, brokers=brokers, clock=clock)
        self._world = world

    @property
    def world(self) -> World:
        """The ads behind it."""
        if self._world is None:
            self._world = World() if self.first_day is None else World(epoch=self.first_day)
        return self._world

    def messages(self, first_day: date, day: date) -> Sequence[Event]:
        """The world's events until the end of `day`."""
        self.world.advance(day)
        return self.world.log
