"""Forks children that publish to BigQuery, and kills them. Everything is imported and nothing used before the fork.

Commands on stdin, one JSON list of children a line, each {"lake", "dataset", "run", "at", "of", "when", "after"}: killed as they come to
request number `at` `of` those with this in the address ("before" or "after" it is answered), or `after` so many seconds, or not.
Answers are JSON lines.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import Any

import dagster as dg
import google.auth.credentials
import pandera.polars as pa
import polars as pl
import pyarrow.parquet
import requests
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery import retry

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery import BigQuery, comparing, connection, loading, provisioning, session
from dataproducts.ports.delivery import deliver
from dataproducts.ports.journal import Journal
from dataproducts.ports.port import Offered

WARM = (google.auth.credentials, exceptions, bigquery, retry, pyarrow.parquet, pl, comparing, connection, loading, provisioning)


class Sale(pa.DataFrameModel):
    number: int = dp.column("Number")
    amount: int = dp.column("Amount")


CONTRACT = Contract.of(Sale, dataset="shop/sales", key="number")
DAILY = dg.DailyPartitionsDefinition(start_date="2026-01-01")
VERSIONS_AT_ONCE = 3


def offered() -> Offered:
    """The dataset."""
    facts: Any = None
    return Offered(facts, CONTRACT, "Sales", "What was sold.", "internal", "none", DAILY)


def publish(lake: str, dataset: str, run: str) -> None:
    """One run of the port, in batches of a few versions."""
    session.MOST_VERSIONS = VERSIONS_AT_ONCE
    port = BigQuery(dataset=dataset)
    history = DatasetHistory(lake, CONTRACT.dataset)
    with port.open(offered(), history, port.resources(), run) as opened:
        deliver(opened, Journal(lake, CONTRACT.dataset, port.name), history, None, run)


def child(command: dict[str, Any]) -> tuple[int, int]:
    """Fork; gives process id and the pipe on which it tells how many requests it made, or what went wrong."""
    read_end, write_end = os.pipe()
    process = os.fork()
    if process:
        os.close(write_end)
        return process, read_end
    made = 0
    honest = requests.Session.send

    def send(self: requests.Session, request: Any, **more: Any) -> Any:
        nonlocal made
        counts = command.get("of", "") in request.url
        made += counts
        if counts and made == command.get("at") and command["when"] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = honest(self, request, **more)
        if counts and made == command.get("at"):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    requests.Session.send = send  # type: ignore[method-assign]
    try:
        publish(command["lake"], command["dataset"], command["run"])
        os.write(write_end, str(made).encode())
    except BaseException:
        os.write(write_end, traceback.format_exc().encode()[-8000:])
        os._exit(1)
    os._exit(0)


def together(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run children at once, each until it ends or is killed."""
    begun = time.monotonic()
    children = [child(command) for command in commands]
    codes: dict[int, int] = {}
    while len(codes) < len(children):
        for (process, _), command in zip(children, commands, strict=True):
            if process in codes:
                continue
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                codes[process] = os.waitstatus_to_exitcode(status)
            elif command.get("after") is not None and time.monotonic() - begun > command["after"]:
                os.kill(process, signal.SIGKILL)
                codes[process] = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        time.sleep(0.001)
    answers = []
    for process, pipe in children:
        with os.fdopen(pipe, "rb") as told:
            answers.append({"exit": codes[process], "said": told.read().decode(errors="replace"), "seconds": time.monotonic() - begun})
    return answers


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(together(json.loads(line))), flush=True)
