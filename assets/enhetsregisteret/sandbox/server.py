"""The synthetic register over HTTP on 127.0.0.1: paths, answers and errors of the real one, and faults on demand."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import socket
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo

from assets.enhetsregisteret.sandbox.codes import ORGANIZATION_FORMS, SUB_UNIT_FORMS, form, link
from assets.enhetsregisteret.sandbox.units import Body
from assets.enhetsregisteret.sandbox.world import OSLO, Kind, UnitKind, World, built_at
from dataproducts.errors import ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

Fault = Literal[
    "unavailable",  # 503
    "busy",  # 429, with Retry-After where given
    "broken_off",  # the connection ends half way through the body
    "truncated",  # a well-formed answer holding only half of the gzip file
    "unclosed",  # a whole gzip file whose JSON array is not closed
    "garbage",  # bytes that are neither gzip nor JSON
    "slow",  # silence for `seconds`, half way through the body
    "drift",  # every unit has a field the API did not have before
    "not_an_object",  # the bulk holds elements that are no objects
    "no_number",  # the bulk holds a unit without its number
    "bad_check_digit",  # the bulk holds a unit whose number fails mod 11
]
_IN_THE_CONTENT = ("drift", "not_an_object", "no_number", "bad_check_digit", "unclosed", "truncated", "garbage")
_PREFIX = "/enhetsregisteret/api"
_DEPTH = 10_000
_CACHED = 60

NEW_FIELD = "sandkasseNyttFelt"
"""What the fault "drift" adds to every unit."""


@dataclass
class _Planned:
    fault: Fault
    path: str
    times: int
    retry_after: str | None
    seconds: float


class _Refusal(Exception):
    """An answer of 400, with what the register says about it."""


class Sandbox:
    """A register to talk to. `with Sandbox() as sandbox: Register(sandbox.url)`."""

    def __init__(self, world: World | None = None, *, port: int = 0, clock: Callable[[], datetime] | None = None) -> None:
        """Port 0 takes a free one. `clock` gives an aware datetime; without it the real clock decides the day.

        Raises ConfigurationError when the port is taken.
        """
        self._world = world or World()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._moved: date | None = None
        self._shown: date | None = None  # the newest day it was moved to
        self._faults: list[_Planned] = []
        self._files: dict[tuple[Kind, date, tuple[Fault, ...]], tuple[bytes, str]] = {}
        self._lock = threading.Lock()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.requests: deque[str] = deque(maxlen=10_000)
        """What was asked, newest last: "GET /enheter/lastned 200"."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            self._socket.close()
            raise ConfigurationError(
                f"The sandbox register cannot listen on port {port} ({error}); choose another port, or 0 for a free one."
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{_PREFIX}"
        """What ENHETSREGISTERET_URL should be."""

    def start(self) -> None:
        """Begin to answer, on a thread of its own; returns when it does."""
        import uvicorn

        config = uvicorn.Config(
            self._application(),
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="sandbox-register", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise ConfigurationError(f"The sandbox register could not start on port {self.port}.")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop answering and give the port back."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=5)
            self._server = self._thread = None
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def variables(self, first_day: date) -> dict[str, str]:
        """Environment variables that point the product here, for a history that begins on `first_day`."""
        return {"ENHETSREGISTERET_URL": self.url, "ENHETSREGISTERET_START": first_day.isoformat()}

    # The clock

    @property
    def day(self) -> date:
        """The day whose nightly build is served now; by the clock, yesterday's until 05:00 in Oslo unless today's was served before."""
        if self._moved is not None:
            return self._moved
        now = self._clock().astimezone(ZoneInfo(OSLO))
        today = now.date()
        early = self._shown is not None and self._shown >= today  # a file that was published is not taken back
        built = today if early or now >= built_at(today) else today - timedelta(days=1)
        return max(built, self._world.epoch)

    def travel(self, day: date | None) -> None:
        """Serve the build of `day`, earlier or later, until moved again; None follows the clock again.

        Raises ConfigurationError for a day before the world's epoch.
        """
        if day is not None and day < self._world.epoch:
            raise ConfigurationError(f"The sandbox register begins on {self._world.epoch}, so it has no {day}.")
        self._moved = day
        if day is not None:
            self._shown = max(day, self._shown or day)

    @property
    def world(self) -> World:
        """The world at the day that is served."""
        with self._lock:
            day = self.day
            if day < self._world.day:
                self._world = self._world.twin()
            self._world.advance(day)
            return self._world

    # Faults

    def inject(self, fault: Fault, path: str, *, times: int = 1, retry_after: str | None = None, seconds: float = 1.0) -> None:
        """Spoil the next `times` answers to `path` (such as "/enheter/lastned").

        `retry_after` goes with "busy" and "unavailable", `seconds` with "slow". Faults of the body leave HEAD alone.
        Several faults of the content add up.
        """
        with self._lock:
            self._faults.append(_Planned(fault, path, times, retry_after, seconds))

    def heal(self) -> None:
        """Forget all faults not yet used."""
        with self._lock:
            self._faults.clear()

    def _due(self, request: Request) -> list[_Planned]:
        path = request.url.path.removeprefix(_PREFIX)
        refusing = ("unavailable", "busy")
        with self._lock:
            due = [plan for plan in self._faults if plan.path == path]
            if request.method == "HEAD":
                due = [plan for plan in due if plan.fault in refusing]
            due = next(([plan] for plan in due if plan.fault in refusing), due)
            for plan in due:
                plan.times -= 1
            self._faults = [plan for plan in self._faults if plan.times > 0]
        return due

    # Answers

    def _application(self) -> Starlette:
        from starlette.applications import Starlette
        from starlette.routing import Route

        api: dict[str, Callable[[Request, tuple[Fault, ...]], Response]] = {
            "/enheter/lastned": lambda request, faults: self._file(request, "enheter", faults),
            "/underenheter/lastned": lambda request, faults: self._file(request, "underenheter", faults),
            "/roller/totalbestand": lambda request, faults: self._file(request, "roller", faults),
            "/oppdateringer/enheter": lambda request, _: self._events(request, "enheter"),
            "/oppdateringer/underenheter": lambda request, _: self._events(request, "underenheter"),
            "/oppdateringer/roller": lambda request, _: self._role_events(request),
            "/organisasjonsformer": lambda request, _: _forms(ORGANIZATION_FORMS),
            "/organisasjonsformer/enheter": lambda request, _: _forms(code for code in ORGANIZATION_FORMS if code not in SUB_UNIT_FORMS),
            "/organisasjonsformer/underenheter": lambda request, _: _forms(SUB_UNIT_FORMS),
            "/organisasjonsformer/{code}": lambda request, _: _form(request),
            "/enheter": lambda request, _: self._search(request, "enheter"),
            "/underenheter": lambda request, _: self._search(request, "underenheter"),
            "/enheter/{number}": lambda request, faults: self._unit(request, "enheter", faults),
            "/underenheter/{number}": lambda request, faults: self._unit(request, "underenheter", faults),
            "/enheter/{number}/roller": lambda request, _: self._roles(request),
        }
        routes = [Route(_PREFIX + path, self._guarded(answer), methods=["GET"]) for path, answer in api.items()]
        return Starlette(routes=[*routes, Route("/sandbox/clock", self._set_clock, methods=["GET", "POST"])])

    def _guarded(self, answer: Callable[[Request, tuple[Fault, ...]], Response]) -> Callable[[Request], Any]:
        from starlette.responses import Response, StreamingResponse

        async def endpoint(request: Request) -> Response:
            due = {plan.fault: plan for plan in self._due(request)}
            response: Response
            for fault, status in (("unavailable", 503), ("busy", 429)):
                for plan in (plan for plan in due.values() if plan.fault == fault):
                    headers = {"Retry-After": plan.retry_after} if plan.retry_after is not None else {}
                    response = _json({"error": "Service Unavailable"}, status, headers)
                    self._note(request, response)
                    return response
            try:
                response = answer(request, tuple(fault for fault in due if fault in _IN_THE_CONTENT))
            except _Refusal as refusal:
                response = _json({"validationErrors": [{"errorMessage": str(refusal)}]}, 400)
            self._note(request, response)
            body, headers = bytes(response.body), dict(response.headers)
            if "broken_off" in due:
                return Response(body[: len(body) // 2], response.status_code, headers)  # the length still says all
            if "slow" in due:
                return StreamingResponse(_halting(body, due["slow"].seconds), response.status_code, headers)
            return response

        return endpoint

    def _note(self, request: Request, response: Response) -> None:
        path = request.url.path.removeprefix(_PREFIX)
        query = f"?{request.url.query}" if request.url.query else ""
        self.requests.append(f"{request.method} {path}{query} {response.status_code}")

    def _file(self, request: Request, kind: Kind, faults: tuple[Fault, ...]) -> Response:
        from starlette.responses import Response

        day = self.day
        content, etag = self._cached(kind, day, faults)
        headers = {"ETag": etag, "Last-Modified": format_datetime(built_at(day), usegmt=True)}
        if request.headers.get("If-None-Match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/vnd.brreg.enhetsregisteret.enhet.v2+gzip")

    def _cached(self, kind: Kind, day: date, faults: tuple[Fault, ...]) -> tuple[bytes, str]:
        key = (kind, day, faults)
        if key not in self._files:
            text = _spoil(self.world.bulk(kind), faults)
            content = gzip.compress(text, compresslevel=1, mtime=0)
            if "truncated" in faults:
                content = content[: len(content) // 2]
            if "garbage" in faults:
                content = b"<html>Vedlikehold</html>" * 100
            etag = f'"{kind}-{day:%Y%m%d}-{hashlib.sha256(text).hexdigest()[:12]}"'
            while len(self._files) >= _CACHED:
                del self._files[next(iter(self._files))]
            self._files[key] = content, etag
        return self._files[key]

    def _unit(self, request: Request, kind: UnitKind, faults: tuple[Fault, ...]) -> Response:
        from starlette.responses import Response

        world, number = self.world, request.path_params["number"]
        body = world.live[kind].get(number) or world.deleted[kind].get(number)
        if body is not None:
            return _json(body | {NEW_FIELD: "ja"} if "drift" in faults else body)
        if number in world.removed[kind]:
            return _json(world.removed[kind][number], 410)
        return Response(status_code=404)

    def _roles(self, request: Request) -> Response:
        from starlette.responses import Response

        world, number = self.world, request.path_params["number"]
        if number in world.roles:
            return _json(world.roles[number])
        if number in world.removed["enheter"]:
            return _json(world.removed["enheter"][number], 410)
        if number not in world.live["enheter"] and number not in world.deleted["enheter"]:
            return Response(status_code=404)
        links = link(f"/enheter/{number}/roller") | {"enhet": link(f"/enheter/{number}")["self"]}
        return _json({"rollegrupper": [], "_links": links})

    def _events(self, request: Request, kind: UnitKind) -> Response:
        query = request.query_params
        events = self.world.events[kind]
        if "dato" in query:
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", query["dato"]):
                raise _Refusal("dato må være på formatet yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
            events = events[bisect_left(events, query["dato"], key=lambda event: event["dato"]) :]
        if "oppdateringsid" in query:
            first = _whole(query["oppdateringsid"], "oppdateringsid", least=1)
            events = events[bisect_left(events, first, key=lambda event: event["oppdateringsid"]) :]
        if "organisasjonsnummer" in query:
            wanted = set(query["organisasjonsnummer"].split(","))
            events = [event for event in events if event["organisasjonsnummer"] in wanted]
        size = _whole(query.get("size", "20"), "size", least=1, most=10_000)
        number = _whole(query.get("page", "0"), "page", least=0)
        if (number + 1) * size > _DEPTH and number > 0:
            raise _Refusal(f"page * size kan ikke overstige {_DEPTH}")
        page = events[number * size : (number + 1) * size]
        if query.get("includeChanges") != "true":
            page = [{name: value for name, value in event.items() if name != "endringer"} for event in page]
        key = "oppdaterteEnheter" if kind == "enheter" else "oppdaterteUnderenheter"
        return self._page(request, key, page, size, number, len(events))

    def _role_events(self, request: Request) -> Response:
        query = request.query_params
        events = self.world.events["roller"]
        if "afterTime" in query:
            events = events[bisect_left(events, query["afterTime"], key=lambda event: event["time"]) :]
        if "afterId" in query:
            after = _whole(query["afterId"], "afterId", least=0)
            events = events[bisect_left(events, after + 1, key=lambda event: int(event["id"])) :]
        return _json(events[: _whole(query.get("size", "100"), "size", least=1, most=10_000)])

    def _search(self, request: Request, kind: UnitKind) -> Response:
        query = request.query_params
        size = _whole(query.get("size", "20"), "size", least=1, most=_DEPTH)
        number = _whole(query.get("page", "0"), "page", least=0)
        if (number + 1) * size > _DEPTH:
            raise _Refusal(f"page * size kan ikke overstige {_DEPTH}")
        unknown = sorted(set(query) - {"size", "page", "sort", *_FILTERS})
        if unknown:
            raise _Refusal(f"Sandkassen kjenner ikke søkeparameteren {unknown[0]}")
        hits = list(self.world.live[kind].values())
        for name, matches in _FILTERS.items():
            if name in query:
                wanted = query[name].split(",")
                hits = [body for body in hits if any(matches(body, value) for value in wanted)]
        return self._page(request, kind, hits[number * size : (number + 1) * size], size, number, len(hits))

    def _page(self, request: Request, key: str, page: list[Body], size: int, number: int, total: int) -> Response:
        def at(place: int) -> Body:
            return {"href": str(request.url.include_query_params(page=place, size=size))}

        pages = -(-total // size)
        body: Body = {"_embedded": {key: page}} if page else {}
        body["_links"] = {"self": {"href": str(request.url)}}
        if total:
            body["_links"] |= {"first": at(0), "last": at(pages - 1)}
        if 0 < number <= pages:
            body["_links"]["prev"] = at(number - 1)
        if number + 1 < pages:
            body["_links"]["next"] = at(number + 1)
        body["page"] = {"size": size, "totalElements": total, "totalPages": pages, "number": number}
        return _json(body)

    async def _set_clock(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                asked = json.loads(await request.body())["day"]
                self.travel(None if asked is None else date.fromisoformat(asked))
            except (ValueError, KeyError, TypeError):
                return _json({"error": 'The clock takes {"day": "2026-11-20"}, or null to follow the real one.'}, 400)
            except ConfigurationError as error:
                return _json({"error": str(error)}, 400)
        return _json({"day": self.day.isoformat()})


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(_encode(body), status, headers, media_type="application/json")


def _encode(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _spoil(elements: Iterable[Body], faults: tuple[Fault, ...]) -> bytes:
    """The text of a bulk file. Faulty elements are added to the good ones, which all remain."""
    content: list[Any] = list(elements)
    if "drift" in faults:
        content = [element | {NEW_FIELD: "ja"} for element in content]
    first = content[0]
    if "no_number" in faults:
        content.insert(1, {name: value for name, value in first.items() if name != "organisasjonsnummer"})
    if "bad_check_digit" in faults:
        number = first["organisasjonsnummer"]
        wrong = deepcopy(first) | {"organisasjonsnummer": f"{number[:-1]}{(int(number[-1]) + 1) % 10}"}
        content.insert(2, wrong)
    if "not_an_object" in faults:
        content[3:3] = ["ikke et objekt", 42, None, ["heller ikke"]]
    text = _encode(content)
    return text[:-1] if "unclosed" in faults else text


async def _halting(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    await asyncio.sleep(seconds)
    yield body[len(body) // 2 :]


def _whole(text: str, name: str, *, least: int, most: int | None = None) -> int:
    if not text.isdigit() or int(text) < least or (most is not None and int(text) > most):
        raise _Refusal(f"{name} må være et heltall fra {least}{f' til {most}' if most else ''}")
    return int(text)


def _forms(codes: Iterable[str]) -> Response:
    listed = [form(code) for code in codes]
    return _json({"_embedded": {"organisasjonsformer": listed}, "_links": link("/organisasjonsformer")})


def _form(request: Request) -> Response:
    from starlette.responses import Response

    code = request.path_params["code"]
    return _json(form(code)) if code in ORGANIZATION_FORMS else Response(status_code=404)


def _at(body: Body, address: str, field: str) -> str:
    return str((body.get(address) or {}).get(field, ""))


_FILTERS: dict[str, Callable[[Body, str], bool]] = {
    "navn": lambda body, text: text.upper() in body["navn"],
    "organisasjonsnummer": lambda body, text: body["organisasjonsnummer"] == text,
    "overordnetEnhet": lambda body, text: body.get("overordnetEnhet") == text,
    "organisasjonsform": lambda body, text: body["organisasjonsform"]["kode"] == text,
    "naeringskode": lambda body, text: any(_at(body, f"naeringskode{place}", "kode").startswith(text) for place in (1, 2, 3)),
    "kommunenummer": lambda body, text: any(
        _at(body, address, "kommunenummer") == text for address in ("forretningsadresse", "beliggenhetsadresse")
    ),
    "konkurs": lambda body, text: body.get("konkurs", False) is (text == "true"),
}
