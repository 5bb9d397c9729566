"""A process that has read and written ends with exit status 0: Delta's and Arrow's threads must not abort it at the very end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROCESSES, AT_ONCE = 20 if os.environ.get("CI") else 4, 4

SCRIPT = """
import sys
import polars as pl
from dataproducts.contract import Column, Contract, SemVer
from dataproducts.history import lake
from dataproducts.history.store import DatasetHistory, Draft
columns = (Column("id", pl.Int64(), False, ""), Column("tags", pl.List(pl.String()), True, ""))
contract = Contract("shop/sales", SemVer(1, 0, 0), columns, ("id",))
frame = pl.DataFrame({"id": range(1000), "tags": [["x"]] * 1000})
key = sys.argv[1]
DatasetHistory(sys.argv[2], "shop/sales").commit([Draft.of(key, frame, contract)], contract)
DatasetHistory(sys.argv[2], "shop/sales").verify(DatasetHistory(sys.argv[2], "shop/sales").versions(key))
print(lake.frame("shop/sales", key).height, lake.scan("shop/sales", key).collect().height, lake.changed("shop/sales", "2000-01-01").height > 0)
"""


def test_processes_that_read_and_write_all_exit_0(lake: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "POLARS_MAX_THREADS": "2"}
    for begin in range(0, PROCESSES, AT_ONCE):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, f"p{n}", lake], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
            )
            for n in range(begin, begin + AT_ONCE)
        ]
        ends = [(process.communicate(timeout=60), process.returncode) for process in processes]
        assert ends == [(("1000 1000 True\n", ""), 0)] * AT_ONCE
