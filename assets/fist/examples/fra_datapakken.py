"""Hvordan leses månedssaldoen fra datapakken, uten annet enn filene i den? Her er resultatet per måned."""

import json
from pathlib import Path

import pandas as pd

from dataproducts import settings

pakke = Path(settings.packages()) / "fist" / "manedssaldo"
(ressurs,) = json.loads((pakke / "datapackage.json").read_text(encoding="utf-8"))["resources"]
stier = [ressurs["path"]] if isinstance(ressurs["path"], str) else ressurs["path"]
saldo = pd.read_csv(pakke / stier[-1], dtype={"kontonummer": str})

resultat = saldo[saldo["kontonummer"].str[0] >= "3"]
per_maaned = 0 - resultat.pivot_table(index="periode", columns="kontotype", values="bevegelse", aggfunc="sum", fill_value=0)
per_maaned["resultat"] = per_maaned.sum(axis="columns")
print(per_maaned.map("{:,.2f}".format).to_string())
