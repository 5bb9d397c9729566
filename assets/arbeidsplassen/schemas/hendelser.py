"""The contract of `stillingshendelser`: every message of the topic as it came, renamed and typed only."""

from __future__ import annotations

from typing import ClassVar

import pandera.polars as pa

import dataproducts as dp
from assets.arbeidsplassen.schemas.deler import STATUSER, Kategorier, Kontaktpersoner, Medier, Merknader, Steder, Tid, tekst, tid


class Stillingshendelse(pa.DataFrameModel):
    """One message. Required is only what every ad has; a message is never refused for an odd detail.

    Personal data: contact persons are people by name, e-mail and telephone, and so is the case worker (`administrasjon_saksbehandler`,
    `administrasjon_ident`). Texts are free and may name anybody; an employer may be a sole proprietorship, which bears its owner's name;
    who created or changed an ad may be a user. `melding` is the whole message, so it holds all of it.
    """

    kafka_partisjon: int = dp.column("Partisjonen i Kafka-topicet som meldingen ligger i.", source="kafka.partition", personal="none", ge=0)
    kafka_offset: int = dp.column(
        "Meldingens plass i partisjonen. Hendelser for samme stilling skal brukes i denne rekkefølgen, ikke etter tidspunkt.",
        source="kafka.offset",
        personal="none",
        ge=0,
    )
    kafka_tidspunkt: Tid = dp.column(
        "Tidspunktet meldingen er merket med (UTC); meldinger kan komme sent og i uorden.", source="kafka.timestamp", personal="none"
    )
    kafka_noekkel: str = tekst("Meldingens nøkkel: uuid-en til stillingen.", "kafka.key", concept="stilling")
    melding: str = dp.column(
        "Hele meldingen slik den lå på topicet (JSON); {} når annonsen er tatt ned.",
        source="kafka.value",
        personal="directly_identifying",
        erased="{}",
    )
    stilling_id: int = dp.column("Løpenummeret til stillingen i kildens database.", source="id", personal="none")
    uuid: str = dp.column("Stillingens nøkkel, lik i alle hendelser om den.", source="uuid", concept="stilling", personal="none")
    opprettet: Tid = tid("Når stillingen ble opprettet", "created")
    opprettet_av: str = tekst("Systemet eller brukeren som opprettet stillingen.", "createdBy", "possibly_identifying")
    oppdatert: Tid = tid("Når stillingen sist ble endret", "updated")
    oppdatert_av: str = tekst("Systemet eller brukeren som sist endret stillingen.", "updatedBy", "possibly_identifying")
    tittel: str = tekst("Overskriften på annonsen.", "title", "possibly_identifying")
    status: str = dp.column(
        "Tilstanden etter hendelsen: ACTIVE, INACTIVE (venter på behandling eller er utløpt), STOPPED (stoppet av arbeidsgiver), "
        "DELETED eller REJECTED (avvist av NAV).",
        source="status",
        concept="stillingsstatus",
        personal="none",
        isin=STATUSER,
        raise_warning=True,
    )
    synlighet: str = tekst("Hvem som får se annonsen: SHOW_ALL for alle, ellers er den bare for NAV.", "privacy", concept="synlighet")
    kilde: str = tekst("Kilden annonsen kom fra: AMEDIA, FINN, DIR (registrert hos NAV), ASS med flere.", "source")
    medium: str = tekst("Navnet på stedet annonsen er hentet fra.", "medium")
    referanse: str = tekst("Kildens eget nummer på annonsen.", "reference", not_personal="Et nummer på en annonse, ikke på en person.")
    publisert: Tid = tid("Når annonsen skal vises fra", "published", nullable=True)
    utloeper: Tid = tid("Når annonsen ikke lenger skal vises", "expires", nullable=True)
    publisert_av_admin: Tid = tid("Når en saksbehandler slapp annonsen gjennom", "publishedByAdmin", nullable=True)
    firmanavn: str = tekst("Navnet på arbeidsgiveren slik det står i annonsen.", "businessName", "possibly_identifying")
    kontaktpersoner: Kontaktpersoner = dp.column(
        "Personene det går an å spørre: name, title, email, phone og role. Noen kilder tømmer listen når annonsen stoppes.",
        source="contactList",
        personal="directly_identifying",
        nullable=True,
    )
    medier: Medier = dp.column("Bilder og lenker i annonsen: name, type og reference.", source="mediaList", personal="none", nullable=True)
    arbeidssteder: Steder = dp.column(
        "Stedene der arbeidet skal gjøres, det viktigste først; municipalCode er kommunenummeret og kan mangle.",
        source="locationList",
        concept="kommune",
        personal="possibly_identifying",
        erased=dp.KEPT,  # whose municipality the counts of every day are made of
        nullable=True,
    )
    kategorier: Kategorier = dp.column(
        "Yrkeskodene til stillingen: categoryType (STYRK08, STYRK08NAV, ESCO eller JANZZ), code, name og score.",
        source="categoryList",
        concept="yrke",
        personal="none",
        nullable=True,
    )

    arbeidsgiver_id: int = dp.column(
        "Løpenummeret til arbeidsgiveren i kildens database.", source="employer.id", personal="none", nullable=True
    )
    arbeidsgiver_uuid: str = tekst("Arbeidsgiverens nøkkel i kilden.", "employer.uuid")
    arbeidsgiver_opprettet: Tid = tid("Når kilden fikk arbeidsgiveren", "employer.created", nullable=True)
    arbeidsgiver_opprettet_av: str = tekst("Hvem som la inn arbeidsgiveren.", "employer.createdBy", "possibly_identifying")
    arbeidsgiver_oppdatert: Tid = tid("Når kilden sist endret arbeidsgiveren", "employer.updated", nullable=True)
    arbeidsgiver_oppdatert_av: str = tekst("Hvem som sist endret arbeidsgiveren.", "employer.updatedBy", "possibly_identifying")
    arbeidsgiver_navn: str = tekst(
        "Arbeidsgiverens navn i Enhetsregisteret; et enkeltpersonforetak bærer innehaverens navn.", "employer.name", "possibly_identifying"
    )
    arbeidsgiver_visningsnavn: str = tekst("Navnet arbeidsgiveren vil vises med.", "employer.publicName", "possibly_identifying")
    arbeidsgiver_orgnr: str = tekst(
        "Organisasjonsnummeret til underenheten som søker folk; finnes i enhetsregisteret/underenheter. Kan mangle.",
        "employer.orgnr",
        concept="organisasjonsnummer",
    )
    arbeidsgiver_overordnet_orgnr: str = tekst(
        "Organisasjonsnummeret til enheten over; finnes i enhetsregisteret/enheter.", "employer.parentOrgnr", concept="organisasjonsnummer"
    )
    arbeidsgiver_orgform: str = tekst("Arbeidsgiverens organisasjonsform, som oftest BEDR.", "employer.orgform")
    arbeidsgiver_status: str = tekst("Arbeidsgiverens tilstand i kilden.", "employer.status")
    arbeidsgiver_deaktivert: Tid = tid("Når arbeidsgiveren gikk ut av bruk i kilden", "employer.deactivated", nullable=True)
    arbeidsgiver_ansatte: int = dp.column(
        "Antall ansatte slik kilden har det.", source="employer.employees", personal="none", unit="ansatte", nullable=True
    )
    arbeidsgiver_kontaktpersoner: Kontaktpersoner = dp.column(
        "Kontaktpersoner hos arbeidsgiveren.", source="employer.contactList", personal="directly_identifying", nullable=True
    )
    arbeidsgiver_steder: Steder = dp.column(
        "Arbeidsgiverens adresser.", source="employer.locationList", personal="possibly_identifying", nullable=True
    )
    arbeidsgiver_medier: Medier = dp.column(
        "Arbeidsgiverens bilder og lenker.", source="employer.mediaList", personal="none", nullable=True
    )

    administrasjon_status: str = tekst("Hvor langt NAVs behandling er kommet: PENDING eller DONE.", "administration.status")
    administrasjon_merknader: Merknader = dp.column(
        "Hvorfor NAV avviste annonsen, som koder (DUPLICATE, DISCRIMINATING, FOREIGN_JOB med flere).",
        source="administration.remarks",
        personal="none",
        nullable=True,
    )
    administrasjon_kommentar: str = tekst("Saksbehandlerens kommentar.", "administration.comments", "directly_identifying")
    administrasjon_melding: str = tekst("Beskjeden arbeidsgiveren fikk.", "administration.message", "directly_identifying")
    administrasjon_saksbehandler: str = tekst("Navnet på saksbehandleren.", "administration.reportee", "directly_identifying")
    administrasjon_ident: str = tekst("Saksbehandlerens NAV-ident.", "administration.navIdent", "directly_identifying")

    annonsetekst: str = tekst("Annonsens tekst (HTML).", "properties.adtext", "possibly_identifying")
    stillingstittel: str = tekst("Stillingens tittel.", "properties.jobtitle")
    omfang: str = tekst("Heltid eller Deltid.", "properties.extent")
    ansettelsesform: str = tekst("Fast, Vikariat, Engasjement, Sesong, Åremål, Annet.", "properties.engagementtype")
    antall_stillinger: str = tekst("Hvor mange som skal ansettes, som kilden skriver det: helst et tall.", "properties.positioncount")
    oppstart: str = tekst("Når arbeidet begynner, som dato eller fri tekst.", "properties.starttime")
    sektor: str = tekst("Privat, Offentlig eller Ikke oppgitt.", "properties.sector")
    soeknadsfrist: str = tekst("Søknadsfristen, som dato eller fri tekst (Snarest).", "properties.applicationdue")
    soeknadslenke: str = tekst("Adressen søknaden sendes til.", "properties.applicationurl", "possibly_identifying")
    soeknad_epost: str = tekst("E-postadressen søknaden sendes til.", "properties.applicationemail", "directly_identifying")
    kildelenke: str = tekst("Adressen til annonsen hos kilden.", "properties.sourceurl")
    kilde_opprettet: str = tekst("Når kilden opprettet annonsen, som tekst.", "properties.sourcecreated")
    kilde_oppdatert: str = tekst("Når kilden endret annonsen, som tekst.", "properties.sourceupdated")
    arbeidsgiver_tekst: str = tekst("Arbeidsgiverens navn i annonsens egenskaper.", "properties.employer", "possibly_identifying")
    arbeidsgiver_beskrivelse: str = tekst("Om arbeidsgiveren (HTML).", "properties.employerdescription", "possibly_identifying")
    arbeidsgiver_hjemmeside: str = tekst("Arbeidsgiverens hjemmeside.", "properties.employerhomepage", "possibly_identifying")
    adresse: str = tekst("Adressen slik kilden skriver den.", "properties.address", "possibly_identifying")
    sted: str = tekst("Stedet slik kilden skriver det.", "properties.location", "possibly_identifying")
    yrke: str = tekst("Yrket slik kilden skriver det.", "properties.occupation")
    forfatter: str = tekst("Hvem som skrev annonsen.", "properties.author", "directly_identifying")
    soekeord: str = tekst("Søkeord med vekt (JSON).", "properties.searchtags")
    styrk08_kode: str = tekst("Yrkeskoden klassifiseringen ga (STYRK-08).", "properties.classification_styrk08_code", concept="yrke")
    styrk08_treff: str = tekst("Hvor sikker klassifiseringen var, fra 0 til 1.", "properties.classification_styrk08_score")
    esco_kode: str = tekst("Yrkeskoden klassifiseringen ga (ESCO).", "properties.classification_esco_code")
    klassifisert_av: str = tekst("Hvilket felt klassifiseringen brukte.", "properties.classification_input_source")
    poeng: str = tekst("Kildens kvalitetspoeng, hvert for seg (JSON).", "properties._score")
    poeng_samlet: str = tekst("Kildens kvalitetspoeng samlet.", "properties._scoretotal")
    logo: str = tekst("Arbeidsgiverens logo i annonsen.", "properties.logomain")
    logo_liste: str = tekst("Arbeidsgiverens logo i lister.", "properties.logolisting")
    ukjente_felt: str = dp.column(
        "Felter kilden har begynt å sende og som ennå ikke har egen kolonne, som JSON; mangler når alt er kjent.",
        source=dp.REST,
        personal="possibly_identifying",
        ignore=["employer.properties"],  # open keys, and nobody has seen one; they are in `melding`
        nullable=True,
    )

    class Config:
        """One row per message."""

        unique: ClassVar = ["kafka_partisjon", "kafka_offset"]
        description = (
            "Hver hendelse om en stillingsannonse slik den kom på topicet: hele annonsen etter endringen, og hvor meldingen lå. "
            "Én rad per melding; meldinger som ikke lar seg lese ligger i karantene."
        )
