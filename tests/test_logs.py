"""The log: one line of JSON for each thing that happened, with what it is about, and nothing that should not be written."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import dagster as dg
import httpx
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts import logs
from dataproducts.errors import ConfigurationError, SourceError
from dataproducts.publication.http import HttpTarget

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Row(pa.DataFrameModel):
    """Rows."""

    number: int = dp.column("Number.", ge=0)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What was written since, where the log is JSON."""
    from dagster import _loggers
    from dagster._core.definitions import instigation_logger

    for module in (_loggers, instigation_logger):  # put back afterwards
        monkeypatch.setattr(module, "create_console_logger", module.create_console_logger)
    ours = logging.getLogger("dataproducts")
    for name in ("handlers", "level", "propagate"):
        monkeypatch.setattr(ours, name, getattr(ours, name) if name != "handlers" else [])
    monkeypatch.setenv("DATAPRODUCTS_LOG", "json")
    logs.of_dagster()

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    return read


def test_a_run_is_lines_with_product_dataset_partition_and_run(product: Any, instance: Any, lines: Any) -> None:
    @product.dataset(schema=Row, partitions=dg.StaticPartitionsDefinition(["a", "b"]))
    def sales(context, partition: str) -> pl.DataFrame:  # type: ignore[no-untyped-def]
        """Sales."""
        context.log.info("asking the till of %s", partition)
        context.log.debug("too much")
        return pl.DataFrame({"number": [1]})

    run = dg.materialize([sales], partition_key="a", instance=instance).run_id
    written = lines()
    assert {line["run"] for line in written} == {run}
    assert {line["trace"] for line in written} == {run.replace("-", "")}
    (said,) = [line for line in written if line["message"] == "asking the till of a"]
    about = {name: said[name] for name in ("level", "product", "dataset", "partition")}
    assert about == {"level": "info", "product": "shop", "dataset": "sales", "partition": "a"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"])
    events = [line["event"] for line in written if "event" in line]
    assert events[0] == "run_start"
    assert events[-1] == "run_success"
    (made,) = [line for line in written if line.get("event") == "asset_materialization"]
    about = {name: made[name] for name in ("level", "product", "dataset", "partition", "version", "rows")}
    assert about == {"level": "info", "product": "shop", "dataset": "sales", "partition": "a", "version": 1, "rows": 1}
    assert "asset_check_evaluation" not in events  # since all passed
    assert not any("too much" in line["message"] for line in written)


def test_a_check_that_did_not_pass_is_a_line(product: Any, instance: Any, lines: Any) -> None:
    @product.dataset(schema=Row)
    def sales() -> pl.DataFrame:
        """Sales."""
        return pl.DataFrame({"number": [-1]})

    dg.materialize([sales], instance=instance, raise_on_error=False)
    (check,) = [line for line in lines() if line.get("event") == "asset_check_evaluation"]
    assert (check["level"], check["product"], check["dataset"]) == ("error", "shop", "sales")
    assert check["check"].startswith("number_")


def test_of_an_error_of_foreign_code_only_the_kind_is_written_and_of_ours_the_sentence(product: Any, instance: Any, lines: Any) -> None:
    @product.dataset(schema=Row, partitions=dg.StaticPartitionsDefinition(["a", "b"]))
    def sales(partition: str) -> pl.DataFrame:
        """Sales."""
        if partition == "a":
            raise ValueError("row of Kari Nordmann")
        raise SourceError("the till does not answer; try again")

    for partition in ("a", "b"):
        dg.materialize([sales], partition_key=partition, instance=instance, raise_on_error=False)
    written = lines()
    assert "Kari" not in str(written)
    foreign, ours = (line for line in written if line.get("event") == "step_failure")
    assert (foreign["error"], foreign.get("sentence"), foreign["level"]) == ("ValueError", None, "error")
    assert (ours["error"], ours["sentence"]) == ("SourceError", "the till does not answer; try again")


def test_sensors_write_lines_too(instance: Any, lines: Any) -> None:
    from dagster._core.definitions.instigation_logger import InstigationLogger

    with InstigationLogger(None, instance, "location", "send_alerts") as logger:
        logger.warning("not told")
    (line,) = lines()
    assert (line["level"], line["message"], line["sensor"]) == ("warning", "not told", "send_alerts")


def test_the_command_line_writes_notes_and_errors_as_lines(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from dataproducts.cli import tables
    from dataproducts.cli.group import Commands

    def work() -> None:
        tables.note("3 rows, hemmelig-verdi-1")
        raise SourceError("no; do this")

    monkeypatch.setenv("SHOP_PASSWORD", "hemmelig-verdi-1")
    with pytest.raises(SystemExit):
        Commands("dataproducts", commands={"work": click.Command("work", callback=work)}).main(["work"])
    note, error = lines()
    assert (note["level"], note["message"]) == ("info", "3 rows, ***")
    assert (error["level"], error["message"]) == ("error", "no; do this")


def test_a_form_of_log_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAPRODUCTS_LOG", "xml")
    with pytest.raises(ConfigurationError, match="DATAPRODUCTS_LOG is 'xml'; set it to plain or json"):
        logs.is_json()


def test_where_nothing_is_said_dagster_logs_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster import _loggers

    before = _loggers.create_console_logger
    logs.begin()
    logs.of_dagster()
    assert _loggers.create_console_logger is before
    assert logging.getLogger("dataproducts").handlers == []


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-b7ad6b7169203331-01\n", None),
        ("", None),
    ],
)
def test_a_trace_is_read_as_the_standard_has_it(header: str, trace: str | None) -> None:
    assert logs.trace_of(header) == trace


def test_publication_tells_the_catalog_which_trace_it_is_part_of(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["traceparent"])
        return httpx.Response(200, json={})

    target = HttpTarget("https://catalog.example.com", "token", transport=httpx.MockTransport(answer))
    target.newest("here")
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-b7ad6b7169203331-01")
    target.newest("here")
    assert logs.trace_of(seen[0]) not in (None, TRACE)
    assert logs.trace_of(seen[1]) == TRACE
    assert "b7ad6b7169203331" not in seen[1]  # each request is a span of its own
