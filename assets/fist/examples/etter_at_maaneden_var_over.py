"""Hvordan endret kostnadene i forrige måned seg etter at måneden var over? Regnskapet vises slik det sto på hver av dagene."""

import dataproducts as dp

dager = sorted({versjon.partition for versjon in dp.versions("fist/manedssaldo")})
nyeste = dp.read("fist/manedssaldo", dager[-1], columns=["periode"])
forrige = sorted(nyeste["periode"].unique())[-2]

tidligere = None
for dag in dager:
    saldo = dp.read("fist/manedssaldo", dag, columns=["periode", "kontotype", "bevegelse"])
    kostnader = saldo[(saldo["periode"] == forrige) & (saldo["kontotype"] == "kostnad")]["bevegelse"].sum()
    if kostnader != tidligere:
        endring = "" if tidligere is None else f"{kostnader - tidligere:+16,.2f}"
        print(f"{dag}: kostnader i {forrige} {kostnader:18,.2f} {endring}".rstrip())
    tidligere = kostnader
