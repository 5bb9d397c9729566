"""Made-up events with the wire shape of the topic, for the laptop and the tests: ten orders a day, each placed and most of them paid."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dataproducts.ports.kafka.synthetic import SyntheticTopic

OSLO = ZoneInfo("Europe/Oslo")


@dataclass(frozen=True)
class Message:
    """An event of an order."""

    at: datetime
    key: str
    value: bytes

    @property
    def sent(self) -> datetime:
        """When it reaches the topic."""
        return self.at


class Topic(SyntheticTopic):
    """The topic, as `dataproducts up` drives it."""

    topic = "my-team.product_name-events"
    start_variable = "PRODUCT_VARIABLE_START"

    def messages(self, first_day: date, day: date) -> Sequence[Message]:
        """All that is sent until the end of `day`, in order."""
        days = [first_day + timedelta(days=n) for n in range((day - first_day).days + 1)]
        return [message for one in days for message in sorted(events_of(one), key=lambda m: m.at)]


def events_of(day: date) -> list[Message]:
    """The events of ten orders, the same every time."""
    found = []
    for number in range(10):
        order = {"order": f"{day}-{number}", "shop": ["Nordby", "Vestly"][number % 2], "amount": f"{100 + number}.50"}
        at = datetime.combine(day, time(8 + number), OSLO)
        outcome = "cancelled" if number == 9 else "paid"
        for status, moment in (("placed", at), (outcome, at + timedelta(minutes=30))):
            found.append(Message(moment, order["order"], json.dumps({**order, "status": status}).encode()))
    return found


def upstream() -> Topic:
    """What `dataproducts up` runs beside the product."""
    return Topic()
