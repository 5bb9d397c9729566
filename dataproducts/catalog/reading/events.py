"""What runs have told of a dataset: check results, failures, arrivals at ports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.reading.remarks import Voices, union, voice_parts, voices_of

RECENT = 400


@dataclass(frozen=True)
class CheckRow:
    """What one check of one run found."""

    check: str
    at: datetime
    passed: bool
    severity: str
    run: str
    partitions: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class FailureRow:
    """A run that did not store what it should, or deliver it to a port (else empty): errors by partition."""

    at: datetime
    run: str
    errors: Mapping[str, str]
    port: str = ""


@dataclass(frozen=True)
class ArrivalRow:
    """The version that arrived last at a port."""

    port: str
    partition: str
    number: int
    rows: int
    run: str
    at: datetime


def checks(connection: sa.Connection, name: str, *, limit: int = 2_000, as_of: datetime | None = None) -> list[CheckRow]:
    """Results of a dataset's checks, newest first."""
    c = t.check_result
    query = sa.select(c).where(c.c.dataset == name)
    if as_of is not None:
        query = query.where(c.c.at <= as_of)
    rows = connection.execute(query.order_by(c.c.at.desc(), c.c.storage_id.desc()).limit(limit)).mappings()
    return [CheckRow(r["check"], r["at"], r["passed"], r["severity"], r["run"], r["partitions"], r["facts"]) for r in rows]


def recent_events(
    connection: sa.Connection, subject: str, ports: Sequence[str], as_of: datetime | None
) -> tuple[tuple[CheckRow, ...], tuple[FailureRow, ...], dict[str, ArrivalRow], Voices]:
    """Check results, failures, what arrived last at each port, remarks, tags and ratings of a dataset in one query."""
    name = subject.split(":", 1)[1]
    c, f, p = t.check_result, t.failure, t.arrival
    empty = sa.literal("")
    parts = [
        sa.select(
            sa.literal("check").label("part"), c.c.check.label("a"), c.c.severity.label("b"), c.c.run.label("c"), c.c.partitions.label("d"),
            sa.cast(c.c.facts, sa.Text).label("e"), sa.case((c.c.passed, "1"), else_="0").label("f"), c.c.at.label("at"),
        ).where(c.c.dataset == name, *([c.c.at <= as_of] if as_of else [])).order_by(c.c.at.desc(), c.c.storage_id.desc()).limit(RECENT),
        sa.select(sa.literal("failure"), f.c.run, f.c.port, empty, empty, sa.cast(f.c.errors, sa.Text), empty, f.c.at)
        .where(f.c.dataset == name, *([f.c.at <= as_of] if as_of else [])).order_by(f.c.at.desc()).limit(20),
        *(
            sa.select(
                sa.literal("arrival"), p.c.port, p.c.partition, sa.cast(p.c.number, sa.Text), sa.cast(p.c.rows, sa.Text), p.c.run,
                empty, p.c.at,
            )
            .where(p.c.dataset == name, p.c.port == port, *([p.c.at <= as_of] if as_of else []))
            .order_by(p.c.at.desc(), p.c.storage_id.desc())
            .limit(1)
            for port in ports
        ),
        *voice_parts(subject, as_of),
    ]  # fmt: skip
    found = union(connection, parts)
    results = [CheckRow(r["a"], r["at"], r["f"] == "1", r["b"], r["c"], r["d"], json.loads(r["e"])) for r in found if r["part"] == "check"]
    failures = [FailureRow(r["at"], r["a"], json.loads(r["e"]), r["b"]) for r in found if r["part"] == "failure"]
    arrived = [ArrivalRow(r["a"], r["b"], int(r["c"]), int(r["d"]), r["e"], r["at"]) for r in found if r["part"] == "arrival"]
    return tuple(results), tuple(failures), {one.port: one for one in arrived}, voices_of(found)
