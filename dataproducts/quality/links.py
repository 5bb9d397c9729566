"""Which pseudonym follows which: kept while former keys are held, so that what was stored before a rotation joins what comes after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from dataproducts.contract import Column, Contract, SemVer
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.quality.pseudonymization import LINKS

FOLDER = "/pseudonyms"


class Links:
    """The links of one dataset, an append-only table beside its history. They hold pseudonyms only."""

    def __init__(self, root: str, dataset: str) -> None:
        self.history = DatasetHistory(root, f"{dataset}{FOLDER}")
        columns = tuple(Column(n, t, False, "") for n, t in LINKS.items())
        self.contract = Contract(self.history.dataset, SemVer(1, 0, 0), columns, ("former",))

    def keep(self, by_partition: Mapping[str, Sequence[pl.DataFrame]]) -> None:
        """Record the links of partitions; those recorded before stay."""
        drafts = [
            Draft.of(partition, pl.concat(frames).unique("former", keep="last"), self.contract)
            for partition, frames in by_partition.items()
            if frames
        ]
        if drafts:
            self.history.commit(drafts, self.contract, operation="pseudonyms")

    def all(self) -> pl.DataFrame:
        """Every link there is: `former`, `pseudonym`."""
        versions = self.history.refresh().versions()
        if not versions:
            return pl.DataFrame(schema=LINKS)
        return self.history.collect(versions, list(LINKS)).unique()

    @staticmethod
    def same(pseudonyms: Iterable[str], links: pl.DataFrame) -> set[str]:
        """All pseudonyms of those who have one of these, whichever rotation they come from."""
        found, more = set(pseudonyms), True
        while more:
            mine = links.filter(pl.col("former").is_in(list(found)) | pl.col("pseudonym").is_in(list(found)))
            more = bool(others := {*mine["former"], *mine["pseudonym"]} - found)
            found |= others
        return found


def translate(values: Any, *datasets: str) -> Any:
    """Pseudonyms under the newest key: those of before a rotation as the ones that came after it, the others as they are.

    `values` is a pandas or polars series, and so is the answer. `datasets` ("product/dataset") are those in which the persons have been met
    since the rotation; whoever has not been has no newer pseudonym. Raises UnknownDataset for a name that is none.

        old = dp.read("shop/orders", partition="2026-01", columns=["customer"])
        old["customer"] = dp.translate(old["customer"], "shop/orders")
    """
    from dataproducts import settings

    newer: dict[str, str] = {}
    for name in datasets:
        settings.split_name(name)
        newer |= dict(Links(settings.lake(), name).all().iter_rows())
    given = values if isinstance(values, pl.Series) else pl.Series(list(values), dtype=pl.String)
    done = given
    for _ in range(len(newer)):  # a second rotation makes chains of two
        following = done.replace(list(newer), list(newer.values())) if newer else done
        if following.equals(done):
            break
        done = following
    if isinstance(values, pl.Series):
        return done.alias(values.name)
    return type(values)(done.to_list(), index=values.index, name=values.name)
