"""The contract of `oppdateringer`: the register's change events, of main units and sub-units together."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from assets.enhetsregisteret.schemas import organisasjonsnummer as number

Patches = Annotated[pl.List, pl.Struct({"op": pl.String, "path": pl.String, "value": pl.String, "from": pl.String})]


class Oppdatering(pa.DataFrameModel):
    """One event. Events of the two kinds of unit come from two feeds, so the kind is part of the key.

    Personal data: a patch carries new values of the unit's fields, so of a sole proprietorship (ENK) its owner's name
    and address: `endringer` and whatever is unknown are "possibly_identifying".
    """

    enhetstype: str = dp.column(
        "Om hendelsen gjelder en hovedenhet (enhet) eller en underenhet; satt av oss etter hvilken strøm den kom fra.",
        source="enhetstype",
        personal="none",
        isin=["enhet", "underenhet"],
    )
    oppdateringsid: int = dp.column(
        "Hendelsens løpenummer i registeret; hendelser skal brukes i denne rekkefølgen.",
        source="oppdateringsid",
        personal="none",
        ge=1,
    )
    dato: Annotated[pl.Datetime, "us", "UTC"] = dp.column(
        "Når registeret kunngjorde endringen (UTC), ikke når den trådte i kraft.",
        source="dato",
        personal="none",
    )
    organisasjonsnummer: str = dp.column(
        "Organisasjonsnummeret til virksomheten hendelsen gjelder.",
        source="organisasjonsnummer",
        concept="organisasjonsnummer",
        personal="none",
        str_matches=number.FORM,
    )
    endringstype: str = dp.column(
        "Hva som skjedde: Ny, Endring, Sletting (opphørt), Fjernet (trukket fra åpne data av rettslige grunner: "
        "kopier skal slettes) eller Ukjent (eldre hendelser).",
        source="endringstype",
        personal="none",
        isin=["Ny", "Endring", "Sletting", "Fjernet", "Ukjent"],
        raise_warning=True,
    )
    endringer: Patches = dp.column(
        "Feltene som ble endret, som JSON Patch (RFC 6902): op, path, value (ny verdi som JSON-tekst) og from; finnes "
        "bare for noen hendelser av typen Endring, og først fra september 2025.",
        source="endringer",
        personal="possibly_identifying",
        nullable=True,
    )
    ukjente_felt: str = dp.column(
        "Felter kilden har begynt å sende og som ennå ikke har egen kolonne, som JSON; mangler når alt er kjent.",
        source=dp.REST,
        personal="possibly_identifying",
        ignore=["_links", "links"],
        nullable=True,
    )

    class Config:
        """One row per event of a feed."""

        unique: ClassVar = ["enhetstype", "oppdateringsid"]
        description = (
            "Endringshendelsene i Enhetsregisteret, for hovedenheter og underenheter: hvilken virksomhet, når og hva slags endring."
        )

    @pa.check("organisasjonsnummer", error=number.MOD11)
    @classmethod
    def mod11(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return number.check_digits(data)


def event_record(event: object, enhetstype: Literal["enhet", "underenhet"]) -> dict[str, Any]:
    """An event as the source sent it, with its kind of unit, and each patch's value as JSON text.

    A value may be of any JSON type; as JSON text "1", 1 and null stay apart, and a patch without a value has none.
    What is not an object becomes a record without a number, which the contract refuses with the event kept beside it.
    """
    if not isinstance(event, dict):
        return {"enhetstype": enhetstype, "hendelse": event}
    record = {**event, "enhetstype": enhetstype}
    if isinstance(patches := event.get("endringer"), list):
        record["endringer"] = [_with_value_as_text(patch) for patch in patches]
    return record


def _with_value_as_text(patch: object) -> object:
    if not isinstance(patch, dict) or "value" not in patch:
        return patch
    # A streaming parser gives decimals, which JSON numbers can hold but the encoder does not know.
    return {**patch, "value": json.dumps(patch["value"], ensure_ascii=False, separators=(",", ":"), default=float)}
