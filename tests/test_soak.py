"""The soak in short: runs at once, sensor and catalog on PostgreSQL, all of them killed now and then, and nothing is lost."""

from __future__ import annotations

import os

import pytest

from benchmarks.soak import Job, editions, jobs, soak
from tests import postgres


@pytest.mark.skipif(not os.environ.get("CI"), reason="kills servers and processes for most of a minute: set CI=1")
def test_nothing_is_lost_while_processes_and_servers_are_killed() -> None:
    if postgres.binaries() is None:
        pytest.skip("needs a PostgreSQL server (apt: postgresql)")
    done = soak(assets=40, materializations=80, every=4)
    assert (done.lost, done.doubled, done.behind) == (0, 0, 0)
    assert done.datasets == 40
    assert done.versions == done.materializations == sum(n for of in editions(jobs(40, 2)).values() for n in of.values())
    faults = done.faults
    assert faults.runs + faults.sensor + faults.catalog + faults.database > 0


def test_what_is_to_be_made_is_every_day_once_and_a_part_of_it_twice() -> None:
    found = jobs(25, 3)
    assert [(job.datasets, job.edition) for job in found] == [(range(20), 1), (range(20, 25), 1), (range(20), 2)]
    wanted = editions(found)
    assert wanted["soak_0/dataset_24"] == {"2026-01-01": 1, "2026-01-02": 1, "2026-01-03": 1}
    assert wanted["soak_0/dataset_3"] == {"2026-01-01": 2, "2026-01-02": 2, "2026-01-03": 1}
    assert Job(7, range(20, 25), ("2026-01-01", "2026-01-03"), 1).text() == "7 20 25 2026-01-01 2026-01-03 1\n"
