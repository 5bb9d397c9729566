"""One of several writers at once: commits its own contents to shared and own partitions, then says what it committed."""

from __future__ import annotations

import json
import sys
import time

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import DataProductsError
from dataproducts.history.store import DatasetHistory, Draft


class Reading(pa.DataFrameModel):
    sensor: str = dp.column("Sensor")
    value: int = dp.column("Value")


class Wider(Reading):
    unit: str = dp.column("Unit", nullable=True)


CONTRACTS = {
    "1.0.0": Contract.of(Reading, dataset="weather/readings", key="sensor"),
    "1.1.0": Contract.of(Wider, dataset="weather/readings", key="sensor", version="1.1.0"),
    "2.0.0": Contract.of(Wider, dataset="weather/readings", key="sensor", version="2.0.0"),
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
