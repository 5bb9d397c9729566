"""What is secret does not leave by what is written: messages, errors with all they came from, tracebacks, addresses with passwords."""

from __future__ import annotations

import json
import logging
import sqlite3
import traceback
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts import masking
from dataproducts.masking import masked, without_secrets

SECRET = "hemmelig-Zq81-verdi"
KEYS = "bmV3LWtleS1vZi0zMi1ieXRlcy1sb25nLWVub3VnaCE=", "b2xkLWtleS1vZi0zMi1ieXRlcy1sb25nLWVub3VnaCE="


class Row(pa.DataFrameModel):
    """Rows."""

    number: int = dp.column("Number.")


@pytest.mark.parametrize(
    ("variable", "value", "secrets"),
    [
        ("CATALOG_TOKEN", SECRET, [SECRET]),
        ("DATAPRODUCTS_SMTP_PASSWORD", SECRET, [SECRET]),
        ("KAFKA_PRIVATE_KEY", f"-----BEGIN KEY-----\n{SECRET}AAAA\n{SECRET}BBBB\n-----END KEY-----", [f"{SECRET}AAAA", f"{SECRET}BBBB"]),
        ("DATAPRODUCTS_PSEUDONYM_KEY_PERSON", f"2027={KEYS[0]},2026={KEYS[1]}", list(KEYS)),
        ("DATAPRODUCTS_ERASURE_KEY", "ab12" * 16, ["ab12" * 16]),
        ("SHOP_DATABASE_URL", f"postgresql://shop:{SECRET}@db.example.com/shop", [SECRET]),
        ("SHOP_DATABASE_URL", "postgresql://shop:p%40ss%2Fw%C3%B8rd@db.example.com/shop", ["p@ss/wørd", "p%40ss%2Fw%C3%B8rd"]),
        ("TILL_PASSWORD", 'quo"te\\and-ø', ['quo"te\\and-ø', json.dumps('quo"te\\and-ø')[1:-1]]),
        ("SLACK_WEBHOOK", f"https://hooks.example.com/services/T1/{SECRET}", [f"services/T1/{SECRET}"]),
    ],
)
def test_values_of_secret_variables_are_masked_however_they_are_written(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, secrets: list[str]
) -> None:
    monkeypatch.setenv(variable, value)
    for secret in [value, *secrets]:
        for text in (secret, f"before {secret!s} after", json.dumps({"a": [secret]}, ensure_ascii=False)):
            assert not any(part in masked(text) for part in secrets), text


def test_what_is_no_secret_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/var/run/secrets/key.json")
    monkeypatch.setenv("COFFEE_TOKEN", "sm://coffee-prod/token")
    monkeypatch.setenv("SHORT_PASSWORD", "salg")
    monkeypatch.setenv("CATALOG_URL", "https://catalog.example.com")
    monkeypatch.setenv("PLAIN", "an ordinary value")
    for text in (
        "/var/run/secrets/key.json", "sm://coffee-prod/token", "salg av kaffe", "https://catalog.example.com/datasets/a", "an ordinary value",
        "see https://example.com:8080/a@b",
    ):  # fmt: skip
        assert masked(text) == text


def test_what_looks_like_a_secret_is_masked_though_no_variable_holds_it() -> None:
    assert masked("postgresql://u:whatever9@h/d and mysql://:x@h") == "postgresql://u:***@h/d and mysql://:***@h"
    assert masked("Authorization: Bearer abcdef123456") == "Authorization: Bearer ***"
    assert masked("dpc_0123456789abcdef") == "dpc_***"
    assert masked("https://hooks.slack.com/services/T0/B0/abc") == "https://hooks.slack.com/services/***"


def test_what_a_product_declares_and_what_a_reference_led_to_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILL_ACCESS", SECRET)
    assert masked(SECRET) == SECRET
    monkeypatch.setattr(masking, "_declared", {"TILL_ACCESS"})
    assert masked(f"a {SECRET}") == "a ***"
    monkeypatch.setattr("dataproducts.secret_references._held", {"sm://p/n": (0.0, "from-secret-manager")})
    assert masked("from-secret-manager") == "***"


def test_an_error_is_masked_with_all_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_TOKEN", SECRET)
    try:
        try:
            try:
                raise KeyError(f"no {SECRET}")
            except KeyError:
                raise sqlite3.OperationalError(f"cannot open postgresql://u:{SECRET}@h") from None
        except sqlite3.OperationalError as cause:
            error = dg.Failure(f"failed with {SECRET}")
            error.add_note(f"token {SECRET}")
            raise error from cause
    except dg.Failure as failure:
        without_secrets(failure)
        told = "".join(traceback.format_exception(failure)) + repr(failure) + str(failure.description) + repr(failure.__cause__.__context__)
    assert SECRET not in told
    assert "postgresql://u:***@h" in told


def test_an_error_that_holds_no_secret_keeps_its_arguments() -> None:
    error = OSError(2, "No such file", "x.csv")
    without_secrets(error)
    assert (error.args, error.filename) == ((2, "No such file"), "x.csv")


@pytest.mark.parametrize("partitions", [None, dg.StaticPartitionsDefinition(["a", "b"])])
def test_a_run_leaves_no_secret_in_dagster_whatever_its_code_logs_or_raises(
    product: Any,
    log: Any,
    tmp_path: Path,
    partitions: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", f"postgresql://shop:{SECRET}@db.example.com/shop")

    @product.dataset(schema=Row, partitions=partitions)
    def sales(context) -> pl.DataFrame:  # type: ignore[no-untyped-def]
        """Sales."""
        context.log.info("connecting to %s", f"postgresql://shop:{SECRET}@db.example.com/shop")
        try:
            raise sqlite3.OperationalError(f"password {SECRET} is wrong")
        except sqlite3.OperationalError as error:
            raise RuntimeError(f"no connection with {SECRET}") from error

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"} if partitions else {}
    done = dg.materialize([sales], instance=log, raise_on_error=False, tags=tags)
    assert not done.success
    written = "".join(map(repr, log.all_logs(done.run_id)))
    assert "connecting to postgresql://shop:***@db.example.com/shop" in written
    assert "no connection with ***" in written
    out = capfd.readouterr()
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET not in written + out.out + out.err + caplog.text
    assert SECRET.encode() not in files


def test_the_filter_is_gone_when_the_run_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.Logger("x")
    with masking.hidden(logger):
        assert len(logger.filters) == 1
    assert logger.filters == []


def test_errors_of_the_command_line_are_masked(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from dataproducts.cli.group import DEBUG, Commands
    from dataproducts.errors import SourceError

    monkeypatch.setenv("CATALOG_TOKEN", SECRET)
    monkeypatch.setenv(DEBUG, "1")

    def broken() -> None:
        raise SourceError(f"the source at https://u:{SECRET}@h answered {SECRET}")

    import click

    group = Commands("dataproducts", commands={"broken": click.Command("broken", callback=broken)})
    with pytest.raises(SystemExit):
        group.main(["broken"])
    err = capfd.readouterr().err
    assert "error: the source at https://u:***@h answered ***" in err
    assert "Traceback" in err
    assert SECRET not in err
