"""Loading the code location: everything is there, nothing is touched, and what is wrong is said in one sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import dataproducts.definitions as location
from dataproducts.errors import ConfigurationError, DataProductsError, DeclarationError

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).parent / "data" / "definitions.json"
UPDATE = "UPDATE_SNAPSHOTS"


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process in a folder."""
    kept = {k: v for k, v in os.environ.items() if k not in ("ENHETSREGISTERET_START", "DAGSTER_HOME")}
    return subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=folder,
        env={**kept, "DATAPRODUCTS_HOME": str(folder / "not-there")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# What there is


def described(definitions: dg.Definitions) -> dict[str, Any]:
    """Everything of a location that Dagster shows of it, as JSON values."""
    repository = definitions.get_repository_def()
    declared = [asset for asset in definitions.assets or () if isinstance(asset, dg.AssetsDefinition)]
    checks = {
        asset.key.to_user_string(): sorted(f"{c.name}{' (blocking)' if c.blocking else ''}: {c.description}" for c in asset.check_specs)
        for asset in sorted(declared, key=lambda asset: asset.key)
    }
    return {
        "assets": {spec.key.to_user_string(): _spec(spec) for spec in sorted(definitions.resolve_all_asset_specs(), key=lambda s: s.key)},
        "checks": checks,
        "schedules": {s.name: [s.cron_schedule, s.execution_timezone, s.default_status.value] for s in repository.schedule_defs},
        "sensors": {s.name: [s.sensor_type.value, s.minimum_interval_seconds, s.default_status.value] for s in repository.sensor_defs},
        "resources": sorted(repository.get_top_level_resources()),
    }


def _spec(spec: dg.AssetSpec) -> dict[str, Any]:
    schema = spec.metadata.get("dagster/column_schema")
    lineage = spec.metadata.get("dagster/column_lineage")
    derived = {column: [d.column_name for d in deps] for column, deps in lineage.deps_by_column.items()} if lineage else {}
    columns = {}
    for column in schema.columns if schema else ():
        about = [column.type, *([] if column.constraints.nullable else ["required"]), *(["unique"] if column.constraints.unique else [])]
        columns[column.name] = ", ".join([*about, *column.constraints.other, *(f"from {name}" for name in derived.get(column.name, ()))])
    policy = spec.freshness_policy
    return {
        "description": spec.description,
        "deps": sorted(d.asset_key.to_user_string() for d in spec.deps),
        "owners": list(spec.owners),
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "tags": {k: v for k, v in sorted(spec.tags.items()) if not k.startswith("dagster/kind/")},
        "code_version": spec.code_version,
        "partitions": str(spec.partitions_def) if spec.partitions_def else None,
        "freshness": str(policy.fail_window.to_timedelta()) if policy else None,
        "automated": spec.automation_condition is not None,
        "metadata": {k: str(v) for k, v in sorted(spec.metadata.items()) if k.startswith("dataproducts/")},
        "columns": columns,
    }


def test_the_location_is_what_it_was(home: Path) -> None:
    """A reviewer sees what a change does to the graph. To accept it: UPDATE_SNAPSHOTS=1 pytest tests/test_definitions.py"""
    text = json.dumps(described(location.build_defs()), ensure_ascii=False, indent=1) + "\n"
    text = re.sub(r'(?:/[^/"\n]+)+?/packages/', "<home>/packages/", text)  # the home is that of whoever imported the products first
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(text)
    was, now = json.loads(SNAPSHOT.read_text()), json.loads(text)
    for part in was.keys() | now.keys():
        assert now.get(part) == was.get(part), f"{part} changed; if that is meant, run again with {UPDATE}=1 and commit {SNAPSHOT.name}"


def test_the_snapshot_would_notice_a_change(product: Any) -> None:
    import pandera.polars as pa

    import dataproducts as dp

    def declared(**more: Any) -> dict[str, Any]:
        class Row(pa.DataFrameModel):
            id: int = dp.column("Number.", **more)

        product.datasets.clear()
        product.dataset(schema=Row, key="id", name="sales")(list)
        return described(product.definitions())

    assert declared() == declared()
    assert declared() != declared(ge=1)
    assert declared()["assets"]["shop/sales"]["columns"] == {"id": "Int64, required, unique"}


def test_the_location_loads_and_every_asset_resolves() -> None:
    definitions = location.build_defs()
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    register = {"enheter", "underenheter", "roller", "oppdateringer", "organisasjonsformer", "enheter_historikk"}
    ads = {"stillingshendelser", "stillinger", "stillinger_per_naering"}
    accounts = {"kontoplan", "kostnadssteder", "leverandorer", "bilag", "bilagslinjer", "budsjett"}
    made = {"manedssaldo", "budsjett_mot_faktisk", "forbruk_per_naering"}
    ports = {f"{dataset}/{port}" for dataset in ("enheter", "stillinger_per_naering") for port in ("bigquery", "kafka")}
    ports |= {f"{dataset}/{port}" for dataset in made for port in ("bigquery", "package")}
    ports.add("organisasjonsformer/package")
    expected = register | ads | accounts | made | {"posteringer", "dim_kostnadssted"} | ports
    assert {"/".join(key.path[1:]) for key in graph.executable_asset_keys} == expected
    assert all(graph.get(key).owners for key in graph.executable_asset_keys)
    assert graph.get(dg.AssetKey(["enhetsregisteret", "enheter_historikk"])).parent_keys == {dg.AssetKey(["enhetsregisteret", "enheter"])}


def test_schedule_and_automation_are_on_without_anyone_switching_them_on() -> None:
    repository = location.build_defs().get_repository_def()
    assert {s.name: s.default_status.value for s in repository.schedule_defs} == {
        "arbeidsplassen_hourly": "RUNNING",
        "enhetsregisteret_daily": "RUNNING",
        "examples_daily": "RUNNING",
        "fist_entries": "RUNNING",
        "fist_states": "RUNNING",
        "reconcile_catalog_schedule": "RUNNING",
        "reconcile_contents_schedule": "RUNNING",
    }
    assert {s.name: s.default_status.value for s in repository.sensor_defs} == {
        "arbeidsplassen_automation": "RUNNING",
        "enhetsregisteret_automation": "RUNNING",
        "enhetsregisteret_fjernet": "RUNNING",
        "arbeidsplassen_tatt_ned": "RUNNING",
        "fist_automation": "RUNNING",
        "publish_metadata": "RUNNING",
        "send_alerts": "STOPPED",  # nobody can be told from here
    }


def test_a_resource_can_be_replaced_for_a_test() -> None:
    assert location.build_defs({"register": "another"}).resources["register"] == "another"


# Loading


def test_loading_touches_nothing() -> None:
    """In a process of its own: no socket, no file written, no program started, no home made."""
    done = python(
        f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        touched = []
        writing = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "os.system")

        def look(event, args):
            written = event == "open" and isinstance(args[0], str) and (
                (args[1] or "r")[0] != "r" or "+" in (args[1] or "") or args[2] & 0o3)
            if (event in writing or written) and args[0] != "/dev/null":
                touched.append((event, str(args)[:200]))

        import dagster, dagster_gcp, polars, pandera.polars  # what these do when imported is their own
        sys.addaudithook(look)
        from dataproducts.definitions import defs
        repository = defs().get_repository_def()
        assert len(repository.asset_graph.executable_asset_keys) == 31
        assert not touched, touched
        """,
        ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert not (ROOT / "not-there").exists()


def test_importing_the_kit_imports_none_of_its_libraries() -> None:
    heavy = ["dagster", "polars", "pandas", "pandera", "deltalake", "duckdb", "httpx", "pyarrow"]
    done = python(f"import sys, dataproducts; print([name for name in {heavy!r} if name in sys.modules])", ROOT)
    assert done.stdout.strip() == "[]", done.stderr


PRODUCT = '''
import dagster as dg
import pandera.polars as pa

import dataproducts as dp

product = dp.DataProduct(__file__)
days = dg.DailyPartitionsDefinition("2026-01-01")


class Row(pa.DataFrameModel):
    """Rows."""

    id: int = dp.column("Number.", ge=1)
    name: str = dp.column("Name.", nullable=True)


for number in range(5):
    product.dataset(schema=Row, key="id", name=f"d{number}", partitions=days)(lambda: [])
'''


@pytest.fixture
def repository(tmp_path: Path, facts_file: Callable[..., Path]) -> Path:
    """A team's own repository, as yet without products."""
    for package in ("assets", "resources"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "resources" / "local.py").write_text("def resources():\n    return {}\n")
    return tmp_path


def add_product(repository: Path, facts_file: Callable[..., Path], name: str) -> Path:
    folder = facts_file(name)
    (folder / "__init__.py").touch()
    (folder / "datasets.py").write_text(PRODUCT)
    return folder


def test_a_repository_of_fifty_datasets_loads_from_where_it_lies(repository: Path, facts_file: Callable[..., Path]) -> None:
    for number in range(10):
        add_product(repository, facts_file, f"p{number}")
    done = python(
        """
        from dataproducts.definitions import defs, products
        assert sorted(products()) == [f"p{n}" for n in range(10)]
        print(len(defs().get_repository_def().asset_graph.executable_asset_keys))
        """,
        repository,
    )
    assert done.stdout.strip() == "50", done.stderr


@pytest.fixture
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has not loaded a location yet."""

    def own() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] in ("assets", "resources")]

    for name in own():
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in own():
        del sys.modules[name]


@pytest.fixture
def load(repository: Path, monkeypatch: pytest.MonkeyPatch, not_loaded: None) -> Callable[[], dg.Definitions]:
    """Load the location that lies in the repository, in place of the one here."""
    monkeypatch.chdir(repository)
    monkeypatch.syspath_prepend(str(repository))
    return location.build_defs


def refusal(load: Callable[[], dg.Definitions]) -> str:
    with pytest.raises(DataProductsError) as error:
        load()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_product_file_that_is_not_yaml_is_named_with_its_line(
    load: Callable[[], dg.Definitions], repository: Path, facts_file: Callable[..., Path]
) -> None:
    folder = add_product(repository, facts_file, "p")
    (folder / "product.yaml").write_text("name: p\ntitle: {nb: [\n")
    assert refusal(load).startswith(f"{folder / 'product.yaml'}:")


def test_a_product_without_its_file_is_told_of(
    load: Callable[[], dg.Definitions], repository: Path, facts_file: Callable[..., Path]
) -> None:
    folder = add_product(repository, facts_file, "p")
    (folder / "product.yaml").unlink()
    assert str(folder / "product.yaml") in refusal(load)


def test_two_datasets_of_one_name_are_told_of_when_the_location_loads(
    load: Callable[[], dg.Definitions], repository: Path, facts_file: Callable[..., Path]
) -> None:
    folder = add_product(repository, facts_file, "p")
    with (folder / "datasets.py").open("a") as file:
        file.write('product.dataset(schema=Row, key="id", name="d3")(lambda: [])\n')
    assert refusal(load) == "p/d3 is declared twice; give one of the two another name"


def test_a_resource_nobody_has_is_named_when_the_location_loads(
    load: Callable[[], dg.Definitions], repository: Path, facts_file: Callable[..., Path]
) -> None:
    folder = add_product(repository, facts_file, "p")
    with (folder / "datasets.py").open("a") as file:
        file.write('product.dataset(schema=Row, key="id", name="more")(lambda warehouse: [])\n')
    with pytest.raises(DeclarationError, match="p/more: its function takes 'warehouse', which is neither"):
        load()


def test_sandboxes_examples_and_schemas_are_not_taken_for_definitions(
    load: Callable[[], dg.Definitions], repository: Path, facts_file: Callable[..., Path]
) -> None:
    folder = add_product(repository, facts_file, "p")
    for module in ("sandbox", "examples", "schemas"):
        (folder / f"{module}.py").write_text("raise RuntimeError('imported')\n")
    assert {key.path[0] for key in load().resolve_asset_graph().get_all_asset_keys()} - {"dataproducts"} == {"p"}


def test_an_environment_that_does_not_exist_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAPRODUCTS_ENV", "production")
    with pytest.raises(ConfigurationError) as error:
        location.build_defs()
    assert str(error.value) == "DATAPRODUCTS_ENV is 'production', and there is no such environment; set it to local or gcp"


def test_a_missing_variable_is_named_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAPRODUCTS_ENV", "gcp")
    with pytest.raises(ConfigurationError) as error:
        location.build_defs()
    assert str(error.value) == "DATAPRODUCTS_LAKE is not set; it has to give the lake's address, for instance gs://bucket/lake"


def test_a_missing_address_of_the_register_is_told_of_by_the_run_that_needs_it(
    monkeypatch: pytest.MonkeyPatch, home: Path, materialize: Any
) -> None:
    monkeypatch.setenv("DATAPRODUCTS_ENV", "gcp")
    monkeypatch.setenv("DATAPRODUCTS_LAKE", str(home / "lake"))
    product = location.products()["enhetsregisteret"]
    run = materialize(product, "organisasjonsformer", resources={"register": location.resources()["register"]})
    assert not run.success
    assert "ENHETSREGISTERET_URL is not set; it has to give the register's address" in run.text


def test_a_first_day_that_is_no_day_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.enhetsregisteret.datasets import _first_day

    monkeypatch.setenv("ENHETSREGISTERET_START", "2026-13-01")
    with pytest.raises(ConfigurationError) as error:
        _first_day()
    assert str(error.value) == "ENHETSREGISTERET_START is '2026-13-01', which is not a day; write it as 2026-11-01"


@pytest.mark.parametrize(
    ("recorded", "variable", "start"),
    [(None, None, "2026-11-01"), ("2026-11-09", None, "2026-11-09"), ("2026-11-09", "2026-11-05", "2026-11-05")],
)
def test_whatever_loads_the_location_begins_on_the_day_that_up_recorded_unless_told_otherwise(
    recorded: str | None, variable: str | None, start: str, home: Path, monkeypatch: pytest.MonkeyPatch, not_loaded: None
) -> None:
    if recorded is not None:
        home.mkdir()
        (home / "first_day").write_text(recorded)
    if variable is not None:
        monkeypatch.setenv("ENHETSREGISTERET_START", variable)
    enheter = location.products()["enhetsregisteret"].datasets["enheter"]
    assert enheter.declaration.partitions.get_first_partition_key() == start


def test_up_and_the_products_read_the_same_record_of_the_first_day(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.enhetsregisteret import datasets

    up = import_module("dataproducts.cli.up")
    monkeypatch.delenv("ENHETSREGISTERET_START", raising=False)
    today = date(2026, 11, 22)
    assert datasets._first_day() == "2026-11-01"
    begun = up._first_day(today)
    assert begun == today - timedelta(days=up.NIGHTS - 1)
    assert datasets._first_day() == begun.isoformat()
    assert up._first_day(today + timedelta(days=3)) == begun
    (home / "first_day").write_text("yesterday")
    with pytest.raises(ConfigurationError, match="first_day does not hold a day; write one as 2026-11-01, or delete the file"):
        datasets._first_day()


def test_errors_are_one_family() -> None:
    from dataproducts import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, DataProductsError) for kind in kinds)


# Dagster's own tools


def dg_command(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "ENHETSREGISTERET_START")}
    command = [str(Path(sys.executable).with_name("dg")), *arguments]
    environment |= {"DATAPRODUCTS_HOME": str(home), "VIRTUAL_ENV": sys.prefix, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_dg_check_defs_finds_nothing_wrong(home: Path) -> None:
    done = dg_command("check", "defs", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout + done.stderr


def test_dg_list_defs_lists_what_there_is(home: Path) -> None:
    done = dg_command("list", "defs", "--json", home=home)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert "enhetsregisteret/enheter" in {asset["asset_key"] for asset in listed["assets"]}
    assert {schedule["name"] for schedule in listed["schedules"]} == {
        "arbeidsplassen_hourly",
        "enhetsregisteret_daily",
        "examples_daily",
        "fist_entries",
        "fist_states",
        "reconcile_catalog_schedule",
        "reconcile_contents_schedule",
    }
    assert {sensor["name"] for sensor in listed["sensors"]} == {
        "arbeidsplassen_automation",
        "enhetsregisteret_automation",
        "enhetsregisteret_fjernet",
        "arbeidsplassen_tatt_ned",
        "fist_automation",
        "publish_metadata",
        "send_alerts",
    }
