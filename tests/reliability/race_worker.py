"""One of several writers at once: commits its own contents to shared and own partitions, then says what it committed."""

from __future__ import annotations

import json
import sys
import time

import polars as pl

from dataproducts.contract import Column, Contract, SemVer
from dataproducts.errors import DataProductsError
from dataproducts.history.store import DatasetHistory, Draft

READING = (Column("sensor", pl.String(), False, "Sensor"), Column("value", pl.Int64(), False, "Value"))
WIDER = (*READING, Column("unit", pl.String(), True, "Unit"))
CONTRACTS = {
    "1.0.0": Contract("weather/readings", SemVer(1, 0, 0), READING, ("sensor",)),
    "1.1.0": Contract("weather/readings", SemVer(1, 1, 0), WIDER, ("sensor",)),
    "2.0.0": Contract("weather/readings", SemVer(2, 0, 0), WIDER, ("sensor",)),
}


def main(lake: str, writer: str, rounds: str, partitions: str, version: str, start: str) -> None:
    contract = CONTRACTS[version]
    history = DatasetHistory(lake, contract.dataset)
    time.sleep(max(0.0, float(start) - time.time()))  # all begin at once
    committed: list[list[object]] = []
    for number in range(int(rounds)):
        for partition in partitions.split(","):
            value = int(writer) * 1000 + number
            frame = pl.DataFrame({"sensor": ["a"], "value": [value]})
            if "unit" in contract.names:
                frame = frame.with_columns(unit=pl.lit("m"))
            try:
                (done,) = history.commit([Draft.of(partition, frame, contract)], contract)
            except DataProductsError as error:
                print(json.dumps({"committed": committed, "refused": str(error)}))
                return
            committed.append([partition, done.version.number, value])
    print(json.dumps({"committed": committed, "refused": None}))


if __name__ == "__main__":
    main(*sys.argv[1:])
