"""How findable, accessible, interoperable and reusable a product is, as far as its declarations say: points and what would give more.

The points are those of data.norge.no's quality measurement (the EU's MQA, 435 in all), judged on what our own DCAT-AP-NO says. A dataset
has what one of its distributions has, and a product what its datasets have on average. Two things are left open, worth 80: whether
addresses answer, which only a call can tell. The FAIR metrics are those of F-UJI (version 0.8) that follow from the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dataproducts.formats.addresses import link
from dataproducts.formats.dcat import FILE_TYPES, MEDIA_TYPES, file_type
from dataproducts.formats.facts import Newest, covered
from dataproducts.messages import DatasetBody, PortFacts, ProductBody
from dataproducts.product_facts import EU_AUTHORITY, LICENSES

__all__ = ["TOTAL", "Check", "Metric", "Score", "fair"]

Dimension = Literal["findable", "accessible", "interoperable", "reusable", "contextual"]
DIMENSIONS: tuple[Dimension, ...] = ("findable", "accessible", "interoperable", "reusable", "contextual")
TOTAL = 435
_OPEN_FORMATS = {"PARQUET", "CSV", "TSV", "JSON", "AVRO", "XML", "ZIP"}  # XLSX is the one that is not
_Entry = tuple[DatasetBody, Newest | None]


@dataclass(frozen=True)
class Check:
    """One thing that is measured. `points` of `most`; `earned` is the share of datasets that have it, None where only a call can tell."""

    name: str
    dimension: Dimension
    most: int
    earned: float | None

    @property
    def points(self) -> float:
        """What it gives; nothing while it is not known."""
        return self.most * (self.earned or 0.0)

    @property
    def state(self) -> Literal["met", "partly", "missing", "open"]:
        """In a word."""
        if self.earned is None:
            return "open"
        return "met" if self.earned >= 1 else "partly" if self.earned > 0 else "missing"


@dataclass(frozen=True)
class Metric:
    """One of F-UJI's metrics, by its number, and whether it is met; None where only a call can tell."""

    number: str
    met: bool | None


@dataclass(frozen=True)
class Score:
    """A product's score."""

    checks: tuple[Check, ...]
    metrics: tuple[Metric, ...]

    @property
    def points(self) -> int:
        """What was earned, rounded down."""
        return int(sum(check.points for check in self.checks) + 1e-9)

    @property
    def judged(self) -> int:
        """What could have been earned by what can be judged without a call."""
        return sum(check.most for check in self.checks if check.earned is not None)

    @property
    def share(self) -> float:
        """Of what could be judged, from 0 to 1."""
        return self.points / self.judged

    @property
    def level(self) -> Literal["excellent", "good", "sufficient", "poor"]:
        """As data.norge.no calls it: from three quarters, from half, from a quarter, below."""
        share = self.share
        return "excellent" if share >= 0.75 else "good" if share >= 0.5 else "sufficient" if share >= 0.25 else "poor"

    def of(self, dimension: Dimension) -> tuple[Check, ...]:
        """The checks of one dimension."""
        return tuple(check for check in self.checks if check.dimension == dimension)


def fair(body: ProductBody, datasets: Sequence[_Entry]) -> Score:
    """The score of a product and its datasets."""
    facts = body.facts
    ports = [(one, newest, one.ports) for one, newest in datasets]

    def every(has: Callable[[DatasetBody, Newest | None, Sequence[PortFacts]], object]) -> float:
        return sum(bool(has(*one)) for one in ports) / len(ports) if ports else 0.0

    def some(has: Callable[[PortFacts], object]) -> float:
        return every(lambda _, __, published: any(has(port) for port in published))

    def stated(value: object) -> float:
        return 1.0 if value else 0.0

    download = some(lambda port: port.kind == "file" and link(port.address))
    known = facts.license.uri.startswith(f"{EU_AUTHORITY}licence/") or facts.license.name in LICENSES.values()
    checks = (
        Check("keyword", "findable", 30, stated(facts.keywords)),
        Check("theme", "findable", 30, stated(facts.themes)),
        Check("spatial", "findable", 20, stated(facts.spatial)),
        Check("temporal", "findable", 20, every(lambda one, newest, _: covered(one, body, newest))),
        Check("access address answers", "accessible", 50, None),
        Check("download", "accessible", 20, download),
        Check("download answers", "accessible", 30, None),
        Check("format", "interoperable", 20, some(file_type)),
        Check("media type", "interoperable", 10, some(_media_type)),
        Check("vocabulary", "interoperable", 10, some(lambda port: file_type(port) in FILE_TYPES.values())),
        Check("open format", "interoperable", 20, some(lambda port: file_type(port) in _OPEN_FORMATS)),
        Check("machine-readable", "interoperable", 20, some(file_type)),
        Check("profile", "interoperable", 30, every(lambda one, _, __: one.title.strip() and facts.themes and facts.contact.email)),
        # files of these formats are written here and read back in the tests of the ports
        Check("content", "interoperable", 15, some(file_type)),
        Check("syntax", "interoperable", 15, some(file_type)),
        Check("license", "reusable", 20, stated(facts.license.uri)),
        Check("known license", "reusable", 10, stated(known)),
        Check("access", "reusable", 10, every(lambda one, _, __: one.access)),
        Check("access vocabulary", "reusable", 5, every(lambda one, _, __: one.access in ("open", "internal", "restricted"))),
        Check("contact", "reusable", 20, stated(facts.contact.email)),
        Check("publisher", "reusable", 10, stated(facts.publisher.name)),
        Check("rights", "contextual", 5, stated(facts.rights)),
        Check("size", "contextual", 5, 0.0),  # a history grows, and no distribution of ours states its bytes
        Check("issued", "contextual", 5, stated(facts.issued)),
        Check("modified", "contextual", 5, every(lambda _, newest, __: newest or facts.modified)),
    )
    return Score(checks, _metrics(body, datasets, download))


def _metrics(body: ProductBody, datasets: Sequence[_Entry], download: float) -> tuple[Metric, ...]:
    facts = body.facts
    related = any(one.upstream or one.source for one, _ in datasets) or bool(facts.sources)
    core = bool(facts.keywords and (facts.issued or facts.modified or any(newest for _, newest in datasets)))
    formats = {file_type(port) for one, _ in datasets for port in one.ports} - {None}
    return (
        Metric("F1-01MD", True),  # every page has an address of its own
        Metric("F1-02MD", False),  # which is no persistent identifier
        Metric("F2-01M", core),
        Metric("F3-01M", download > 0),
        Metric("F4-01M", True),  # schema.org in every page
        Metric("A1-01M", True),
        Metric("A1-02MD", None),
        Metric("A1.1-01MD", None),
        Metric("A1.2-01MD", None),
        Metric("I1-01M", True),  # JSON-LD and Turtle by negotiation
        Metric("I2-01M", True),
        Metric("I3-01M", related),
        Metric("R1-01M", bool(formats)),
        Metric("R1.1-01M", bool(facts.license.uri)),
        Metric("R1.2-01M", bool(facts.provenance or facts.sources)),
        Metric("R1.3-01M", True),  # DCAT-AP-NO
        Metric("R1.3-02D", bool(formats & _OPEN_FORMATS)),
    )


def _media_type(port: PortFacts) -> str | None:
    """As the DCAT document has it, and CSV's, which that leaves to the file type for the sake of one profile."""
    found = file_type(port) or ""
    return "text/csv" if found == "CSV" else MEDIA_TYPES.get(found)
