"""The books of a synthetic organization, day by day: a pure function of seed, epoch and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from assets.fist.sandbox import plan
from dataproducts.errors import ConfigurationError

OSLO: Final = ZoneInfo("Europe/Oslo")
BEFORE: Final = timedelta(days=45)
"""So long before the epoch the books were opened."""
CLOSES: Final = 10
"""Day of the month on which the month before is closed; what comes for it afterwards is a late posting."""

Row = dict[str, Any]
Line = tuple[str, str | None, int, str]
"""Account, cost center, amount in øre (debit positive) and VAT code."""


@dataclass(frozen=True)
class Change:
    """One row that comes into the database, or takes the place of the one with its key."""

    at: datetime
    table: str
    row: Row


@dataclass
class _Invoice:
    """An incoming invoice that is posted: what may be paid, corrected or reversed."""

    number: int
    vendor: str
    lines: list[Line]
    due: date
    total: int


class World:
    """Everything that has changed since the books were opened, in order; `advance` lets days pass.

    Entries are never changed: a mistake is corrected by another entry that names it, or reversed. Registers and budgets change in place.
    """

    def __init__(self, *, seed: int = 1, epoch: date = date(2026, 11, 1)) -> None:
        self.seed, self.epoch = seed, epoch
        self.day = epoch - BEFORE
        self.log: list[Change] = []
        self._entry, self._vendor, self._opened = 100_000, 0, 0
        self._vendors: dict[str, Row] = {}
        self._sells: dict[str, tuple[str, ...]] = {}
        self._unpaid: list[_Invoice] = []
        self._recent: list[_Invoice] = []
        self._claims: list[tuple[date, int]] = []
        self._accruals: list[tuple[int, list[Line]]] = []
        self._budget: dict[tuple[str, str, str], Row] = {}
        self._centers: dict[str, Row] = {}
        self._open(self._random(self.day))
        while self.day < epoch:
            self.advance(self.day + timedelta(days=1))

    def advance(self, to: date) -> None:
        """Let the days pass until the end of `to`. Raises ConfigurationError for a day already gone."""
        if to < self.day:
            raise ConfigurationError(f"This sandbox's books are at {self.day} and cannot go back to {to}; begin with new ones.")
        while self.day < to:
            self.day += timedelta(days=1)
            self._pass(self.day)

    def _random(self, day: date) -> Random:
        return Random(f"{self.seed}/{self.epoch}/{day}")

    # The books are opened

    def _open(self, rng: Random) -> None:
        at = _clock(self.day, 6 * 60)
        for number, name in plan.ACCOUNTS.items():
            self._put(at, "konto", {**plan.account(number, name), "endret": at})
        for code, (name, parent) in plan.CENTERS.items():
            self._center(at, code, name, parent)
        for _ in range(60):
            self._new_vendor(rng, at)
        for center in plan.BEARERS:
            for account in plan.BUDGETED:
                sign = -1 if account == "3000" else 1
                monthly = sign * rng.randrange(20, 400) * 1_000_00
                for year in sorted({self.day.year, self.epoch.year, self.epoch.year + 1}):
                    for month in range(1, 13):
                        self._plan(at, f"{year}-{month:02d}", account, center, monthly, 1)
        opening: list[Line] = [
            ("1250", None, 2_400_000_00, "0"), ("1280", None, 900_000_00, "0"), ("1920", None, 80_000_000_00, "0"),
            ("2050", None, -83_300_000_00, "0"),
        ]  # fmt: skip
        self._post(rng, at, "AP", self.day, opening, "Inngående balanse")

    # A day

    def _pass(self, day: date) -> None:
        rng = self._random(day)
        start = len(self.log)
        if day.weekday() < 5:
            self._minute = 7 * 60 + rng.randrange(20)
            if self._is_first_working(day, 1):
                self._turn_of_month(rng, day)
            self._registers(rng, day)
            for _ in range(rng.randint(6, 13)):
                self._receive(rng, day)
            for _ in range(rng.randint(1, 3)):
                self._sell(rng, day)
            self._collect(rng, day)
            for _ in range(rng.choice((0, 0, 1, 1, 2))):
                self._correct(rng, day)
            if rng.random() < 0.35:
                self._reverse(rng, day)
            if CLOSES < day.day < CLOSES + 12 and rng.random() < 0.3:
                self._late(rng, day)
            if day.weekday() in (1, 4):
                self._pay(rng, day)
            if self._is_first_working(day, 12):
                self._salaries(rng, day)
            if self._is_first_working(day, 25):
                self._end_of_month(rng, day)
        self.log[start:] = sorted(self.log[start:], key=lambda change: change.at)

    @staticmethod
    def _is_first_working(day: date, wanted: int) -> bool:
        """Whether this is the first working day of the month from that day on."""
        return day.day >= wanted and all(day.replace(day=earlier).weekday() >= 5 for earlier in range(wanted, day.day))

    def _now(self, rng: Random, day: date) -> datetime:
        self._minute += rng.randint(1, 9)
        at = _clock(day, min(self._minute, 23 * 60)) + timedelta(seconds=rng.randrange(60), milliseconds=rng.randrange(1000))
        return max(at, self.log[-1].at + timedelta(milliseconds=1))

    def _receive(self, rng: Random, day: date) -> None:
        """An invoice: costs and input tax on the debit side, the vendor's claim on the credit side."""
        vendor = rng.choice([v for v, row in self._vendors.items() if not row["sperret"]])
        dated = day - timedelta(days=rng.choice((0, 1, 1, 2, 3, 5, 8, 12)))
        lines: list[Line] = []
        tax = 0
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            account = rng.choice(self._sells[vendor])
            net = rng.randrange(200, 60_000) * 100 + rng.choice((0, 0, 50, 75, 99))
            has_tax = account not in ("6300", "7500") and self._vendors[vendor]["land"] == "NO"
            tax += round(net * 0.25) if has_tax else 0
            lines.append((account, self._bearer(rng), net, "1" if has_tax else "0"))
        if tax:
            lines.append(("2710", None, tax, "1"))
        total = sum(amount for _, _, amount, _ in lines)
        lines.append(("2400", None, -total, "0"))
        text = f"Faktura {rng.randint(1_000, 99_999)}"
        number = self._post(rng, self._now(rng, day), "IF", dated, lines, text, vendor=vendor)
        invoice = _Invoice(number, vendor, lines, dated + timedelta(days=self._vendors[vendor]["betalingsdager"]), total)
        self._unpaid.append(invoice)
        self._recent = [*self._recent[-80:], invoice]

    def _sell(self, rng: Random, day: date) -> None:
        net = rng.randrange(1_000, 150_000) * 100
        free = rng.random() < 0.2
        tax = 0 if free else round(net * 0.25)
        lines: list[Line] = [("1500", None, net + tax, "0"), ("3100" if free else "3000", self._bearer(rng), -net, "0" if free else "3")]
        if tax:
            lines.append(("2700", None, -tax, "3"))
        self._post(rng, self._now(rng, day), "UF", day, lines, f"Utgående faktura {rng.randint(10_000, 99_999)}")
        self._claims.append((day + timedelta(days=rng.randint(10, 25)), net + tax))

    def _collect(self, rng: Random, day: date) -> None:
        due = [claim for claim in self._claims if claim[0] <= day]
        self._claims = [claim for claim in self._claims if claim[0] > day]
        for _, amount in due:
            self._post(rng, self._now(rng, day), "IB", day, [("1920", None, amount, "0"), ("1500", None, -amount, "0")], "Innbetaling")

    def _pay(self, rng: Random, day: date) -> None:
        """One entry for all that is due."""
        due = [i for i in self._unpaid if i.due <= day + timedelta(days=3)]
        self._unpaid = [i for i in self._unpaid if i not in due]
        if due:
            lines: list[Line] = [("2400", None, i.total, "0") for i in due]
            lines += [("1920", None, -sum(i.total for i in due) - 3_00 * len(due), "0"), ("7770", "1200", 3_00 * len(due), "0")]
            self._post(rng, self._now(rng, day), "BE", day, lines, f"Remittering, {len(due)} fakturaer")

    def _correct(self, rng: Random, day: date) -> None:
        """A cost was booked on the wrong cost center or account: it is taken from there and put where it belongs."""
        if not self._recent:
            return
        invoice = rng.choice(self._recent)
        account, center, amount, tax = rng.choice([line for line in invoice.lines if line[1] is not None])
        moved = rng.choice([a for a in plan.SUPPLIES if a != account]) if rng.random() < 0.4 else account
        other = center if moved != account else rng.choice([b for b in plan.BEARERS if b != center])
        lines: list[Line] = [(account, center, -amount, tax), (moved, other, amount, tax)]
        self._post(rng, self._now(rng, day), "OM", day, lines, f"Ompostering av bilag {invoice.number}", about=invoice.number)

    def _reverse(self, rng: Random, day: date) -> None:
        """An invoice that should not have been booked, and is not paid, is booked the other way around."""
        if not self._unpaid:
            return
        invoice = rng.choice(self._unpaid[-25:])
        self._unpaid.remove(invoice)
        self._recent = [i for i in self._recent if i is not invoice]
        lines = _opposite(invoice.lines)
        text = f"Tilbakeføring av bilag {invoice.number}"
        self._post(rng, self._now(rng, day), "TI", day, lines, text, vendor=invoice.vendor, about=invoice.number)

    def _late(self, rng: Random, day: date) -> None:
        """A cost of the month before, after that was closed."""
        dated = day.replace(day=1) - timedelta(days=rng.randint(1, 6))
        net = rng.randrange(500, 40_000) * 100
        lines: list[Line] = [(rng.choice(plan.SUPPLIES), self._bearer(rng), net, "0"), ("2960", None, -net, "0")]
        self._post(rng, self._now(rng, day), "EP", dated, lines, "Etterpostering etter periodeslutt", period=_month(dated))

    def _salaries(self, rng: Random, day: date) -> None:
        lines: list[Line] = []
        for center in plan.BEARERS:
            gross = rng.randrange(250, 900) * 1_000_00
            lines += [
                ("5000", center, gross, "0"),
                ("5092", center, round(gross * 0.12), "0"),
                ("5400", center, round(gross * 0.141), "0"),
            ]
        gross = sum(amount for account, _, amount, _ in lines if account == "5000")
        holiday, dues = (sum(amount for account, _, amount, _ in lines if account == wanted) for wanted in ("5092", "5400"))
        withheld = round(gross * 0.31)
        lines += [
            ("2600", None, -withheld, "0"),
            ("2940", None, -holiday, "0"),
            ("2770", None, -dues, "0"),
            ("1920", None, withheld - gross, "0"),
        ]
        self._post(rng, self._now(rng, day), "LO", day, lines, f"Lønn {_month(day)}")

    def _end_of_month(self, rng: Random, day: date) -> None:
        written_off = rng.randrange(20, 40) * 1_000_00
        lines: list[Line] = [("6010", "1400", written_off, "0"), ("1250", None, -written_off, "0")]
        self._post(rng, self._now(rng, day), "AV", day, lines, f"Avskrivninger {_month(day)}")
        for _ in range(3):
            net = rng.randrange(5_000, 90_000) * 100
            accrued: list[Line] = [(rng.choice(plan.SUPPLIES), self._bearer(rng), net, "0"), ("2960", None, -net, "0")]
            self._accruals.append((self._post(rng, self._now(rng, day), "PE", day, accrued, f"Påløpt {_month(day)}"), accrued))

    def _turn_of_month(self, rng: Random, day: date) -> None:
        """What was accrued is reversed, and a tenth of the budget for the months to come is revised."""
        for number, lines in self._accruals:
            text = f"Tilbakeføring av bilag {number}"
            self._post(rng, self._now(rng, day), "TI", day, _opposite(lines), text, about=number)
        self._accruals = []
        at = self._now(rng, day)
        for (period, account, center), row in sorted(self._budget.items()):
            if period >= _month(day) and rng.random() < 0.1:
                monthly = int(row["belop"].scaleb(2)) * rng.choice((90, 95, 105, 110)) // 100
                self._plan(at, period, account, center, monthly, row["versjon"] + 1)

    def _registers(self, rng: Random, day: date) -> None:
        """Vendors come, change and are blocked; now and then an account or a cost center is opened or closed."""
        at = self._now(rng, day)
        if rng.random() < 0.25:
            self._new_vendor(rng, at)
        if rng.random() < 0.3:
            row = self._vendors[rng.choice(list(self._vendors))]
            what = rng.choice(("betalingsdager", "sperret"))
            row[what] = rng.choice(plan.TERMS) if what == "betalingsdager" else not row["sperret"] and rng.random() < 0.4
            self._put(at, "leverandor", {**row, "endret": at})
        if rng.random() < 0.05 and self._opened < len(plan.LATER_ACCOUNTS):
            number, name = plan.LATER_ACCOUNTS[self._opened]
            self._opened += 1
            self._put(at, "konto", {**plan.account(number, name), "endret": at})
        if rng.random() < 0.03:
            code = f"{rng.choice(('21', '22', '31', '33'))}{len(self._centers):02d}"
            if code not in self._centers:
                self._center(at, code, f"Prosjekt {code}", f"{code[0]}000", day)

    # Rows

    def _post(
        self, rng: Random, at: datetime, kind: str, dated: date, lines: Sequence[Line], text: str, *, vendor: str | None = None,
        about: int | None = None, period: str | None = None,
    ) -> int:  # fmt: skip
        """An entry and its lines, which sum to zero. A month that is closed takes no more but late postings."""
        assert sum(amount for _, _, amount, _ in lines) == 0
        self._entry += 1
        day = at.astimezone(OSLO).date()
        last_open = _month(day if day.day > CLOSES else day.replace(day=1) - timedelta(days=1))
        registers, attests = rng.sample(plan.staff(), 2)
        entry = {
            "bilagsnummer": self._entry,
            "art": kind,
            "bilagsdato": dated,
            "periode": period or max(_month(dated), last_open),
            "leverandornummer": vendor,
            "gjelder_bilag": about,
            "tekst": text,
            "registrert_av": registers,
            "attestert_av": None if kind in ("IB", "AP") else attests,
            "registrert": at,
        }
        self.log.append(Change(at, "bilag", entry))
        for number, (account, center, amount, tax) in enumerate(lines, 1):
            row = {"bilagsnummer": self._entry, "linjenummer": number, "kontonummer": account, "kostnadssted": center}
            row |= {"belop": _kroner(amount), "mva_kode": tax, "registrert": at}
            self.log.append(Change(at, "bilagslinje", row))
        return self._entry

    def _put(self, at: datetime, table: str, row: Row) -> None:
        self.log.append(Change(at, table, dict(row)))

    def _new_vendor(self, rng: Random, at: datetime) -> None:
        self._vendor += 1
        number = f"L{self._vendor:05d}"
        organization, name = plan.suppliers()[self._vendor - 1]
        foreign = self._vendor % 25 == 0
        row = {
            "leverandornummer": number,
            "organisasjonsnummer": None if foreign else organization,
            "navn": f"EXAMPLE {self._vendor} GMBH" if foreign else name,
            "land": "DE" if foreign else "NO",
            "betalingsdager": rng.choice(plan.TERMS),
            "sperret": False,
            "opprettet": at,
            "endret": at,
        }
        self._vendors[number] = row
        self._sells[number] = tuple(rng.sample(plan.SUPPLIES, rng.choice((1, 1, 2))))
        self._put(at, "leverandor", row)

    def _center(self, at: datetime, code: str, name: str, parent: str | None, since: date = date(2020, 1, 1)) -> None:
        row = {"kostnadssted": code, "navn": name, "overordnet": parent, "gyldig_fra": since, "gyldig_til": None, "endret": at}
        self._centers[code] = row
        self._put(at, "kostnadssted", row)

    def _plan(self, at: datetime, period: str, account: str, center: str, amount: int, version: int) -> None:
        row = {
            "periode": period,
            "kontonummer": account,
            "kostnadssted": center,
            "belop": _kroner(amount),
            "versjon": version,
            "endret": at,
        }
        self._budget[period, account, center] = row
        self._put(at, "budsjett", row)

    def _bearer(self, rng: Random) -> str:
        return rng.choice(plan.BEARERS)


def _opposite(lines: Sequence[Line]) -> list[Line]:
    return [(account, center, -amount, tax) for account, center, amount, tax in lines]


def _kroner(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def _clock(day: date, minute: int) -> datetime:
    """A Norwegian time of day, in UTC."""
    return datetime.combine(day, time(minute // 60, minute % 60), OSLO).astimezone(UTC)
