"""The client of Enhetsregisteret against the sandbox on a real socket, and against answers no sandbox gives."""

from __future__ import annotations

import gzip
import json
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from assets.enhetsregisteret.register import Publication, Register
from assets.enhetsregisteret.sandbox import Sandbox, World, built_at
from dataproducts.errors import ConfigurationError, HistoryError, SourceError

REAL = Path(__file__).parents[2] / "data" / "enhetsregisteret"
DAY = date(2026, 11, 20)
BASE = "https://register.invalid/enhetsregisteret/api"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(World(units=400)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.heal()
    running.travel(DAY)
    running.requests.clear()
    return running


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client would have slept."""
    return []


@pytest.fixture
def register(sandbox: Sandbox, waits: list[float]) -> Iterator[Register]:
    with Register(sandbox.url, sleep=waits.append, timeout=5) as register:
        yield register


def answering(answer: Callable[[httpx.Request], httpx.Response], **settings: Any) -> Register:
    return Register(BASE, transport=httpx.MockTransport(answer), sleep=lambda _: None, **settings)


def rows(path: Path) -> list[Any]:
    return [element for batch in Register.read_bulk(path) for element in batch]


def gzipped(path: Path, text: bytes) -> Path:
    path.write_bytes(gzip.compress(text))
    return path


def one_sentence(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# Bulk files


@pytest.mark.parametrize("kind", ["enheter", "underenheter", "roller"])
def test_a_bulk_file_arrives_whole_with_the_day_it_belongs_to(kind: Any, register: Register, sandbox: Sandbox, tmp_path: Path) -> None:
    bulk = register.download(kind, tmp_path)
    assert bulk is not None
    assert bulk.publication.day == DAY
    assert bulk.publication.published_at == built_at(DAY)
    assert bulk.bytes == bulk.path.stat().st_size == bulk.publication.size
    assert rows(bulk.path) == json.loads(json.dumps(list(sandbox.world.bulk(kind))), parse_float=Decimal)
    assert list(tmp_path.iterdir()) == [bulk.path]


def test_an_unchanged_bulk_file_is_not_fetched_again(register: Register, sandbox: Sandbox, tmp_path: Path) -> None:
    first = register.download("enheter", tmp_path)
    assert first is not None
    assert register.download("enheter", tmp_path, known_etag=first.publication.etag) is None
    assert sandbox.requests[-1] == "GET /enheter/lastned 304"
    sandbox.travel(DAY + timedelta(days=1))
    second = register.download("enheter", tmp_path, known_etag=first.publication.etag)
    assert second is not None
    assert second.path != first.path


def test_asking_what_is_published_fetches_no_body(register: Register, sandbox: Sandbox) -> None:
    publication = register.published("roller")
    assert publication.day == DAY
    assert publication.etag
    assert publication.size
    assert list(sandbox.requests) == ["HEAD /roller/totalbestand 200"]


def test_a_build_late_in_the_evening_utc_belongs_to_the_next_day_in_oslo() -> None:
    assert Publication("enheter", datetime(2026, 11, 20, 23, 30, tzinfo=UTC), None, None).day == date(2026, 11, 21)
    assert Publication("enheter", datetime(2026, 7, 20, 21, 59, tzinfo=UTC), None, None).day == date(2026, 7, 20)


def test_the_time_of_publication_is_that_of_the_bytes_not_of_an_earlier_look(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        day = DAY if request.method == "HEAD" else DAY + timedelta(days=1)
        headers = {"Last-Modified": format_datetime(built_at(day), usegmt=True), "ETag": f'"{day}"'}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(gzip.compress(b"[]")))

    register = answering(answer)
    assert register.published("enheter").day == DAY
    bulk = register.download("enheter", tmp_path)
    assert bulk is not None
    assert bulk.publication.day == DAY + timedelta(days=1)
    assert bulk.publication.etag == '"2026-11-21"'


def test_the_gzip_file_is_kept_as_it_is_even_when_the_server_calls_it_a_content_encoding(tmp_path: Path) -> None:
    content = gzip.compress(b'[{"organisasjonsnummer":"800000000"}]')
    headers = {"Last-Modified": format_datetime(built_at(DAY), usegmt=True), "Content-Encoding": "gzip"}
    stream = httpx.ByteStream(content)
    register = answering(lambda _: httpx.Response(200, headers=headers, stream=stream))
    bulk = register.download("enheter", tmp_path)
    assert bulk is not None
    assert bulk.path.read_bytes() == content


def test_a_bulk_file_that_does_not_say_when_it_was_built_is_refused(tmp_path: Path) -> None:
    register = answering(lambda _: httpx.Response(200, content=gzip.compress(b"[]")))
    with pytest.raises(SourceError, match="Last-Modified") as error:
        register.download("enheter", tmp_path)
    one_sentence(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["broken_off", "truncated", "unclosed", "garbage"])
def test_a_download_that_breaks_is_begun_again(
    fault: Any, register: Register, sandbox: Sandbox, waits: list[float], tmp_path: Path
) -> None:
    sandbox.inject(fault, "/enheter/lastned", times=2)
    bulk = register.download("enheter", tmp_path)
    assert bulk is not None
    assert len(rows(bulk.path)) == len(sandbox.world.live["enheter"])
    assert len(waits) == 2
    assert list(tmp_path.iterdir()) == [bulk.path]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("broken_off", "peer closed connection"),
        ("truncated", "the gzip stream ends too early"),
        ("unclosed", "does not hold one closed JSON array"),
        ("garbage", "the gzip stream is garbled"),
    ],
)
def test_a_download_that_stays_broken_is_refused_and_leaves_nothing_behind(
    fault: Any, reason: str, register: Register, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.inject(fault, "/enheter/lastned", times=5)
    with pytest.raises(SourceError, match=reason) as error:
        register.download("enheter", tmp_path)
    assert "/enheter/lastned in 5 attempts" in one_sentence(error)
    assert list(tmp_path.iterdir()) == []


def test_a_register_that_falls_silent_half_way_is_asked_again(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.inject("slow", "/underenheter/lastned", seconds=0.6)
    waits: list[float] = []
    with Register(sandbox.url, timeout=0.2, sleep=waits.append) as register:
        bulk = register.download("underenheter", tmp_path)
    assert bulk is not None
    assert len(rows(bulk.path)) == len(sandbox.world.live["underenheter"])
    assert len(waits) == 1


def test_a_disk_that_refuses_is_named(register: Register, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    with pytest.raises(HistoryError, match=str(folder)) as error:
        register.download("enheter", folder)
    one_sentence(error)


# Reading a bulk file


def test_the_elements_come_in_batches_with_decimals_kept(tmp_path: Path) -> None:
    path = gzipped(tmp_path / "x.gz", b' \n[{"belop": 121379025.85}, {"belop": 6392018780.00}, {"n": 2556807512}]\n')
    batches = list(Register.read_bulk(path, batch_rows=2))
    assert batches == [[{"belop": Decimal("121379025.85")}, {"belop": Decimal("6392018780.00")}], [{"n": 2556807512}]]


def test_elements_that_are_no_objects_are_passed_on(register: Register, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.inject("not_an_object", "/enheter/lastned")
    bulk = register.download("enheter", tmp_path)
    assert bulk is not None
    elements = rows(bulk.path)
    assert [element for element in elements if not isinstance(element, dict)] == [
        "ikke et objekt",
        42,
        None,
        ["heller ikke"],
    ]
    assert len(elements) == len(sandbox.world.live["enheter"]) + 4


def test_broken_records_and_new_fields_reach_the_contract(register: Register, sandbox: Sandbox, tmp_path: Path) -> None:
    for fault in ("drift", "no_number", "bad_check_digit"):
        sandbox.inject(fault, "/enheter/lastned")
    bulk = register.download("enheter", tmp_path)
    assert bulk is not None
    elements = rows(bulk.path)
    assert all(element["sandkasseNyttFelt"] == "ja" for element in elements)
    assert sum("organisasjonsnummer" not in element for element in elements) == 1
    known = set(sandbox.world.live["enheter"])
    assert len([element for element in elements if element.get("organisasjonsnummer", "") not in known]) == 2


@pytest.mark.parametrize(
    "text",
    [b'[{"a": 1}, {"a"', b'[{"a": 1}', b'{"item": [1]}', b'[{"a": 1}] and more', b"", b'[{"a": "\xff\xfe"}]', b"[1 2]"],
)
def test_a_garbled_bulk_file_is_refused(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x\.gz") as error:
        rows(gzipped(tmp_path / "x.gz", text))
    one_sentence(error)


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    whole = gzip.compress(json.dumps([{"organisasjonsnummer": str(n)} for n in range(5000)]).encode())
    for length in (len(whole) // 2, len(whole) - 4, 5, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"truncated or garbled|not a JSON array"):
            rows(path)


def test_an_empty_register_is_an_empty_array(tmp_path: Path) -> None:
    assert rows(gzipped(tmp_path / "x.gz", b"[]")) == []


def test_reading_takes_memory_by_the_batch_not_by_the_file(tmp_path: Path) -> None:
    unit = (REAL / "enhet.json").read_bytes()
    path = gzipped(tmp_path / "x.gz", b"[" + b",".join([unit] * 3_000) + b"]")
    tracemalloc.start()
    try:
        count = sum(len(batch) for batch in Register.read_bulk(path, batch_rows=100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 3_000
    assert peak < 4_000_000, f"{peak:,} bytes for a file of {3_000 * len(unit):,}"


# When the register does not answer as it should


def test_a_register_that_is_down_for_a_moment_is_asked_again_with_growing_pauses(
    register: Register, sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.inject("unavailable", "/organisasjonsformer", times=4)
    assert register.organization_forms()
    assert len(waits) == 4
    assert all(0.5 <= wait <= 8 for wait in waits)
    assert waits[3] > waits[0]


def test_a_register_that_stays_down_is_an_error_that_names_it(register: Register, sandbox: Sandbox) -> None:
    sandbox.inject("unavailable", "/oppdateringer/enheter", times=5)
    with pytest.raises(SourceError, match="503") as error:
        list(register.updates("enheter", since=built_at(DAY)))
    assert f"{sandbox.url}/oppdateringer/enheter" in one_sentence(error)


@pytest.mark.parametrize(("header", "expected"), [("7", 7.0), ("0", 0.0), ("86400", 300.0)])
def test_retry_after_in_seconds_is_obeyed_up_to_five_minutes(
    header: str, expected: float, register: Register, sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.inject("busy", "/organisasjonsformer", retry_after=header)
    register.organization_forms()
    assert waits == [expected]


def test_retry_after_as_a_date_is_obeyed(register: Register, sandbox: Sandbox, waits: list[float]) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    sandbox.inject("busy", "/enheter/lastned", retry_after=moment)
    register.published("enheter")
    assert 35 < waits[0] <= 40


def test_a_refusal_fails_at_once_in_the_registers_own_words(register: Register, sandbox: Sandbox, waits: list[float]) -> None:
    with pytest.raises(SourceError, match=r"400 Bad Request.*Sandkassen kjenner ikke") as error:
        list(register.search("enheter", favorittfarge="blå"))
    one_sentence(error)
    assert waits == []
    assert len(sandbox.requests) == 1


def test_an_answer_that_is_no_json_is_not_taken_for_an_answer() -> None:
    with pytest.raises(SourceError, match="not JSON") as error:
        answering(lambda _: httpx.Response(200, text="<html>Vedlikehold</html>")).organization_forms()
    one_sentence(error)


def test_an_unreachable_register_is_one_sentence_with_the_address_and_the_variable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/enhetsregisteret/api"  # bound, so free of others, but silent
        with Register(url, sleep=lambda _: None) as register, pytest.raises(SourceError) as error:
            register.published("enheter")
    text = one_sentence(error)
    assert url in text
    assert "ENHETSREGISTERET_URL" in text


@pytest.mark.parametrize("url", ["", "data.brreg.no/enhetsregisteret/api", "ftp://data.brreg.no", "http://"])
def test_an_address_that_is_no_url_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ENHETSREGISTERET_URL") as error:
        Register(url)
    one_sentence(error)


# Change events


@pytest.mark.parametrize("kind", ["enheter", "underenheter"])
@pytest.mark.parametrize("size", [7, 10_000])
def test_every_event_comes_once_in_order_whatever_the_size_of_a_page(kind: Any, size: int, register: Register, sandbox: Sandbox) -> None:
    since = built_at(date(2026, 11, 1))
    events = [event for page in register.updates(kind, since=since, size=size) for event in page]
    expected = [event for event in sandbox.world.events[kind] if datetime.fromisoformat(event["dato"]) >= since]
    assert events == json.loads(json.dumps(expected), parse_float=Decimal)
    assert any("endringer" in event for event in events)


def test_the_events_of_a_civil_day_are_those_and_no_others(register: Register, sandbox: Sandbox) -> None:
    start, end = datetime(2026, 11, 16, 23, tzinfo=UTC), datetime(2026, 11, 17, 23, tzinfo=UTC)
    events = [event for page in register.updates("enheter", since=start, until=end, size=3) for event in page]
    assert events
    assert {event["dato"][:10] for event in events} == {"2026-11-17"}
    assert [event["oppdateringsid"] for event in events] == [
        event["oppdateringsid"] for event in sandbox.world.events["enheter"] if event["dato"][:10] == "2026-11-17"
    ]
    everything = sum(event["dato"][:10] >= "2026-11-17" for event in sandbox.world.events["enheter"])
    assert len(sandbox.requests) < everything / 3, "it went on reading long after the day was over"


def test_reading_goes_on_behind_the_last_event_seen(register: Register) -> None:
    since = built_at(date(2026, 11, 1))
    events = [event for page in register.updates("enheter", since=since) for event in page]
    seen = events[10]["oppdateringsid"]
    rest = [event for page in register.updates("enheter", since=since, after_id=seen, size=5) for event in page]
    assert rest == events[11:]


def test_a_register_that_gives_smaller_pages_than_asked_for_loses_no_events(sandbox: Sandbox) -> None:
    def capped(request: httpx.Request) -> httpx.Response:
        params = request.url.params.set("size", "4")
        inside = httpx.get(f"{sandbox.url}{request.url.path.removeprefix('/enhetsregisteret/api')}", params=params)
        return httpx.Response(inside.status_code, content=inside.content)

    since = built_at(date(2026, 11, 18))
    events = [event for page in answering(capped).updates("enheter", since=since) for event in page]
    assert len(events) == sum(datetime.fromisoformat(e["dato"]) >= since for e in sandbox.world.events["enheter"]) > 4


def test_events_repeated_and_out_of_order_are_put_right() -> None:
    pages = iter([[3, 1, 2, 3], [3, 5, 4, 4], [5]])

    def answer(_: httpx.Request) -> httpx.Response:
        page = [{"oppdateringsid": number, "dato": "2026-11-20T04:00:00.000Z"} for number in next(pages)]
        return httpx.Response(200, json={"_embedded": {"oppdaterteEnheter": page}})

    events = [e for page in answering(answer).updates("enheter", since=built_at(DAY), size=4) for e in page]
    assert [event["oppdateringsid"] for event in events] == [1, 2, 3, 4, 5]


def test_a_feed_that_does_not_get_on_is_an_error_not_an_endless_loop() -> None:
    page = [{"oppdateringsid": 1, "dato": "2026-11-20T04:00:00.000Z"}]
    register = answering(lambda _: httpx.Response(200, json={"_embedded": {"oppdaterteEnheter": page}}))
    with pytest.raises(SourceError, match="same events again") as error:
        list(register.updates("enheter", since=built_at(DAY), size=1))
    one_sentence(error)


def test_an_event_without_a_number_is_an_error() -> None:
    page = [{"dato": "2026-11-20T04:00:00.000Z"}]
    register = answering(lambda _: httpx.Response(200, json={"_embedded": {"oppdaterteEnheter": page}}))
    with pytest.raises(SourceError, match="without a number"):
        list(register.updates("enheter", since=built_at(DAY)))


def test_a_time_without_a_zone_is_refused(register: Register) -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        list(register.updates("enheter", since=datetime(2026, 11, 20)))


@pytest.mark.parametrize("size", [3, 10_000])
def test_every_role_event_comes_once_in_order(size: int, register: Register, sandbox: Sandbox) -> None:
    since, until = built_at(date(2026, 11, 10)), built_at(date(2026, 11, 19))
    events = [event for page in register.role_updates(since=since, until=until, size=size) for event in page]
    expected = [e for e in sandbox.world.events["roller"] if since <= datetime.fromisoformat(e["time"]) < until]
    assert events == expected
    assert events
    third = int(events[2]["id"])
    behind = [event for page in register.role_updates(since=since, until=until, after_id=third) for event in page]
    assert behind == events[3:]


# Units, roles, code lists, searches


def test_the_four_states_of_a_unit_are_told_apart(register: Register, sandbox: Sandbox) -> None:
    world = sandbox.world
    live, sub = next(iter(world.live["enheter"])), next(iter(world.live["underenheter"]))
    gone, erased = next(iter(world.deleted["enheter"])), next(iter(world.removed["enheter"]))
    assert register.unit("enheter", live).state == "live"
    assert register.unit("underenheter", sub).state == "live"
    deleted, removed = register.unit("enheter", gone), register.unit("enheter", erased)
    assert deleted.state == "deleted"
    assert deleted.body is not None
    assert deleted.body["slettedato"]
    assert removed.state == "removed"
    assert set(removed.body or {}) == {"organisasjonsnummer", "slettedato", "_links"}
    assert register.unit("enheter", sub).state == "unknown", "a sub-unit's number asked among enheter"
    assert register.unit("enheter", "../roller").state == "unknown"


def test_a_deleted_unit_is_known_by_its_date_also_where_the_answer_lacks_its_class() -> None:
    body = {"organisasjonsnummer": "800000043", "navn": "X", "slettedato": "2017-10-20"}
    assert answering(lambda _: httpx.Response(200, json=body)).unit("enheter", "800000043").state == "deleted"


def test_the_roles_of_a_unit_come_as_in_the_bulk_file(register: Register, sandbox: Sandbox) -> None:
    number, body = next(iter(sandbox.world.roles.items()))
    assert register.roles(number) == body
    with pytest.raises(SourceError, match="404"):
        register.roles("800000000")


def test_the_legal_forms_come_with_the_date_they_went_out_of_use(register: Register) -> None:
    forms = {form["kode"]: form for form in register.organization_forms()}
    assert forms["AS"]["beskrivelse"] == "Aksjeselskap"
    assert forms["UTBG"]["utgaatt"] == "2017-07-17"
    assert "SÆR" in forms


def test_a_search_goes_through_all_its_pages(register: Register, sandbox: Sandbox) -> None:
    hits = list(register.search("enheter", organisasjonsform=["AS", "ASA"], size=10))
    expected = [b for b in sandbox.world.live["enheter"].values() if b["organisasjonsform"]["kode"] in {"AS", "ASA"}]
    assert [hit["organisasjonsnummer"] for hit in hits] == [body["organisasjonsnummer"] for body in expected]
    assert len(hits) > 20
    assert all(hit["konkurs"] for hit in register.search("enheter", konkurs=True))
    assert list(register.search("underenheter", navn="finnes ikke")) == []


def test_a_search_beyond_the_depth_limit_is_refused_before_the_first_hit() -> None:
    page = {"size": 1000, "totalElements": 10_001, "totalPages": 11, "number": 0}
    register = answering(lambda _: httpx.Response(200, json={"_embedded": {"enheter": [{}]}, "page": page}))
    with pytest.raises(SourceError, match=r"10,001 units.*10,000") as error:
        next(register.search("enheter", konkurs=False))
    one_sentence(error)


# The real thing


def test_the_real_records_come_through_a_bulk_file_unharmed(tmp_path: Path) -> None:
    text = (REAL / "enheter-search.json").read_text(encoding="utf-8")
    real = json.loads(text, parse_float=Decimal)["_embedded"]["enheter"]
    real.append(json.loads((REAL / "enhet.json").read_text(encoding="utf-8"), parse_float=Decimal))
    listed = b",".join(json.dumps(unit, default=float).encode() for unit in real)
    headers = {"Last-Modified": "Fri, 20 Nov 2026 04:00:00 GMT"}
    stream = httpx.ByteStream(gzip.compress(b"[" + listed + b"]"))
    register = answering(lambda _: httpx.Response(200, headers=headers, stream=stream))
    bulk = register.download("enheter", tmp_path)
    assert bulk is not None
    assert rows(bulk.path) == real
    assert bulk.publication.day == DAY


def test_the_real_answers_are_read_as_a_live_unit_and_a_search() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        name = "enhet.json" if request.url.path.endswith("/923609016") else "enheter-search.json"
        if request.url.params.get("page", "0") != "0":
            return httpx.Response(200, json={"_links": {}, "page": {"totalElements": 219}})
        return httpx.Response(200, content=(REAL / name).read_bytes())

    register = answering(answer)
    unit = register.unit("enheter", "923609016")
    assert unit.state == "live"
    assert unit.body is not None
    assert unit.body["kapital"]["belop"] == Decimal("6392018780.00")
    assert unit.body["kapital"]["antallAksjer"] == 2556807512
    assert len(list(register.search("enheter", organisasjonsform="ASA", size=5))) == 5
