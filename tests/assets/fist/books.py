"""The synthetic accounting system beside the datasets made from it, as the tests of Fist drive them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa

from assets.fist import accounts, checks  # noqa: F401 - declares what is made of the raw datasets
from assets.fist.datasets import product
from assets.fist.sandbox import Sandbox
from assets.fist.sandbox.world import OSLO, World
from tests.conftest import Recorded

EPOCH = date(2026, 11, 1)
STATES = ["kontoplan", "kostnadssteder", "leverandorer", "budsjett"]
ENTRIES = ["bilag", "bilagslinjer"]
RAW_CHECKS = [
    checks.entries_balance, checks.lines_have_their_entry, checks.lines_have_their_account, checks.entries_have_their_vendor,
    checks.numbers_are_unbroken,
]  # fmt: skip
CHECKS = [*RAW_CHECKS, checks.periods_tie_to_the_journal, checks.budget_ties]


Rows = dict[tuple[Any, ...], Any]
"""Rows by key."""


def newest(world: World, table: str, day: str, *key: str) -> Rows:
    """The rows of a table as they stand when that day is over."""
    last = date.fromisoformat(day)
    return {tuple(c.row[k] for k in key): c.row for c in world.log if c.table == table and c.at.astimezone(OSLO).date() <= last}


def names(of: list[Any]) -> set[str]:
    """The names of checks."""
    return {key.name for check in of for key in check.check_keys}


@dataclass
class Books:
    """The accounting system and the datasets made from it."""

    sandbox: Sandbox
    instance: Any

    @classmethod
    def at(cls, day: str, instance: Any, url: str | None = None) -> Books:
        """Books that stand at the end of a day."""
        sandbox = Sandbox(url, epoch=EPOCH, clock=lambda: datetime(2026, 12, 31, tzinfo=UTC))
        sandbox.start()
        sandbox.travel(date.fromisoformat(day))
        return cls(sandbox, instance)

    def make(self, *made: str, day: str, until: str | None = None) -> Recorded:
        """Materialize, with the product's own checks."""
        keys = [product.datasets[name].declaration.key for name in made]
        tags = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": until} if until else {}
        ran = dg.materialize(
            [*product.datasets.values(), *CHECKS],
            selection=dg.AssetSelection.assets(*keys),
            instance=self.instance,
            partition_key=None if until else day,
            tags=tags,
            raise_on_error=False,
        )
        return Recorded(ran.run_id, self.instance)

    def execute(self, *statements: str) -> None:
        """Change what stands in the database."""
        engine = sa.create_engine(self.sandbox.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
