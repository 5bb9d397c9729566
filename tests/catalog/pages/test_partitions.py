"""The calendar's cells: what is stored, missing, failed and quarantined."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dataproducts.catalog import reading
from dataproducts.catalog.web import partitions
from dataproducts.catalog.web.catalog import Catalog
from tests.catalog.pages import sample


@pytest.fixture
def lines(sample_catalog: Catalog) -> Any:
    def lines(name: str, now: datetime = sample.NOW) -> dict[str, partitions.Line]:
        with sample_catalog.database.reading() as connection:
            found = reading.dataset(connection, name)
        assert found is not None
        return {one.partition: one for one in partitions.lines(found, now, str)}

    return lines


def test_days_without_a_version_are_missing_and_say_why_where_it_is_known(lines: Any) -> None:
    found = lines("enhetsregisteret/enheter")
    assert found["2026-11-22"].state == "stored"
    assert found["2026-11-11"].state == "failed"
    assert "svarte ikke" in found["2026-11-11"].error
    assert found["2026-10-20"].state == "missing"
    assert list(found) == sorted(found)


def test_a_day_that_has_not_ended_is_not_missing(lines: Any) -> None:
    found = lines("saksflyt/ko")  # three days late
    assert found["2026-11-19"].state == "stored"
    assert found["2026-11-20"].state == "missing"
    assert found["2026-11-21"].state == "missing"
    assert "2026-11-22" not in found
    later = lines("saksflyt/ko", sample.NOW.astimezone(UTC) + timedelta(days=1))
    assert later["2026-11-22"].state == "missing"


def test_rows_in_quarantine_show(lines: Any) -> None:
    assert [line.state for line in lines("saksflyt/saker").values()].count("quarantined") >= 3


def test_months_are_months(lines: Any) -> None:
    found = lines("stillinger/stillingsstatistikk")
    assert list(found)[-1] == "2026-11"
    assert all(len(one) == 7 for one in found)
    assert {one.state for one in found.values()} == {"stored"}
