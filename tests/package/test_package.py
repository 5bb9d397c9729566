"""A data package: what frictionless reads is what the dataset holds, whole, the same each time, and without personal data."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import frictionless
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import ConfigurationError, DeclarationError, UnknownDataset
from dataproducts.package.folder import Packaged, Wanted, package
from dataproducts.ports.port import Offered
from dataproducts.product_facts import ProductFacts

FRICTIONLESS = Path(sys.executable).with_name("frictionless")
FACTS: dict[str, Any] = {
    "name": "shop",
    "title": {"nb": "Butikk", "en": "Shop"},
    "description": {"nb": "Salget i butikkene.", "en": "What the shops sell."},
    "status": "active",
    "version": "1.0.0",
    "team": "team-shop",
    "contact": {"name": "Team Shop", "email": "team-shop@example.com"},
    "personal_data": {"class": "directly_identifying", "reason": "Names."},
    "access": {"level": "restricted", "can_read": ["team-finance"]},
    "license": "CC_BY_4_0",
    "rights": "© The shops",
    "limitations": "Not for | accounting.",
    "publisher": {"name": "NAV", "organization_number": "889640782"},
    "themes": ["ECON"],
    "keywords": ["sales"],
    "periodicity": "DAILY",
}


class Sale(pa.DataFrameModel):
    """What was sold."""

    receipt: str = dp.column("Receipt | number", personal="none", str_matches=r"^[a-z]*$")
    amount: Annotated[pl.Decimal, 20, 2] = dp.column("What it cost", unit="NOK", personal="none", nullable=True, ge=0)
    kind: str = dp.column("Kind of good", personal="none", nullable=True, isin=["food", "tools"])
    at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When", personal="none", nullable=True)
    day: pl.Date = dp.column("Day", personal="none", nullable=True)
    weight: float = dp.column("Weight", personal="none", nullable=True)
    tags: Annotated[pl.List, pl.String()] = dp.column("Words", personal="none", nullable=True)
    paid: bool = dp.column("Whether it is paid", personal="none")
    pieces: int = dp.column("How many", personal="none", nullable=True, in_range={"min_value": 0, "max_value": 100})
    raw: bytes = dp.column("Bytes", personal="none", nullable=True)
    buyer: str = dp.column("Who bought it", personal="directly_identifying")
    street: str = dp.column("Where they live", personal="protected_address")


CONTRACT = Contract.of(Sale, dataset="shop/sales", key="receipt", kind="table")
ROWS = [
    {
        "receipt": "b", "amount": Decimal("19.90"), "kind": "food", "at": datetime(2026, 11, 1, 12, 30, 0, 5, UTC), "day": date(2026, 11, 1),
        "weight": 1.5, "tags": ["x", 'say "hi", æøå'], "paid": True, "pieces": 3, "raw": b"\x00\xff", "buyer": "Kari SECRET",
        "street": "SECRET vei 1",
    },
    {
        "receipt": "", "amount": None, "kind": None, "at": None, "day": None, "weight": float("inf"), "tags": [], "paid": False,
        "pieces": None, "raw": None, "buyer": "Ola SECRET", "street": "SECRET vei 2",
    },
]  # fmt: skip


def offer(contract: Contract = CONTRACT, access: str = "restricted", readers: tuple[str, ...] = ("team-finance",)) -> Offered:
    facts = ProductFacts.model_validate(FACTS | {"access": {"level": "restricted", "can_read": readers}})
    return Offered(facts, contract, "Sales", "What was sold, | day by day.", access, "directly_identifying")


@pytest.fixture
def sold(store: Callable[..., Any]) -> Callable[..., None]:
    def sell(**partitions: list[dict[str, Any]]) -> None:
        store(CONTRACT, {key.replace("_", "-"): pl.DataFrame(rows, schema=CONTRACT.dtypes) for key, rows in partitions.items()})

    return sell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "sales"


def make(folder: Path, *offers: Offered, name: str = "shop/sales", force: bool = False, **wanted: Any) -> Packaged:
    return package(name, offers or [offer()], folder, Wanted(**wanted), force=force)


def described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "datapackage.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_frictionless_command_finds_nothing_wrong(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS, p_2=[ROWS[0] | {"receipt": "c"}])
    make(folder)
    told = subprocess.run([FRICTIONLESS, "validate", "--json", "datapackage.json"], cwd=folder, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout
    (task,) = json.loads(told.stdout)["tasks"]
    assert (task["valid"], task["stats"]["rows"], task["warnings"]) == (True, 3, [])


def test_the_frictionless_command_notices_a_file_that_was_changed(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    make(folder)
    path = folder / "data/sales.csv"
    path.write_text(path.read_text().replace("19.90", "-1.00"))
    told = subprocess.run([FRICTIONLESS, "validate", "--json", "datapackage.json"], cwd=folder, capture_output=True, text=True)
    assert told.returncode == 1
    (task,) = json.loads(told.stdout)["tasks"]
    assert {"hash-count", "constraint-error"} & {error["type"] for error in task["errors"]}


def test_values_come_back_as_they_were(sold: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sold(p_1=ROWS)
    make(folder)
    monkeypatch.chdir(folder)
    with frictionless.Package("datapackage.json").resources[0] as resource:
        empty, full = [row.to_dict() for row in resource.row_stream]
    assert full["amount"] == Decimal("19.90")
    assert full["tags"] == ["x", 'say "hi", æøå']
    assert (full["at"], full["day"], full["pieces"], full["paid"]) == (ROWS[0]["at"], date(2026, 11, 1), 3, True)
    assert empty["receipt"] == ""  # an empty text is one, where none may be missing
    assert empty["weight"] == Decimal("Infinity")
    assert [empty[name] for name in ("amount", "kind", "at", "day", "pieces", "raw")] == [None] * 6
    assert empty["_partition"] == "p-1"


def test_the_schema_says_what_the_contract_promises(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    make(folder)
    (resource,) = described(folder)["resources"]
    fields = {field["name"]: field for field in resource["schema"]["fields"]}
    assert resource["schema"]["primaryKey"] == ["_partition", "receipt"]
    assert fields["receipt"]["constraints"] == {"required": True, "pattern": "[a-z]*"}
    assert fields["kind"]["constraints"] == {"enum": ["food", "tools"]}
    assert fields["amount"]["constraints"] == {"minimum": 0}
    assert fields["pieces"]["constraints"] == {"minimum": 0, "maximum": 100}
    assert [fields[n]["type"] for n in ("amount", "at", "day", "tags", "paid", "raw")] == [
        "number", "datetime", "date", "array", "boolean", "string",
    ]  # fmt: skip


def test_it_says_which_versions_its_rows_are(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS, p_2=ROWS[:1])
    sold(p_1=ROWS[:1])
    make(folder)
    found = described(folder)
    (resource,) = found["resources"]
    versions = {v.partition: v for v in dp.versions("shop/sales") if (v.partition, v.number) in (("p-1", 2), ("p-2", 1))}
    assert {(v["partition"], v["version"], v["content_hash"]) for v in resource["versions"]} == {
        (v.partition, v.number, v.content_hash) for v in versions.values()
    }
    assert datetime.fromisoformat(found["created"]) == max(v.known_at for v in versions.values())
    data = (folder / "data/sales.csv").read_bytes()
    assert (resource["bytes"], resource["hash"]) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    assert found["licenses"] == [
        {
            "name": "CC-BY-4.0",
            "title": "Creative Commons Attribution 4.0 International",
            "path": "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0",
        }
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_same_versions_give_the_same_bytes(sold: Any, folder: Path, form: str) -> None:
    sold(p_1=ROWS, p_2=ROWS[:1])
    make(folder, form=form)
    again = folder.with_name("again")
    make(again, form=form)
    assert contents(folder) == contents(again)
    assert set(contents(folder)) == {"datapackage.json", "README.md", "LICENSE.md", f"data/sales.{form}"}


def test_parquet_holds_what_the_dataset_holds(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS, p_2=ROWS[:1])
    make(folder, form="parquet")
    kept = [c for c in CONTRACT.names if c not in ("buyer", "street")]
    expected = dp.scan("shop/sales", columns=["_partition", *kept]).sort("_partition", "receipt").collect()
    assert pl.read_parquet(folder / "data/sales.parquet").sort("_partition", "receipt").equals(expected)
    assert list(frictionless.Package.metadata_validate(described(folder))) == []


def test_it_can_be_as_it_was_known_then_or_of_one_partition(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS, p_2=ROWS[:1])
    (then,) = {v.known_at for v in dp.versions("shop/sales")}
    sold(p_1=ROWS[:1])
    assert make(folder, as_of=(then + timedelta(microseconds=1)).isoformat()).resources[0].rows == 3
    assert make(folder, force=True).resources[0].rows == 2
    made = make(folder, force=True, partition="p-1", as_of=then.isoformat())
    assert [(v.partition, v.number) for v in made.resources[0].versions] == [("p-1", 1)]
    with pytest.raises(UnknownDataset, match="nothing was known at"):
        make(folder, force=True, as_of="2020-01-01")


def test_personal_data_stays_and_the_readme_says_so(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    make(folder)
    assert not [name for name, data in contents(folder).items() if b"SECRET" in data]
    readme = (folder / "README.md").read_text()
    assert "Left out because they hold personal data: `buyer`, `street`." in readme
    assert described(folder)["resources"][0]["leftOut"] == ["buyer", "street"]


def test_personal_data_comes_along_where_access_allows_but_a_protected_address_never(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    make(folder, with_personal=True)
    data = (folder / "data/sales.csv").read_text()
    assert "Kari SECRET" in data
    assert "SECRET vei" not in data
    assert "Only team-shop, team-finance may read them" in (folder / "README.md").read_text()
    assert {oct(path.stat().st_mode & 0o077) for path in [folder, *folder.rglob("*")]} == {"0o0"}


def test_personal_data_does_not_come_along_where_access_says_no(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    with pytest.raises(DeclarationError, match=r"shop/sales: product.yaml names nobody under access.can_read"):
        make(folder, offer(readers=()), with_personal=True)
    with pytest.raises(DeclarationError, match=r"its access is 'internal', so no personal data leaves"):
        make(folder, offer(access="internal"), with_personal=True)
    assert not folder.exists()


def test_a_dataset_of_personal_columns_alone_gives_no_package(store: Any, folder: Path, declare: Any) -> None:
    contract = declare({"name": pa.Column(str, metadata={"dataproducts": {"personal": "directly_identifying"}})}, dataset="shop/people")
    store(contract, {"-": [{"name": "Kari"}]})
    with pytest.raises(DeclarationError, match="every column holds personal data, so nothing is left to package"):
        make(folder, offer(contract), name="shop/people")


def test_intervals_are_given_as_readers_see_them(sold: Any, folder: Path, product: Any, materialize: Any) -> None:
    import dagster as dg

    class Price(pa.DataFrameModel):
        """A price."""

        item: str = dp.column("Item")
        price: int = dp.column("Price")

    days = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-03")
    prices = {"2026-11-01": [("a", 1), ("b", 1)], "2026-11-02": [("a", 2)]}

    @product.dataset(schema=Price, key="item", kind="snapshot", partitions=days)
    def listed(partition: str) -> pl.DataFrame:
        return pl.DataFrame(prices[partition], schema={"item": pl.String, "price": pl.Int64}, orient="row")

    history = product.history(listed)
    for day in prices:
        materialize(product, "listed", partition=day)
        materialize(product, "listed_history", partition=day)
    from dataproducts.port_asset import offered

    make(folder, offered(history.declaration), name="shop/listed_history")
    assert (folder / "data/listed_history.csv").read_text().splitlines() == [
        "item,price,valid_from,valid_to",
        "a,1,2026-11-01,2026-11-02",
        "a,2,2026-11-02,",
        "b,1,2026-11-01,2026-11-02",
    ]
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert report.valid, report.to_summary()


def test_a_folder_that_is_taken_is_left_alone(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    make(folder)
    before = contents(folder)
    with pytest.raises(ConfigurationError, match="is there already; give another folder with -o, or replace the package with --force"):
        make(folder)
    assert contents(folder) == before
    (folder / "mine.txt").write_text("x")
    make(folder, force=True)
    assert contents(folder) == before
    other = folder.with_name("documents")
    other.mkdir()
    (other / "thesis.txt").write_text("x")
    with pytest.raises(ConfigurationError, match="is no data package, so --force does not replace it"):
        make(other, force=True)
    assert (other / "thesis.txt").exists()


def test_a_package_that_fails_leaves_nothing_and_the_one_before_stays(sold: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sold(p_1=ROWS)
    make(folder)
    before = contents(folder)

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigurationError, match="cannot be written \\(No space left on device\\)"):
        make(folder, force=True)
    monkeypatch.undo()
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["sales"]


def test_a_killed_process_leaves_no_half_package(sold: Any, folder: Path, home: Path) -> None:
    sold(p_1=ROWS)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.package.test_package import make\n"
        "from dataproducts.package import folder\n"
        "folder._durable = lambda draft: os._exit(9)\n"
        "make(Path(sys.argv[1]))\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env={**os.environ})
    assert died.returncode == 9, died.stderr
    assert not folder.exists()
    make(folder)
    assert described(folder)["resources"][0]["rowCount"] == 2


def test_a_product_is_one_package_and_says_what_is_not_in_it(sold: Any, folder: Path, store: Any, declare: Any) -> None:
    sold(p_1=ROWS)
    shops = declare({"town": str, "shops": int}, key="town", dataset="shop/shops")
    store(shops, {"-": [{"town": "Vestly", "shops": 2}]})
    never = declare({"town": str}, key="town", dataset="shop/never")
    made = make(folder, offer(), offer(shops, "open"), offer(never), name="shop")
    assert [one.paths for one in made.resources] == [("data/sales.csv",), ("data/shops.csv",)]
    assert len(made.left) == 1
    assert "shop/never has no history" in (folder / "README.md").read_text()
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert report.valid, report.to_summary()
    assert described(folder)["title"] == "Shop"


def test_a_readme_is_one_table_whatever_the_texts_say(sold: Any, folder: Path) -> None:
    sold(p_1=ROWS)
    make(folder)
    rows = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| `receipt`")]
    assert rows == ["| `receipt` | String | no | Receipt \\| number |"]
