"""Antall aktive annonser dag for dag, fra dagene slik de er kjent nå."""

import dataproducts as dp

dager = dp.read("arbeidsplassen/stillinger_per_naering", columns=["dag", "antall_annonser", "antall_stillinger"])
print(dager.groupby("dag").sum())
