"""The catalog with 20,000 datasets (100,000 objects) on SQLite, served by one process and asked over HTTP by one client.

Floor: the liveness answer of the same process, which is what HTTP and Starlette cost here. Targets are for the 95th of a hundred.
The client is the bare one of the standard library on one connection, so that little of what is measured is its own.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Any
from urllib.parse import quote

from benchmarks.measurement import Comparison, Size, scratch
from benchmarks.peers import Peers

DATASETS = {"small": 60, "full": 20_000}
PER_PRODUCT, ASKED = 20, {"small": 10, "full": 200}
NOW = datetime.now(UTC)
LOCATION = "benchmark"
TYPES = ("String", "Int64", "Float64", "Date", "Boolean", "Decimal(20, 2)")
WORDS = """
    arbeidsgiver arbeidstaker bedrift virksomhet enhet organisasjon næring kommune fylke adresse stilling annonse søker vedtak
    sak utbetaling ytelse pensjon uføre sykepenger foreldrepenger dagpenger bidrag barnetrygd tiltak oppfølging aktivitet møte
    dialog inntekt skatt faktura leverandør budsjett regnskap konto bilag avdeling prosjekt innkjøp kontrakt lønn ansatt
    kompetanse kurs bruker besøk klikk søk side melding varsel hendelse logg feil svar tid dato måned uke døgn år periode beløp
    antall andel status employer employee company entity industry address vacancy applicant decision case payment benefit pension
    sickness income tax invoice vendor budget account voucher department project purchase contract salary skill course visit
    search message event
""".split()  # noqa: SIM905


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Fill a catalog, serve it, and ask for its pages."""
    with scratch() as folder:
        return measured(f"sqlite:///{folder / 'catalog.db'}", size, rounds)


def measured(url: str, size: Size, rounds: int, on: str = "") -> list[Comparison]:
    """The same on an empty database; `on` stands before the names of the figures."""
    r = random.Random(1)
    many, asked = DATASETS[size], ASKED[size] * rounds
    publish = _fill(url, many, r)
    with _Served(url) as (get, started, memory):
        floor = _times(get, ["/health/live"] * asked)
        names = [_name(r.randrange(many)) for _ in range(asked)]
        pages = {
            "search": [_search(r, names[i]) for i in range(asked)],
            "suggest": [f"/suggest?q={LANGUAGE.some(r, 1)[0][: r.randint(1, 5)]}" for _ in range(asked)],
            "dataset page": [f"/datasets/{name}" for name in names],
            "lineage page": [f"/datasets/{name}/lineage?up=3&down=3" for name in names],
        }
        cold = {page: _times(get, addresses) for page, addresses in pages.items()}  # each for the first time in this process
        taken = {page: _times(get, addresses) for page, addresses in pages.items()}
        resident = memory()
        partial = sum(json.loads(get(f"/api/v1{one}"))["is_partial"] for one in pages["search"])
    what = f"{many:,} datasets in {_objects(many):,} objects"
    limits = {"search": 0.050, "suggest": 0.015, "dataset page": 0.030, "lineage page": 0.050}
    found = []
    for page, times in taken.items():
        before = f"the first time p50 {_of(cold[page], 50) * 1e3:.1f} and p95 {_of(cold[page], 95) * 1e3:.1f} ms"
        also = f"{what}; p50 {_of(times, 50) * 1e3:.1f} ms; {before}"
        if page == "search":
            also += f"; {partial} of {asked} answers partial, their time being up"
        found.append(_compared(f"{on}{page} p95", also, _of(times, 95), floor, limits[page]))
    found.append(_compared(f"{on}search p50", what, _of(taken["search"], 50), floor, 0.010))
    found.append(_compared(f"{on}publish p95", f"one version into {what}", _of(publish, 95), floor, 0.020))
    also = f"from the command to ready, {what}; {resident:.0f} MB resident after all pages (target 150)"
    found.append(_compared(f"{on}catalog start", also, started, floor, 1.0))
    return found


def _compared(name: str, what: str, ours: float, floor: list[float], target: float) -> Comparison:
    return Comparison(name, what, ours, _of(floor, 95), "the liveness answer, p95", target, target_is_seconds=True)


def _of(times: list[float], percent: int) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _objects(many: int) -> int:
    return many * 5  # itself and four columns, on average; products, teams and concepts come on top


def _name(number: int) -> str:
    return f"product_{number // PER_PRODUCT:04}/{WORDS[number % len(WORDS)].translate(_ASCII)}_{number}"


class _Language:
    """Some 4,000 words, simple ones and compounds of two, as often as words are: the n-th most common one in n times as few places."""

    def __init__(self) -> None:
        r = random.Random(0)
        compounds = [a + b for a, b in (r.sample(WORDS, 2) for _ in range(4_000))]
        self.words = list(dict.fromkeys([*WORDS, *compounds]))
        total, self.sums = 0.0, []
        for place in range(1, len(self.words) + 1):
            total += 1 / (place + 5)
            self.sums.append(total)

    def some(self, r: random.Random, many: int) -> list[str]:
        return r.choices(self.words, cum_weights=self.sums, k=many)

    def sentence(self, r: random.Random, many: int) -> str:
        return " ".join(self.some(r, many)).capitalize() + "."


LANGUAGE = _Language()
_ASCII = str.maketrans("æøå", "aoa")


def _search(r: random.Random, name: str) -> str:
    """What people type: a name, one word or two, a common one, a prefix, and sometimes a facet."""
    kind = r.random()
    text = name if kind < 0.15 else " ".join(LANGUAGE.some(r, 1 if kind < 0.5 else 2)) if kind < 0.9 else WORDS[0]
    return f"/search?q={text}" + r.choice(["", "", "&kind=dataset", "&access=internal", "&theme=ECON&kind=column"])


