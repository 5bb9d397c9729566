"""The input port: a client of Enhetsregisteret's open API. Bulk files, change events, code lists and single units
come in as frozen dataclasses and parsed JSON; rows, types and names are the datasets' business."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dataproducts.errors import ConfigurationError, HistoryError, SourceError

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

Kind = Literal["enheter", "underenheter", "roller"]
UnitKind = Literal["enheter", "underenheter"]
State = Literal["live", "deleted", "removed", "unknown"]

VARIABLE = "ENHETSREGISTERET_URL"
DEPTH_LIMIT = 10_000
"""Neither search answers beyond this many hits, whatever the page size (documentation of the API)."""
EVENTS_PER_PAGE = 10_000
"""The most events the update feeds give in one answer (documentation of the API)."""
LONGEST_WAIT = 300.0
"""Seconds; a Retry-After beyond this is cut, so that a run fails in its own time rather than hangs."""

_BULK_PATHS: Mapping[Kind, str] = {
    "enheter": "/enheter/lastned",
    "underenheter": "/underenheter/lastned",
    "roller": "/roller/totalbestand",
}
# The wildcard is for the day a media type is retired: better another version, which the contract judges, than a 406.
_BULK_TYPES: Mapping[Kind, str] = {
    "enheter": "application/vnd.brreg.enhetsregisteret.enhet.v2+gzip;charset=UTF-8, */*;q=0.1",
    "underenheter": "application/vnd.brreg.enhetsregisteret.underenhet.v2+gzip;charset=UTF-8, */*;q=0.1",
    "roller": "application/vnd.brreg.enhetsregisteret.rolle.v1+gzip;charset=UTF-8, */*;q=0.1",
}
_UNIT_TYPES: Mapping[UnitKind, str] = {
    "enheter": "application/vnd.brreg.enhetsregisteret.enhet.v2+json;charset=UTF-8",
    "underenheter": "application/vnd.brreg.enhetsregisteret.underenhet.v2+json;charset=UTF-8",
}
_EVENT_TYPES: Mapping[UnitKind, str] = {
    "enheter": "application/vnd.brreg.enhetsregisteret.oppdatering.enhet.v1+json;charset=UTF-8",
    "underenheter": "application/vnd.brreg.enhetsregisteret.oppdatering.underenhet.v1+json;charset=UTF-8",
}
_ROLE_TYPE = "application/vnd.brreg.enhetsregisteret.rolle.v1+json;charset=UTF-8"
_EVENT_LISTS: Mapping[UnitKind, str] = {"enheter": "oppdaterteEnheter", "underenheter": "oppdaterteUnderenheter"}
_JSON = "application/json"
_CHUNK = 1 << 18

T = TypeVar("T")


@dataclass(frozen=True)
class Publication:
    """One build of a bulk file, as its headers tell."""

    kind: Kind
    published_at: datetime
    """When Brønnøysund built the file (`Last-Modified`), UTC."""
    etag: str | None
    size: int | None
    """Bytes on the wire, compressed; None where the register does not say."""

    @property
    def day(self) -> date:
        """The civil date of the build in Europe/Oslo: the partition it belongs to."""
        return self.published_at.astimezone(ZoneInfo("Europe/Oslo")).date()


@dataclass(frozen=True)
class Bulk:
    """A bulk file that is on disk, whole."""

    publication: Publication
    path: Path
    sha256: str
    """Of the gzip file as delivered."""
    bytes: int


@dataclass(frozen=True)
class Unit:
    """One unit as the register answers today. `body` is None when removed without a body, or unknown."""

    number: str
    state: State
    body: dict[str, Any] | None


class Register:
    """Enhetsregisteret, or anything that speaks like it. Safe to share between threads; close it after use.

    Every method raises SourceError when the register cannot be reached, refuses, or answers out of shape.
    Numbers with decimals are `Decimal` everywhere, as amounts of capital must not pass through binary floats.
    """

    def __init__(
        self,
        base_url: str,
        *,
        attempts: int = 5,
        timeout: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`base_url` ends with `/enhetsregisteret/api`; `timeout` is seconds of silence, not of a whole download."""
        import httpx

        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(f"{VARIABLE} must be a URL such as https://data.brreg.no/enhetsregisteret/api, not {base_url!r}.")
        if attempts < 1:
            raise ConfigurationError(f"Register needs at least one attempt, not {attempts}.")
        self.base_url = base_url.rstrip("/")
        self._attempts = attempts
        self._sleep = sleep
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            headers={"User-Agent": "dataproducts/0.1"},
            follow_redirects=True,
            transport=transport,
            # A company proxy must not come between this machine and a register running on it.
            trust_env=parts.hostname not in {"127.0.0.1", "::1", "localhost"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    # Bulk files

    def published(self, kind: Kind) -> Publication:
        """What the register serves now, without fetching it."""
        path = _BULK_PATHS[kind]

        def ask() -> Publication:
            response = self._client.head(self.base_url + path, headers={"Accept": _BULK_TYPES[kind], "Accept-Encoding": "identity"})
            self._judge(response)
            return _publication(kind, response)

        return self._retry(f"HEAD {self.base_url}{path}", ask)

    def download(self, kind: Kind, folder: Path, *, known_etag: str | None = None) -> Bulk | None:
        """Stream the bulk file to `folder`; None when it is still the one with `known_etag`.

        The file appears under its name only when whole: length, gzip checksum and the closing bracket of the array are
        checked on the way, and a download that breaks is begun again. Its name carries the time of publication.
        Raises HistoryError when the disk refuses.
        """
        path = _BULK_PATHS[kind]
        # identity: the bulk is a gzip *file*; any transfer coding on top would have to be undone before it can be kept.
        headers = {"Accept": _BULK_TYPES[kind], "Accept-Encoding": "identity"}
        if known_etag is not None:
            headers["If-None-Match"] = known_etag

        def fetch() -> Bulk | None:
            with self._client.stream("GET", self.base_url + path, headers=headers) as response:
                if response.status_code == 304:
                    return None
                if response.status_code != 200:
                    response.read()
                self._judge(response)
                return _store(kind, response, folder)

        try:
            folder.mkdir(parents=True, exist_ok=True)
            return self._retry(f"GET {self.base_url}{path}", fetch)
        except OSError as error:
            raise HistoryError(
                f"The bulk file of {kind} cannot be written to {folder} ({error.strerror or error}); make room or choose another folder."
            ) from error

    @staticmethod
    def read_bulk(path: Path, batch_rows: int = 10_000) -> Iterator[list[Any]]:
        """The elements of a gzip JSON array, `batch_rows` at a time, in bounded memory.

        Elements that are not objects are passed on as they are: what to do with them is the contract's decision.
        Raises SourceError when the file is truncated or garbled, which may be after some batches were given.
        """
        import ijson  # type: ignore[import-untyped]

        batch: list[Any] = []
        try:
            with gzip.open(path, "rb") as file:
                if file.peek(64).lstrip()[:1] != b"[":  # ijson would read an object as an empty array
                    raise SourceError(f"The bulk file {path} is not a JSON array; delete it and download it again.")
                for element in ijson.items(file, "item"):
                    batch.append(element)
                    if len(batch) >= batch_rows:
                        yield batch
                        batch = []
        except (EOFError, OSError, zlib.error, ijson.JSONError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise SourceError(f"The bulk file {path} is truncated or garbled ({reason}); delete it and download it again.") from error
        if batch:
            yield batch

    # Change events

    def updates(
        self,
        kind: UnitKind,
        *,
        since: datetime,
        until: datetime | None = None,
        after_id: int | None = None,
        size: int = EVENTS_PER_PAGE,
    ) -> Iterator[list[dict[str, Any]]]:
        """Change events published in [since, until), page by page, each event once, in order of `oppdateringsid`.

        `after_id` goes on behind an event already seen. Pages are followed by id, not by number, because numbered pages
        end at a depth limit. Patches (`endringer`) are included. An event whose `dato` cannot be read is passed on.
        Reading stops at a whole page that lies after `until`.
        """
        start, end = _utc("since", since), None if until is None else _utc("until", until)
        key, last = _EVENT_LISTS[kind], after_id or 0
        position: dict[str, Any] = {"oppdateringsid": last + 1} if after_id is not None else {"dato": _timestamp(start)}
        while True:
            body = self._object(
                f"/oppdateringer/{kind}",
                accept=f"{_EVENT_TYPES[kind]}, {_JSON};q=0.9",
                params={**position, "size": size, "includeChanges": "true"},
            )
            page = _embedded(body, key)
            if not page:
                return
            fresh = _new_events(page, last, lambda event: event["oppdateringsid"])
            if fresh:
                last = fresh[-1]["oppdateringsid"]
                inside = [event for event in fresh if _within(event.get("dato"), start, end)]
                if inside:
                    yield inside
                if end is not None and all(_after(event.get("dato"), end) for event in fresh):
                    return
            # The total guards against a register that caps `size` below what we asked: a short page is then no end.
            if len(page) < size and _total(body) <= len(page):
                return
            if not fresh:
                raise SourceError(f"{self.base_url}/oppdateringer/{kind} gives the same events again after id {last}.")
            position = {"oppdateringsid": last + 1}

    def role_updates(
        self,
        *,
        since: datetime,
        until: datetime | None = None,
        after_id: int | None = None,
        size: int = EVENTS_PER_PAGE,
    ) -> Iterator[list[dict[str, Any]]]:
        """CloudEvents in [since, until) that say whose roles changed, page by page, each once, in order of `id`.

        They do not say what changed: fetch `roles` and compare.
        """
        start, end = _utc("since", since), None if until is None else _utc("until", until)
        last = after_id or 0
        # One millisecond early, because whether afterTime includes its own instant is not documented.
        early = _timestamp(start - timedelta(milliseconds=1))
        position: dict[str, Any] = {"afterId": after_id} if after_id is not None else {"afterTime": early}
        while True:
            _, body = self._answer("/oppdateringer/roller", accept=_JSON, params={**position, "size": size})
            if not isinstance(body, list):
                raise SourceError(f"{self.base_url}/oppdateringer/roller did not answer with a list of events.")
            fresh = _new_events(body, last, lambda event: int(event["id"]))
            if not fresh:
                return
            last = int(fresh[-1]["id"])
            inside = [event for event in fresh if _within(event.get("time"), start, end)]
            if inside:
                yield inside
            if len(body) < size or (end is not None and all(_after(event.get("time"), end) for event in fresh)):
                return
            position = {"afterId": last}

    # Small answers

    def organization_forms(self) -> list[dict[str, Any]]:
        """The code list of legal forms: `kode`, `beskrivelse`, `utgaatt` (the date it went out of use) where it has."""
        forms = _embedded(self._object("/organisasjonsformer", accept=_JSON), "organisasjonsformer")
        if not forms:
            raise SourceError(f"{self.base_url}/organisasjonsformer answered without a single legal form.")
        return forms

    def unit(self, kind: UnitKind, number: str) -> Unit:
        """One unit and its state.

        Live is 200, deleted is 200 with `slettedato`, removed for legal reasons is 410, unknown is 404. A sub-unit's
        number asked among `enheter` is unknown there. A text that is not nine digits is unknown without asking.
        """
        if not re.fullmatch(r"\d{9}", number):
            return Unit(number, "unknown", None)
        status, body = self._answer(f"/{kind}/{number}", accept=_UNIT_TYPES[kind], expected=(404, 410))
        if status == 404:
            return Unit(number, "unknown", None)
        if status == 410:
            return Unit(number, "removed", body if isinstance(body, dict) else None)
        if not isinstance(body, dict):
            raise SourceError(f"{self.base_url}/{kind}/{number} did not answer with an object.")
        # Older answers lack respons_klasse, so the date decides.
        return Unit(number, "deleted" if body.get("slettedato") else "live", body)

    def roles(self, number: str) -> dict[str, Any]:
        """The roles of one unit, with names and birth dates: personal data."""
        if not re.fullmatch(r"\d{9}", number):
            raise SourceError(f"{number!r} is not an organization number of nine digits, so it has no roles.")
        return self._object(f"/enheter/{number}/roller", accept=_ROLE_TYPE)

    def search(self, kind: UnitKind, **parameters: object) -> Iterator[dict[str, Any]]:
        """The units that match, through all pages; parameters as the API names them, lists and dates as in Python.

        Raises SourceError when more than 10,000 match, as the API cannot page past that: a search never reads all.
        """
        size = int(str(parameters.pop("size", 1_000)))
        query = {name: _parameter(value) for name, value in parameters.items()}
        number = 0
        while True:
            body = self._object(f"/{kind}", accept=_UNIT_TYPES[kind], params={**query, "size": size, "page": number})
            total = _total(body)
            if total > DEPTH_LIMIT:
                raise SourceError(
                    f"The search of {kind} matches {total:,} units and the register pages through {DEPTH_LIMIT:,} at"
                    " most; narrow it or use the bulk file."
                )
            yield from _embedded(body, kind)
            if "next" not in (body.get("_links") or {}):
                return
            number += 1

    # One conversation with the register

    def _object(self, path: str, *, accept: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        _, body = self._answer(path, accept=accept, params=params)
        if not isinstance(body, dict):
            raise SourceError(f"{self.base_url}{path} did not answer with a JSON object; check {VARIABLE}.")
        return body

    def _answer(
        self, path: str, *, accept: str, params: Mapping[str, Any] | None = None, expected: tuple[int, ...] = ()
    ) -> tuple[int, object]:
        def ask() -> tuple[int, object]:
            response = self._client.get(self.base_url + path, params=params, headers={"Accept": accept})
            self._judge(response, expected)
            if response.status_code != 200 and not response.content.strip():
                return response.status_code, None
            try:
                return response.status_code, json.loads(response.content, parse_float=Decimal)
            except ValueError as error:
                raise _Transient(f"the body is not JSON: {error}") from error

        return self._retry(f"GET {self.base_url}{path}", ask)

    def _judge(self, response: httpx.Response, expected: tuple[int, ...] = ()) -> None:
        status = response.status_code
        if status == 200 or status in expected:
            return
        said = f"{status} {response.reason_phrase}".strip()
        if status == 429 or status >= 500:
            raise _Transient(said, retry_after=_retry_after(response.headers.get("Retry-After", "")))
        detail = _complaint(response)
        raise SourceError(
            f"Enhetsregisteret refuses {response.request.method} {response.request.url} with {said}"
            f"{f' ({detail})' if detail else ''}; correct the request or {VARIABLE}."
        )

    def _retry(self, what: str, attempt: Callable[[], T]) -> T:
        import httpx

        failure: Exception
        for number in range(1, self._attempts + 1):
            wait = None
            try:
                return attempt()
            except _Transient as error:
                failure, wait = error, error.retry_after
            except httpx.RequestError as error:
                failure = error
            if number < self._attempts:
                backoff = min(60.0, 0.5 * 2**number) * random.uniform(0.5, 1.0)
                self._sleep(backoff if wait is None else min(LONGEST_WAIT, wait))
        reason = str(failure) or type(failure).__name__
        tries = f"{self._attempts} attempt{'s' if self._attempts > 1 else ''}"
        if isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout)):
            raise SourceError(
                f"Enhetsregisteret cannot be reached at {self.base_url} ({reason}; {tries}); check the network and {VARIABLE}."
            ) from failure
        raise SourceError(
            f"Enhetsregisteret gave no usable answer to {what} in {tries} (last: {reason}); try again later, or check {VARIABLE}."
        ) from failure


class _Transient(Exception):
    """Worth another attempt."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _Seal:
    """Follows a gzip stream as it passes, without keeping it: is it whole, and does it hold one closed JSON array?"""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._first = self._last = b""

    def feed(self, data: bytes) -> None:
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")  # padding between members is allowed
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            text = self._member.decompress(data, 1 << 20).strip()
            if text:
                self._first, self._last = self._first or text[:1], text[-1:]
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def fault(self) -> str | None:
        if not self._member.eof:
            return "the gzip stream ends too early"
        if self._first != b"[" or self._last != b"]":
            return "the file does not hold one closed JSON array"
        return None


def _store(kind: Kind, response: httpx.Response, folder: Path) -> Bulk:
    publication = _publication(kind, response)
    digest, seal, count = hashlib.sha256(), _Seal(), 0
    name = f"{kind}-{publication.published_at:%Y%m%dT%H%M%SZ}.json.gz"
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{name}.", suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            for chunk in response.iter_raw(_CHUNK):  # raw: httpx must not undo the gzip that is the file itself
                file.write(chunk)
                digest.update(chunk)
                count += len(chunk)
                seal.feed(chunk)
            fault = seal.fault()
            if publication.size is not None and count != publication.size:
                fault = f"{count:,} of {publication.size:,} bytes arrived"
            if fault:
                raise _Transient(fault)
        except zlib.error as error:
            part.unlink(missing_ok=True)
            raise _Transient(f"the gzip stream is garbled: {error}") from error
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    try:
        path = part.replace(folder / name)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return Bulk(publication, path, digest.hexdigest(), count)


def _publication(kind: Kind, response: httpx.Response) -> Publication:
    published_at = _http_date(response.headers.get("Last-Modified", ""))
    if published_at is None:
        raise _Transient("the bulk file does not say when it was built (Last-Modified), so it belongs to no day")
    length = response.headers.get("Content-Length", "")
    return Publication(kind, published_at, response.headers.get("ETag"), int(length) if length.isdigit() else None)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _retry_after(header: str) -> float | None:
    """Seconds to wait, from a header that holds seconds or an HTTP date."""
    if header.strip().isdigit():
        return float(header)
    moment = _http_date(header)
    return None if moment is None else max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _complaint(response: httpx.Response) -> str:
    """What the register says is wrong, in whichever of its error shapes."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    listed = [item for item in body.get("validationErrors") or [] if isinstance(item, dict)]
    text = "; ".join(str(item.get("errorMessage")) for item in listed) or str(body.get("error") or "")
    return " ".join(text.split())[:200]


def _embedded(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of a HAL page; an empty page has no `_embedded` at all."""
    elements = (body.get("_embedded") or {}).get(key) or []
    if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
        raise SourceError(f"Enhetsregisteret's page of {key} does not hold a list of objects.")
    return elements


def _total(body: dict[str, Any]) -> int:
    total = (body.get("page") or {}).get("totalElements")
    return total if isinstance(total, int) else 0


def _new_events(page: list[Any], last: int, key: Callable[[Any], int]) -> list[dict[str, Any]]:
    try:
        numbered = {key(event): event for event in page}
        return [numbered[number] for number in sorted(numbered) if number > last]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("A change event came without a number, so nothing can be read past it.") from error


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _within(text: object, start: datetime, end: datetime | None) -> bool:
    moment = _moment(text)
    return moment is None or (moment >= start and (end is None or moment < end))


def _after(text: object, end: datetime) -> bool:
    moment = _moment(text)
    return moment is not None and moment >= end


def _utc(name: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ConfigurationError(f"`{name}` must carry a time zone, and {moment.isoformat()} has none.")
    return moment.astimezone(UTC)


def _timestamp(moment: datetime) -> str:
    """The only form the feeds take; a bare date is refused with 400."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _parameter(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)
