"""Load a code location of many products, as Dagster does at the start of every run.

Floor: the same number of plain Dagster assets with as many checks and columns each, without the kit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.measurement import Comparison, Size, by_turns, scratch
from benchmarks.peers import Peers, in_process, report
from benchmarks.sales import write_product

PRODUCTS = {"small": 3, "full": 200}
DATASETS = 5

_SCHEMAS = '''\
"""The contract of the datasets."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

import dataproducts as dp

'''
_SCHEMA = '''
class Row{number}(pa.DataFrameModel):
    """What dataset {number} holds."""

    row_id: int = dp.column("Number of the row.", ge=0)
    organization_number: str = dp.column("Who.", source="orgnr", str_matches=r"^[89]\\d{{8}}$")
    name: str = dp.column("Their name.", source="navn")
    municipality: str = dp.column("Where.", source="kommune", str_length={{"min_value": 4, "max_value": 4}})
    amount: float = dp.column("How much.", source="belop", unit="NOK", nullable=True, ge=0)
    employees: int = dp.column("How many.", source="ansatte", nullable=True, ge=0)
    kind: str = dp.column("Which.", source="type", isin=["a", "b", "c"])
    sold_on: pl.Date = dp.column("When.", source="dato", nullable=True)

    class Config:
        """One row per number."""

        unique = "row_id"
'''
_DATASETS = '''\
"""The datasets of a generated product."""

from __future__ import annotations

import dagster as dg
import polars as pl

import dataproducts as dp
from assets.{name} import schemas

product = dp.DataProduct(__file__)
daily = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="Europe/Oslo")
'''
_DATASET = '''

@product.dataset(schema=schemas.Row{number}, partitions=daily, quarantine=True)
def dataset_{number}(partition: str{upstream}) -> pl.DataFrame:
    """Dataset {number}."""
    raise NotImplementedError
'''


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """From the start of importing the definitions to the repository definition, each time in a fresh process."""
    products = PRODUCTS[size]
    with scratch() as folder:
        _write_location(folder, products)
        taken = by_turns(
            rounds,
            {
                "ours": lambda: in_process("load", "ours", folder, products)["seconds"],
                "floor": lambda: in_process("load", "plain", folder, products)["seconds"],
            },
        )
    return [
        Comparison(
            name="load",
            what=f"load a code location of {products} products x {DATASETS} datasets",
            ours=taken["ours"],
            floor=taken["floor"],
            floor_is="plain Dagster assets with as many checks",
            target=5.0,
            target_is_seconds=True,
            rounds=rounds,
        )
    ]


def _write_location(folder: Path, products: int) -> None:
    for package in ("assets", "resources"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    (folder / "resources" / "local.py").write_text("def resources():\n    return {}\n", encoding="utf-8")
    for number in range(products):
        name = f"product_{number:03}"
        datasets = write_product(folder / "assets" / name, name)
        (datasets.parent / "__init__.py").touch()
        schemas = [_SCHEMA.format(number=n) for n in range(DATASETS)]
        (datasets.parent / "schemas.py").write_text(_SCHEMAS + "".join(schemas), encoding="utf-8")
        functions = [_DATASET.format(number=n, upstream=f", dataset_{n - 1}" if n else "") for n in range(DATASETS)]
        datasets.write_text(_DATASETS.format(name=name) + "".join(functions), encoding="utf-8")


def _main(contestant: str, folder: Path, products: int) -> None:
    """One contestant's turn, in a process of its own."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    start = perf_counter()
    found = _ours() if contestant == "ours" else _plain(products)
    seconds = perf_counter() - start
    assert found == products * DATASETS, found
    report(seconds=seconds)


def _ours() -> int:
    from dataproducts.definitions import build_defs

    return len(build_defs().get_repository_def().asset_graph.executable_asset_keys)


def _plain(products: int) -> int:
    import dagster as dg

    daily = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="Europe/Oslo")
    columns = dg.TableSchema([dg.TableColumn(f"column_{n}", type="String", description="A column.") for n in range(8)])
    assets = []
    for product in range(products):
        for number in range(DATASETS):
            key = dg.AssetKey([f"product_{product:03}", f"dataset_{number}"])
            above = [dg.AssetKey([f"product_{product:03}", f"dataset_{number - 1}"])] if number else []
            spec = dg.AssetSpec(key, deps=above, metadata={"dagster/column_schema": columns}, partitions_def=daily)
            checks = [dg.AssetCheckSpec(f"check_{n}", asset=key) for n in range(_CHECKS)]

            @dg.multi_asset(name=f"product_{product:03}__dataset_{number}", specs=[spec], check_specs=checks)
            def asset():  # unannotated: Dagster would hold None against the outputs
                """Nothing."""

            assets.append(asset)
    return len(dg.Definitions(assets=assets).get_repository_def().asset_graph.executable_asset_keys)


_CHECKS = 14
"""As many as each generated dataset has: shape, key, row count, five required columns and six rules."""


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
