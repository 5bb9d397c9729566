"""Hvordan går antall annonser og stillinger opp og ned fra dag til dag?"""

import matplotlib.pyplot as plt

import dataproducts as dp

tall = dp.read("arbeidsplassen/stillinger_per_naering", columns=["dag", "antall_annonser", "antall_stillinger"])
per_dag = tall.groupby("dag").sum().astype(int)

figur, akser = plt.subplots(figsize=(9, 4))
akser.plot(per_dag.index, per_dag["antall_stillinger"], marker="o", color="#0067c5", label="Stillinger")
akser.plot(per_dag.index, per_dag["antall_annonser"], marker="o", color="#c77300", label="Annonser")
akser.set_title("Aktive annonser og stillinger ved dagens slutt", loc="left")
akser.set_ylim(bottom=0)
akser.spines[["top", "right"]].set_visible(False)
akser.grid(axis="y", alpha=0.3)
akser.legend(frameon=False)
figur.autofmt_xdate()
