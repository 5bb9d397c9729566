"""What is said of troubles: a subject line, plain text for mail and telephones, and blocks for Slack.

Names, partitions and errors may hold anything. In Slack they stand as plain text, which it does not read for mentions, links or
emphasis; in mail no line of theirs becomes a header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dataproducts import settings
from dataproducts.alerts.cases import Case
from dataproducts.cron import in_words
from dataproducts.product_facts import Trouble

MOST = 15
"""Cases that one message tells of; of those beyond only the number. Slack takes 50 blocks, and a person fewer."""
_SUBJECT, _HEADER, _SECTION = 110, 150, 2_900  # characters; the latter two are Slack's limits

SECTIONS = {
    Trouble.RUN_FAILED: "a-run-failed",
    Trouble.CHECK_FAILED: "a-check-failed",
    Trouble.CHECK_WARNED: "a-check-failed",
    Trouble.STALE: "a-dataset-is-stale",
    Trouble.SILENT: "a-dataset-was-not-made",
    Trouble.DEAD_LETTERS: "messages-were-given-up",
    Trouble.RECONCILIATION: "catalog-or-ports-differ",
}
"""Where the runbook says what to do."""


class News(StrEnum):
    """Why a case is told: it is new, it still goes on, it is over, or it came and went since anybody was told."""

    NEW = "new"
    STILL = "still"
    OVER = "over"
    PASSED = "passed"


@dataclass(frozen=True)
class Notice:
    """One case as one receiver hears of it."""

    news: News
    case: Case


@dataclass(frozen=True)
class Letter:
    """A message: its subject, its text, and its blocks for Slack."""

    subject: str
    text: str
    blocks: tuple[dict[str, Any], ...] = ()


def letter(notices: Sequence[Notice], whose: Sequence[str], now: datetime) -> Letter:
    """What a receiver is told at once. `whose` are the products it hears of."""
    shown = sorted(notices, key=lambda notice: (list(News).index(notice.news), notice.case.since, notice.case.key))[:MOST]
    left = len(notices) - len(shown)
    counted = [(news, sum(1 for notice in notices if notice.news is news)) for news in News]
    counts = ", ".join(f"{many} {news}" for news, many in counted if many)
    names = ", ".join(whose[:3]) + (f" and {len(whose) - 3} more" if len(whose) > 3 else "")
    subject = _cut(one_line(f"[{names}] {headline(shown[0].case)}" if len(notices) == 1 else f"[{names}] {counts}"), _SUBJECT)
    if len(notices) == 1:
        subject = f"{_LABELS[shown[0].news]} {subject}"
    paragraphs = ["\n".join(_paragraph(notice, now)) for notice in shown]
    if left:
        paragraphs.append(f"And {left} more. All that is open: {settings.catalog_pages()}/status")
    return Letter(subject, "\n\n".join(paragraphs) + "\n", tuple(_blocks(subject, shown, left, now)))


def trial(whose: Sequence[str]) -> Letter:
    """A message that tells of nothing but that it arrives."""
    subject = _cut(one_line(f"[{', '.join(whose)}] This is a test"), _SUBJECT)
    text = "Somebody tried whether alerts arrive here. Nothing is wrong."
    blocks = ({"type": "header", "text": _plain(_cut(subject, _HEADER))}, {"type": "section", "text": _plain(text)})
    return Letter(subject, f"{text}\n", blocks)


def headline(case: Case) -> str:
    """What is wrong, in a few words."""
    name = case.subject
    dataset, _, port = name.rpartition("/")
    if case.kind is Trouble.RUN_FAILED:
        return f"{name} was not made" if name.count("/") < 2 else f"{dataset} was not delivered to {port}"
    if case.kind in (Trouble.CHECK_FAILED, Trouble.CHECK_WARNED):
        return f"{name}: check {case.check} {'failed' if case.kind is Trouble.CHECK_FAILED else 'warns'}"
    return {
        Trouble.STALE: f"{name} is stale",
        Trouble.SILENT: f"{name} has not been made",
        Trouble.DEAD_LETTERS: f"{case.check} has given up messages",
        Trouble.RECONCILIATION: f"the reconciliation {case.check} does not pass",
    }[case.kind]


def links(case: Case) -> Iterator[tuple[str, str]]:
    """Where to look, by what is there: the run or asset in Dagster, the dataset in the catalog, the section of the runbook."""
    names = case.subject.split("/")
    dagster = settings.dagster_pages()
    if case.run and case.run != "-":
        yield "Run", f"{dagster}/runs/{quote(case.run, safe='')}"
    path = names if len(names) > 1 else [*names, "catalog"]
    yield "Asset", f"{dagster}/assets/{'/'.join(quote(name, safe='') for name in path)}" + ("?view=checks" if case.check else "")
    if len(names) > 1:
        yield "Dataset", f"{settings.catalog_pages()}/datasets/{'/'.join(quote(name, safe='') for name in names[:2])}"
    else:
        yield "Catalog", f"{settings.catalog_pages()}/status"
    yield "Runbook", f"{settings.runbook()}#{SECTIONS[case.kind]}"


def one_line(text: str) -> str:
    """Text without what would end a line or a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def spelled(moment: datetime) -> str:
    """A moment for people in Norway."""
    return f"{moment.astimezone(ZoneInfo('Europe/Oslo')):%Y-%m-%d %H:%M %Z}"


_LABELS = {News.NEW: "NEW:", News.STILL: "STILL:", News.OVER: "OVER:", News.PASSED: "PASSED:"}


def _sentences(notice: Notice, now: datetime) -> tuple[str, str]:
    """What happened, and since when."""
    case = notice.case
    what = one_line(f"{_LABELS[notice.news]} {headline(case)}")
    if notice.news is News.NEW:
        return what, f"Since {spelled(case.since)}."
    if notice.news is News.STILL:
        return what, f"Since {spelled(case.since)}, for {in_words(now - case.since)}."
    assert case.ended is not None
    return what, f"From {spelled(case.since)} to {spelled(case.ended)}; it is over."


def _paragraph(notice: Notice, now: datetime) -> Iterator[str]:
    what, when = _sentences(notice, now)
    yield what
    yield when
    if notice.news is not News.OVER:
        yield one_line(notice.case.text)
    for name, address in links(notice.case):
        yield f"{name}: {address}"


def _blocks(subject: str, shown: Sequence[Notice], left: int, now: datetime) -> Iterator[dict[str, Any]]:
    yield {"type": "header", "text": _plain(_cut(subject, _HEADER))}
    for notice in shown:
        what, when = _sentences(notice, now)
        lines = [*([what] if len(shown) > 1 else []), when, *([] if notice.news is News.OVER else [one_line(notice.case.text)])]
        yield {"type": "section", "text": _plain(_cut("\n".join(lines), _SECTION))}
        yield {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(_link(*one) for one in links(notice.case))}]}
    if left:
        yield {"type": "context", "elements": [_plain(f"And {left} more; the catalog's status page has all.")]}


def _link(name: str, address: str) -> str:
    """A link of Slack's; what is no address, such as a place in the repository, as it is."""
    if not address.startswith(("http://", "https://")):
        return f"{name}: {escaped(address)}"
    return f"<{quote(address, safe=':/?#=&%-._~@[]+,;')}|{name}>"


def escaped(text: str) -> str:
    """Text in which Slack finds neither mentions nor links."""
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
