"""`dataproducts doctor`: each piece is well, not in use, or says what to do; one that is wrong hides none of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from deltalake import DeltaTable

import dataproducts as dp
from dataproducts.catalog.database import Database
from dataproducts.catalog.migrations import HEAD
from dataproducts.cli import examining
from dataproducts.cli.examining import Finding
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import FORMAT
from dataproducts.product_facts import Alerts
from tests.catalog.conftest import postgres  # noqa: F401 - a fixture


class Person(pa.DataFrameModel):
    """Somebody."""

    number: str = dp.column("Number.", source="number", personal="possibly_identifying", pseudonym="person")


class Sale(pa.DataFrameModel):
    """A sale."""

    number: int = dp.column("Number.")


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Finding]]:
    """What is found, by piece, where these are the products."""

    def looked(*products: dp.DataProduct) -> dict[str, Finding]:
        monkeypatch.setattr("dataproducts.definitions.products", lambda: {one.name: one for one in products})
        return {finding.piece: finding for finding in examining.examine()}

    return looked


@pytest.fixture
def catalog() -> Iterator[tuple[str, dict[str, Any]]]:
    """A service that answers as a catalog does, with the clock and the readiness that a test gives it."""
    given: dict[str, Any] = {"date": datetime.now(UTC), "ready": 200}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = given["ready"] if self.path == "/health/ready" else 200
            self.send_response_only(status)
            self.send_header("Date", format_datetime(given["date"], usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", given
    server.shutdown()
    server.server_close()


def test_a_laptop_with_nothing_set_is_well(look) -> None:
    found = look()
    assert {finding.state for finding in found.values()} == {"well", "idle"}
    assert found["environment"].text.startswith("local, with the resources ")
    assert found["catalog"].text == f"embedded in SQLite, revision {HEAD}, 0 datasets of dataproducts known"
    assert "no daemon is running" in found["Dagster"].text


def test_the_command_prints_a_line_for_each_piece_and_ends_with_1_where_one_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.cli import cli
    from dataproducts.errors import ConfigurationError

    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 0, result.output
    assert [line[:2] for line in result.stdout.splitlines()].count("!!") == 0
    assert "ok  products     3 products with" in result.stdout
    monkeypatch.setattr(examining, "LEAST_ROOM", 2**60)
    monkeypatch.setenv("DATAPRODUCTS_LAKE", "/proc/nowhere")
    result = CliRunner().invoke(cli, ["doctor"], standalone_mode=False)
    assert isinstance(result.exception, ConfigurationError)
    assert str(result.exception) == "disk, lake: not in order; the lines that begin with !! say what to do"
    assert "!!  disk" in result.stdout
    assert "ok  catalog" in result.stdout


def test_a_full_disk_and_a_home_that_cannot_be_written_are_told(look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(examining, "LEAST_ROOM", 2**60)
    assert "GiB free, and 1073741824.0 GiB is the least; make room, or set TMPDIR" in look()["disk"].text
    (tmp_path / "file").touch()
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path / "file/home"))
    assert look()["disk"].text.endswith("cannot be written (Not a directory); give write access, or set DATAPRODUCTS_HOME or TMPDIR")


def test_a_catalog_of_a_later_version_and_a_lake_of_a_newer_format_are_told(look, product, declare, home: Path, lake: str) -> None:
    @product.dataset(schema=Sale, key="number")
    def sales() -> list[dict[str, int]]:
        """Sales."""
        return []

    rows = pl.DataFrame({"number": [1]})
    contract = product.datasets["sales"].contract
    DatasetHistory(lake, contract.dataset).commit([Draft.of("-", rows, contract)], contract)
    assert look(product)["format"] == Finding("format", "well", "of the lake 1 at most, as this version knows; 1 dataset looked at")
    (table,) = DatasetHistory(lake, contract.dataset).tables()
    DeltaTable(table.url).alter.set_table_properties({FORMAT: "2"}, raise_if_not_exists=False)
    found = look(product)["format"]
    assert (found.state, found.text.startswith(f"{table.url} is of lake format 2")) == ("wrong", True)
    database = Database()
    with database.writing() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    database.close()
    found = look(product)["catalog"]
    assert (found.state, found.text.startswith("the catalog's database is of revision 9999")) == ("wrong", True)


def test_dagster_and_catalog_on_postgresql_are_looked_at(look, home: Path, monkeypatch: pytest.MonkeyPatch, request) -> None:
    server = request.getfixturevalue("postgres")
    monkeypatch.setenv("CATALOG_DATABASE_URL", server.new())
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    (home / "dagster").mkdir(parents=True)
    settings = home / "dagster" / "dagster.yaml"
    url = server.new().replace("+psycopg", "")
    settings.write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}", encoding="utf-8")
    found = look()
    assert found["catalog"].text == f"embedded in PostgreSQL, revision {HEAD}, 0 datasets of dataproducts known"
    assert (found["Dagster"].state, found["Dagster"].text.startswith("Dagster's SQL needs psycopg2")) == ("wrong", True)
    url = url.replace("postgresql:", "postgresql+psycopg2:")
    settings.write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}", encoding="utf-8")
    assert look()["Dagster"].text.startswith("Postgres storage, ")
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = 'earlier'"))
    assert "are of revision earlier, not " in look()["Dagster"].text
    server.stop()
    try:
        monkeypatch.setattr("dagster_postgres.utils.calculate_delay", lambda *_, **__: 0.01)
        found = look()
    finally:
        server.start()
    assert (found["Dagster"].state, found["catalog"].state) == ("wrong", "wrong")
    assert found["catalog"].text.startswith("the catalog's database cannot be used just now")


def test_a_catalog_without_a_token_is_told(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_URL", "http://127.0.0.1:1")
    found = look()["catalog"]
    assert (found.state, found.text.startswith("CATALOG_TOKEN is not set")) == ("wrong", True)


def test_a_catalog_that_is_a_service_is_asked(look, catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    url, given = catalog
    monkeypatch.setenv("CATALOG_URL", url)
    monkeypatch.setenv("CATALOG_TOKEN", "a-token-of-the-test")
    assert look()["catalog"] == Finding("catalog", "well", f"{url}, 0 datasets of dataproducts known")
    given["date"] = datetime.now(UTC) - timedelta(minutes=3)
    assert look()["catalog"].text.endswith(" s apart; set both by NTP")
    given["ready"] = 503
    assert look()["catalog"].text.startswith(f"{url} is not ready (503")


def test_a_broker_is_asked_where_a_dataset_uses_a_topic(look, product, sandbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look()["Kafka"] == Finding("Kafka", "idle", "no dataset reads or writes a topic")

    @product.dataset(schema=Sale, key="number", ports=[dp.Topic("team-shop.sales")])
    def sales() -> list[dict[str, int]]:
        """Sales."""
        return []

    assert look(product)["Kafka"].text == "KAFKA_BROKERS is not set: team-shop.sales are neither written nor read"
    monkeypatch.setenv("KAFKA_BROKERS", sandbox)
    found = look(product)["Kafka"]
    assert (found.state, found.text.endswith(f"of {sandbox}, 1 topic in use")) == ("well", True)
    monkeypatch.setattr("dataproducts.ports.kafka.connection.TIMEOUT", 0.5)
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:1")
    assert look(product)["Kafka"].state == "wrong"


def test_bigquery_without_a_project_is_idle_and_without_credentials_wrong(
    look, product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @product.dataset(schema=Sale, key="number", ports=[dp.BigQuery()])
    def sales() -> list[dict[str, int]]:
        """Sales."""
        return []

    assert look(product)["BigQuery"].text == "BIGQUERY_PROJECT is not set, so nothing is written to BigQuery"
    monkeypatch.setenv("BIGQUERY_PROJECT", "a-project")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    found = look(product)["BigQuery"]
    assert found.state == "wrong"
    assert "credentials" in found.text


def test_a_missing_key_and_a_missing_secret_are_named_and_never_shown(look, facts_file, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = facts_file(personal=True)
    product = dp.DataProduct(folder)

    @product.dataset(schema=Person, key="number", personal="directly_identifying")
    def people() -> list[dict[str, str]]:
        """People."""
        return []

    assert "DATAPRODUCTS_PSEUDONYM_KEY_PERSON" in look(product)["secrets"].text
    monkeypatch.setenv("DATAPRODUCTS_PSEUDONYM_KEY_PERSON", "first=" + "A" * 43 + "=")
    (folder / "job.py").write_text("1")
    product.script_dataset("job.py", schema=Person, key="number", secrets=["SHOP_TOKEN"], personal="directly_identifying")
    found = look(product)["secrets"]
    assert (found.state, found.text) == ("wrong", "SHOP_TOKEN is not set; it has to give a secret of the script of shop/job")
    monkeypatch.setenv("SHOP_TOKEN", "s3cret-token")
    assert look(product)["secrets"] == Finding("secrets", "well", "3 secrets in place")


def test_a_program_that_a_script_needs_is_looked_for(look, product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (product.folder / "report.qmd").write_text("x")
    product.script_dataset("report.qmd", schema=Sale, key="number")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look(product)["programs"].text == "quarto is not installed, and shop/report needs it; install it"
    (tmp_path / "quarto").touch(0o755)
    assert look(product)["programs"] == Finding("programs", "well", "quarto")


def test_whom_alerts_cannot_reach_is_told(look, product: dp.DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(product)["alerts"].state == "idle"
    product.facts = product.facts.model_copy(update={"alerts": Alerts(slack_webhook="SLACK_SHOP")})
    assert look(product)["alerts"].text == "not everybody is told: SLACK_SHOP is not set"
    monkeypatch.setenv("SLACK_SHOP", "https://hooks.slack.com/services/x")
    assert look(product)["alerts"] == Finding("alerts", "well", "1 receiver; `dataproducts alerts --test TEAM` tries one")


def test_code_that_does_not_load_is_one_line_and_the_rest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise SyntaxError("invalid syntax\n here")

    monkeypatch.setattr("dataproducts.definitions.products", broken)
    found = {finding.piece: finding for finding in examining.examine()}
    assert found["products"] == Finding("products", "wrong", "SyntaxError: invalid syntax here")
    assert found["lake"].state == "well"
    assert len(found) == 13
