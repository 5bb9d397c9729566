"""Hvor mange av enhetene i registeret ble registrert hvert år?"""

import matplotlib.pyplot as plt

import dataproducts as dp

enheter = dp.read("enhetsregisteret/enheter", columns=["registreringsdato_enhetsregisteret", "organisasjonsform_beskrivelse"])
aar = enheter["registreringsdato_enhetsregisteret"].dropna().map(lambda dag: dag.year)
per_aar = aar.value_counts().sort_index()

figur, akser = plt.subplots(figsize=(9, 4))
akser.bar(list(per_aar.index), list(per_aar), color="#0067c5", width=0.8)
akser.set_title("Enheter etter året de ble registrert", loc="left")
akser.set_ylabel("Enheter")
akser.spines[["top", "right"]].set_visible(False)
akser.grid(axis="y", alpha=0.3)
akser.set_axisbelow(True)