def _fill(url: str, many: int, r: random.Random) -> list[float]:
    """Publish everything; gives the seconds that single deliveries took at the end."""
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.store import Store

    store = Store(Database(url), lambda: NOW)
    waiting: list[Any] = []
    for number in range(many):
        if number % PER_PRODUCT == 0:
            waiting.append(_product(number // PER_PRODUCT, r))
        waiting += [_dataset(number, r), _delivery(number, 1, 1)]
        if len(waiting) > 450:
            store.apply(waiting)
            waiting = []
    store.apply(waiting)
    taken = []
    for turn in range(200):
        message = _delivery(r.randrange(many), 2, 24 + turn)
        start = perf_counter()
        store.apply([message])
        taken.append(perf_counter() - start)
    store.tidy(least=1)
    store.database.close()
    return taken


def _product(number: int, r: random.Random) -> Any:
    from dataproducts.messages import Definition, ProductBody
    from dataproducts.product_facts import ProductFacts

    words = list(dict.fromkeys(LANGUAGE.some(r, 3)))
    facts = {
        "name": f"product_{number:04}",
        "title": {"nb": " ".join(words).capitalize()},
        "description": {"nb": LANGUAGE.sentence(r, 25)},
        "status": "active",
        "team": f"team-{number % 100}",
        "contact": {"name": "Team", "email": f"team-{number % 100}@example.com"},
        "personal_data": {"class": "none", "reason": "Synthetic."},
        "access": {"level": r.choice(["open", "internal", "restricted"])},
        "license": "CC_BY_4_0",
        "publisher": {"name": "NAV", "organization_number": "889640782"},
        "themes": [r.choice(["ECON", "GOVE", "SOCI", "TRAN"])],
        "keywords": words,
        "periodicity": "DAILY",
        "language": ["nb"],
    }
    body = ProductBody(facts=ProductFacts.model_validate(facts))
    return Definition(location=LOCATION, subject=f"product:{facts['name']}", observed_at=NOW - timedelta(days=9), product=body)


def _dataset(number: int, r: random.Random) -> Any:
    from dataproducts.messages import ColumnFacts, ContractFacts, DatasetBody, Definition, PartitionFacts, PortFacts

    name = _name(number)
    columns = tuple(
        ColumnFacts(
            name=f"{LANGUAGE.some(r, 1)[0].translate(_ASCII)}_{place}",
            type=r.choice(TYPES),
            nullable=place > 0,
            description=LANGUAGE.sentence(r, 8),
        )
        for place in range(r.randint(2, 6))
    )
    # some datasets feed hundreds, most a few
    upstream = {_name(r.randrange(max(1, min(number, 50)) if r.random() < 0.1 else number)) for _ in range(r.randint(0, 3)) if number}
    body = DatasetBody(
        name=name,
        title=LANGUAGE.sentence(r, 3)[:-1],
        description=LANGUAGE.sentence(r, 25),
        contract=ContractFacts(version="1.0.0", fingerprint="f", kind="table", columns=columns, key=(columns[0].name,)),
        partitions=PartitionFacts(kind="daily", start=NOW),
        access=r.choice(["open", "internal"]),
        personal="none",
        freshness_seconds=36 * 3600,
        upstream=tuple(sorted(upstream)),
        ports=(PortFacts(name="lake", kind="lake", address=f"lake/{name}"),),
        checks={"shape": "Columns and types."},
    )
    return Definition(location=LOCATION, subject=f"dataset:{name}", observed_at=NOW - timedelta(days=8), dataset=body)


def _delivery(number: int, version: int, minutes: int) -> Any:
    from dataproducts.messages import Delivery

    at = NOW - timedelta(hours=20 if number % 20 else 40) + timedelta(minutes=minutes)  # one in twenty is late
    return Delivery(
        location=LOCATION,
        dataset=_name(number),
        partition="2026-11-12",
        number=version,
        at=at,
        storage_id=number * 1000 + minutes,
        run=f"run-{minutes}",
        known_at=at,
        contract="1.0.0",
        rows=1000 + minutes,
        content_hash=f"{number}-{version}-{minutes}",
    )


class _Served:
    """The catalog in a process of its own; gives a getter, the seconds until it was ready, and its resident megabytes."""

    def __init__(self, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = url

    def __enter__(self) -> tuple[Callable[[str], bytes], float, Callable[[], float]]:
        start = perf_counter()
        command = [sys.executable, "-m", "dataproducts", "catalog", "serve", "--local", "--port", str(self.port)]
        environment = {**os.environ, "CATALOG_DATABASE_URL": self.url, "CATALOG_RATE_LIMIT": "0"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(2_000):
            try:
                if self._ask("/health/ready")[0] == 200:
                    break
            except OSError:
                self.connection.close()
                sleep(0.005)
        seconds = perf_counter() - start

        def get(address: str) -> bytes:
            status, content = self._ask(address)
            assert status == 200, f"{address}: {status}"
            return content

        return get, seconds, self._resident

    def _ask(self, address: str) -> tuple[int, bytes]:
        self.connection.request("GET", quote(address, safe="/?=&"), headers={"Accept": "text/html"})
        with self.connection.getresponse() as answer:
            return answer.status, answer.read()

    def _resident(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(20)


def _times(get: Callable[[str], bytes], addresses: list[str]) -> list[float]:
    taken = []
    for address in addresses:
        start = perf_counter()
        get(address)
        taken.append(perf_counter() - start)
    return taken
