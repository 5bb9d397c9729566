"""The product of docs/ports.md is made as it says: a topic feeds hours, and hours make a day."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import dataproducts as dp
from dataproducts.ports.kafka.connection import Brokers, Kafka
from dataproducts.ports.kafka.sandbox import sandbox_broker
from tests.cli.conftest import Location, inside
from tests.test_readme import BLOCKS, ROOT, run

PYTHON = re.findall(r"```python\n(.*?)```", (ROOT / "docs/ports.md").read_text(), re.DOTALL)


def test_the_product_of_the_document_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = {m[1]: text for _, text in BLOCKS if (m := re.match(r"# assets/coffee/(\S+)\n", text))}
    of_readme, rest = readme["datasets.py"].split("@product.dataset", 1)
    assert rest.count("@product") == 0
    folder = tmp_path / "assets/coffee"
    folder.mkdir(parents=True)
    (folder / "product.yaml").write_text(readme["product.yaml"])
    (folder / "datasets.py").write_text("\n\n".join([of_readme, *PYTHON]))
    for package in ("assets", "assets/coffee", "resources"):
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "resources/local.py").write_text("def resources():\n    return {}\n")
    with sandbox_broker() as addresses:
        monkeypatch.setenv("KAFKA_BROKERS", addresses)
        producer = Kafka(Brokers(addresses)).producer()
        for hour, machine in ((0, "kitchen"), (1, "lobby"), (5, "kitchen")):
            at = datetime(2026, 1, 1, hour, 30, tzinfo=UTC)
            value = json.dumps({"machine": {"name": machine}})
            producer.produce("team-coffee.events", value, timestamp=int(at.timestamp() * 1000))
        assert producer.flush(10) == 0
        place = Location(tmp_path)
        with inside(place):
            run("dataproducts materialize coffee/events --from 2026-01-01-00:00 --to 2026-01-01-23:00", place)
            run("dataproducts materialize coffee/state --partition 2026-01-01", place)
            heard = dp.read("coffee/state")
    assert [(row.machine, row.at.hour) for row in heard.sort_values("machine").itertuples()] == [("kitchen", 5), ("lobby", 1)]
