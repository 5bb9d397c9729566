"""The contracts of the product's datasets: one pandera model per dataset, its key in `Config.unique`."""

from assets.arbeidsplassen.schemas.hendelser import Stillingshendelse
from assets.arbeidsplassen.schemas.stillinger import Stilling
from assets.arbeidsplassen.schemas.stillinger_per_naering import StillingerPerNaering

__all__ = ["Stilling", "StillingerPerNaering", "Stillingshendelse"]
