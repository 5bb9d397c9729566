"""Hvilke yrker det søkes etter i hver kommune, og hvor mange stillinger det er: av de aktive annonsene den nyeste dagen."""

import dataproducts as dp

annonser = dp.read("arbeidsplassen/stillinger", columns=["aktiv", "kommune", "styrk08_kode", "antall_stillinger"])
aktive = annonser[annonser["aktiv"]]
per_yrke = aktive.groupby(["kommune", "styrk08_kode"])["antall_stillinger"].sum().sort_values(ascending=False)
print(per_yrke.head(10))
