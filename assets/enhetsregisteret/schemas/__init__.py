"""The contracts of the product's datasets: one pandera model per dataset, its key in `Config.unique`.

Columns are named in Norwegian snake_case after the API's own names; `source` says which field each one takes.
"""

from assets.enhetsregisteret.schemas.enheter import Enhet
from assets.enhetsregisteret.schemas.oppdateringer import Oppdatering, event_record
from assets.enhetsregisteret.schemas.organisasjonsformer import Organisasjonsform
from assets.enhetsregisteret.schemas.roller import Rolle, role_records
from assets.enhetsregisteret.schemas.underenheter import Underenhet

__all__ = ["Enhet", "Oppdatering", "Organisasjonsform", "Rolle", "Underenhet", "event_record", "role_records"]
