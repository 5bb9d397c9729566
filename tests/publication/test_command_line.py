"""`dataproducts reconcile`: calm where all is well, exit status 1 where it is not, and a repair."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from dataproducts import settings
from dataproducts.catalog import target
from dataproducts.cli.group import Commands
from dataproducts.cli.reconcile import reconcile
from dataproducts.publication import reconcile as work
from tests.publication.conftest import Memory, run_range


@pytest.fixture
def command(shop: Any, catalog: Memory, log: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    from datetime import timedelta

    monkeypatch.setattr("dataproducts.definitions.products", lambda: {"shop": shop})
    monkeypatch.setattr("dataproducts.cli.location.declared", dict)
    monkeypatch.setattr(target, "target", lambda: catalog)
    monkeypatch.setattr(dg.DagsterInstance, "get", classmethod(lambda _: log))
    monkeypatch.setattr(log, "__exit__", lambda *_: None, raising=False)
    monkeypatch.setattr(work, "ON_ITS_WAY", timedelta(0))
    group = Commands("dataproducts", commands={"reconcile": reconcile})

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(group, ["reconcile", *arguments])

    return run


def test_it_names_what_is_behind_and_repairs_it(command: Any, shop: Any, log: Any, catalog: Memory) -> None:
    run_range(shop.datasets["sales"], log, "p00", "p01")
    behind = command()
    assert behind.exit_code == 1
    assert ["shop/sales", "p01", "1", "–"] in [line.split()[:4] for line in behind.stdout.splitlines()]
    assert "the lake and the event log have version 1" in behind.stdout
    assert behind.stderr.splitlines()[-1].startswith("error: 2 behind, 3 missing, proven at ")
    repaired = command("--repair")
    assert repaired.exit_code == 0, repaired.output
    assert repaired.stdout.startswith("2 partitions compared: 0 behind, 0 missing, proven at ")
    assert command().exit_code == 0
    assert catalog.proof.behind == 0


def test_what_the_catalog_refuses_is_said_and_stays_behind(command: Any, shop: Any, log: Any, catalog: Memory) -> None:
    run_range(shop.datasets["sales"], log, "p00", "p00")
    catalog.poison = lambda m: m.type == "delivery"
    done = command("--repair")
    assert done.exit_code == 1
    assert "shop/sales was refused: it is poison" in done.stderr


@pytest.mark.parametrize("name", ["a b", "", "-x", "x" * 101])
def test_a_location_has_a_name_that_fits_a_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.errors import ConfigurationError

    monkeypatch.setenv("DATAPRODUCTS_LOCATION", name)
    if not name:
        assert settings.location() == "dataproducts"
    else:
        with pytest.raises(ConfigurationError, match="DATAPRODUCTS_LOCATION"):
            settings.location()


def test_a_catalog_that_is_a_service_needs_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.errors import ConfigurationError
    from dataproducts.publication.http import HttpTarget

    monkeypatch.setenv("CATALOG_URL", "https://catalog.example.com")
    monkeypatch.delenv("CATALOG_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="CATALOG_TOKEN is not set"):
        target.target()
    monkeypatch.setenv("CATALOG_TOKEN", "t")
    assert isinstance(target.target(), HttpTarget)
