"""Hvor mye brukte hvert kostnadssted forrige måned, mot det som var budsjettert?"""

import matplotlib.pyplot as plt

import dataproducts as dp

rader = dp.read("fist/budsjett_mot_faktisk", columns=["periode", "kontonummer", "kostnadssted", "faktisk", "budsjett"])
steder = dp.read("fist/dim_kostnadssted", columns=["kostnadssted", "navn"]).set_index("kostnadssted")["navn"]

lopende = rader[rader["faktisk"] != 0]["periode"].max()
forrige = rader[rader["periode"] < lopende]["periode"].max()
kostnader = rader[(rader["periode"] == forrige) & rader["kontonummer"].str[0].isin(["4", "5", "6", "7"])]
per_sted = kostnader[["kostnadssted", "budsjett", "faktisk"]].astype({"budsjett": float, "faktisk": float}).groupby("kostnadssted").sum()
tusen = per_sted.sort_values("budsjett") / 1000

figur, akser = plt.subplots(figsize=(9, 5))
linjer = range(len(tusen))
akser.barh([y + 0.2 for y in linjer], tusen["budsjett"], height=0.38, color="#b7b1a9", label="Budsjett")
akser.barh([y - 0.2 for y in linjer], tusen["faktisk"], height=0.38, color="#0067c5", label="Faktisk")
akser.set_yticks(list(linjer), [steder.get(sted, sted) for sted in tusen.index])
akser.set_title(f"Budsjett og faktisk per kostnadssted, {forrige}", loc="left")
akser.set_xlabel("Tusen kroner")
akser.spines[["top", "right"]].set_visible(False)
akser.grid(axis="x", alpha=0.3)
akser.set_axisbelow(True)
akser.legend(frameon=False)
figur.tight_layout()
