"""`dataproducts quarantine`: rows a contract refused, why, and trying them again under today's contract."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import ConfigurationError

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset
    from dataproducts.quality.quarantine import Replay

FIRST = 20  # refused rows shown as a table


@click.command()
@click.argument("name", metavar="PRODUCT/DATASET")
@click.option("--partition", metavar="KEY", help="Only of this partition.")
@click.option("--replay", is_flag=True, help="Hold the rows against the contract as it is now, and store those that pass.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array; the rows as they were received, personal data included.")
def quarantine(name: str, partition: str | None, replay: bool, as_json: bool) -> None:
    """The rows that a dataset's contract refused, and why."""
    if replay:
        _replay(name, partition, as_json)
    else:
        _list(name, partition, as_json)


def _list(name: str, partition: str | None, as_json: bool) -> None:
    from dataproducts import settings
    from dataproducts.history.ledger import UNPARTITIONED
    from dataproducts.quality.quarantine import Quarantine

    dataset = _known(name, partition)
    refused = Quarantine(settings.lake(), name).rows(partition, only_open=True).sort("partition", "refused_at", "row_id")
    rows = list(refused.iter_rows(named=True))
    if as_json:
        click.echo(json.dumps([_plain(row) for row in rows], ensure_ascii=False, indent=2))
        return
    if not rows:
        where = f"partition {partition} of {name}" if partition else name
        tables.note(f"{where} has no rows in quarantine")
        return
    personal = dataset is None or any(c.is_personal for c in dataset.contract.columns)
    headings = [Heading("refused at"), Heading("contract"), Heading("broken rules", keep=False)]
    cells: list[list[object]] = [[f"{r['refused_at']:%Y-%m-%dT%H:%M:%SZ}", r["contract"], ", ".join(r["rules"])] for r in rows[:FIRST]]
    if not personal:
        headings.append(Heading("as received", keep=False))
        cells = [[*cell, r["received"]] for cell, r in zip(cells, rows, strict=False)]
    if {r["partition"] for r in rows} != {UNPARTITIONED}:
        headings.insert(0, Heading("partition"))
        cells = [[r["partition"], *cell] for cell, r in zip(cells, rows, strict=False)]
    tables.show(headings, cells)
    rules = Counter(rule for row in rows for rule in row["rules"])
    if len(rows) > FIRST:
        tables.note(f"showing the first {FIRST}; --json gives all")
    tables.note(f"{tables.count(len(rows), 'row')} in quarantine: " + ", ".join(f"{rule} {n:,}" for rule, n in rules.most_common()))
    if personal:
        tables.note("the rows themselves may hold personal data and are shown with --json only")
    tables.note("when the contract or the source has been mended, --replay stores what then passes")


def _replay(name: str, partition: str | None, as_json: bool) -> None:
    from dataproducts import settings
    from dataproducts.cli import location
    from dataproducts.history.ledger import UNPARTITIONED
    from dataproducts.quality.quarantine import Quarantine

    dataset = location.dataset(name)
    done = Quarantine(settings.lake(), name).replay(dataset.history(), dataset.contract, partition, dataset.declaration.limits.anonymity)
    _announce(dataset, done)
    if as_json:
        click.echo(json.dumps([vars(replayed) for replayed in done], ensure_ascii=False, indent=2))
        return
    if not done:
        tables.note(f"{name} has no rows in quarantine")
        return
    headings = [Heading("passed", "right"), Heading("remaining", "right"), Heading("version", "right")]
    rows: list[list[object]] = [[r.passed, r.remaining, r.version] for r in done]
    if {r.partition for r in done} != {UNPARTITIONED}:
        headings.insert(0, Heading("partition"))
        rows = [[r.partition, *row] for r, row in zip(done, rows, strict=True)]
    tables.show(headings, rows)


def _announce(dataset: Dataset, done: list[Replay]) -> None:
    """Tell Dagster of the versions a replay made, so that what follows the dataset follows them too."""
    made = [replayed for replayed in done if replayed.version is not None]
    if not made:
        return
    from dataproducts.cli.runs import dagster_instance
    from dataproducts.dataset import materialization
    from dataproducts.history.store import Committed
    from dataproducts.materialization import Outcome

    current = dataset.history().current()
    with dagster_instance() as instance:
        for replayed in made:
            version = current[replayed.partition]
            metadata = {"replayed": f"{tables.count(replayed.passed, 'row')} from quarantine"}
            outcome = Outcome(replayed.partition, Committed(version, True), received=version.rows, metadata=metadata)
            instance.report_runless_asset_event(materialization(dataset.declaration, outcome))


def _known(name: str, partition: str | None) -> Dataset | None:
    """The declared dataset, or None for one that only the lake knows. Raises UnknownDataset for what neither knows."""
    from dataproducts.cli import location
    from dataproducts.history import lake

    try:
        dataset = location.declared().get(name)
    except ConfigurationError:
        dataset = None
    if dataset is None:
        lake.open_history(name)
    elif partition is not None:
        from dataproducts.cli import partitions

        partitions.one(dataset, partition)
    return dataset


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    try:
        received = json.loads(row["received"])
    except ValueError:
        received = row["received"]
    return {**row, "received": received, "refused_at": row["refused_at"].isoformat()}
