"""Files as a source: every format through the contract, what was read on record, and hostile files one sentence."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import boto3
import dagster as dg
import httpx
import openpyxl
import pandera.polars as pa
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.ports.inputs import reading
from tests.ports.inputs.conftest import DAYS, Fed

FIRST, SECOND = "2026-01-01", "2026-01-02"


class Sale(pa.DataFrameModel):
    """What was sold."""

    number: str = dp.column("Number.", source="number")
    amount: Annotated[pl.Decimal, 18, 2] = dp.column("How much.", source="amount", nullable=True)
    day: pl.Date = dp.column("When.", source="day", nullable=True)
    note: str = dp.column("Anything.", source="note", nullable=True)


ROWS = [("007", Decimal("10.10"), date(2026, 1, 1), "blå"), ("8", None, None, None)]
CSV = 'number,amount,day,note\n007,10.10,2026-01-01,"blå"\n8,,,\n'


def files(pattern: Path | str, **more: Any) -> dp.Files:
    return dp.Files("deliveries", pattern=str(pattern), **more)


def test_csv_is_text_that_the_contract_casts(lake: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    fed = Fed(lake, Sale, files(tmp_path / "a.csv"))
    (version,) = fed.store()
    assert fed.rows().rows() == ROWS
    content = (tmp_path / "a.csv").read_bytes()
    assert version.note["files"] == [{"name": "a.csv", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "rows": 2}]
    assert str(tmp_path) not in json.dumps(version.as_dict())


def test_an_empty_text_is_told_from_a_missing_one(lake: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('number,amount,day,note\n1,,,""\n2,,,\n3,,,"a\nb"\n')
    fed = Fed(lake, Sale, files(tmp_path / "a.csv"))
    fed.store()
    assert fed.rows()["note"].to_list() == ["", None, "a\nb"]


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-8-sig", "utf-16"])
def test_csv_in_other_encodings(lake: str, tmp_path: Path, encoding: str) -> None:
    text = "number;amount;day;note\n007;10,10;2026-01-01;blå\n8;;;\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    fed = Fed(lake, Sale, files(tmp_path / "a.csv", encoding=encoding, delimiter=";", decimal=","))
    fed.store()
    assert fed.rows().rows() == ROWS


def records() -> list[dict[str, Any]]:
    return [{"number": "007", "amount": 10.10, "day": "2026-01-01", "note": "blå"}, {"number": "8", "amount": None, "note": None}]


def excel(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["other"])
    sheet = book.create_sheet("Salg")
    sheet.append(["number", "amount", "day", "note"])
    sheet.append(["007", 10.1, date(2026, 1, 1), "blå"])
    sheet.append([8, None, None, None])
    book.save(path)


def parquet(path: Path) -> None:
    schema = {"number": pl.String, "amount": pl.Decimal(10, 1), "day": pl.Date, "note": pl.String}
    pl.DataFrame([("007", Decimal("10.1"), date(2026, 1, 1), "blå"), ("8", None, None, None)], schema=schema, orient="row").write_parquet(
        path
    )


FORMATS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a.csv": (lambda p: p.write_text(CSV), {}),
    "a.csv.gz": (lambda p: p.write_bytes(gzip.compress(CSV.encode())), {}),
    "a.json": (lambda p: p.write_text(json.dumps(records())), {}),
    "b.json": (lambda p: p.write_text(json.dumps({"meta": [1], "data": {"rows": records()}})), {"records": "data.rows"}),
    "a.ndjson": (lambda p: p.write_text("".join(f"{json.dumps(r, ensure_ascii=False)}\n\n" for r in records())), {}),
    "a.jsonl.gz": (lambda p: p.write_bytes(gzip.compress("\n".join(map(json.dumps, records())).encode())), {}),
    "a.xlsx": (excel, {"sheet": "Salg"}),
    "a.parquet": (parquet, {}),
    "delivery": (lambda p: p.write_text(CSV), {"format": "csv"}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_the_same_rows(lake: str, tmp_path: Path, name: str) -> None:
    write, options = FORMATS[name]
    write(tmp_path / name)
    fed = Fed(lake, Sale, files(tmp_path / name, **options))
    fed.store()
    assert fed.rows().rows() == ROWS


def test_large_files_are_read_in_pieces(lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK", 10_000)
    (tmp_path / "a.csv").write_text("number,amount,day,note\n" + "".join(f"{i},1.50,2026-01-01,x\n" for i in range(5_000)))
    parts: list[int] = []

    def function(rows: dp.Rows) -> Iterator[Any]:
        for part in rows:
            parts.append(len(part))
            yield part

    Fed(lake, Sale, files(tmp_path / "a.csv"), key="number").store(function=function)
    assert sum(parts) == 5_000
    assert max(parts) < 600


# Partitions


def test_a_partition_is_all_files_that_fit_its_pattern(lake: str, tmp_path: Path) -> None:
    for name, number in ((f"{FIRST}/b.csv", 2), (f"{FIRST}/a.csv", 1), (f"{SECOND}/a.csv", 3)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"number,amount,day,note\n{number},,,\n")
    fed = Fed(lake, Sale, files(tmp_path / "{partition}" / "*.csv"), DAYS)
    first, _ = fed.store(FIRST, SECOND)
    assert fed.rows(FIRST)["number"].to_list() == ["1", "2"]
    assert [f["name"] for f in first.note["files"]] == ["a.csv", "b.csv"]


def test_a_time_is_written_as_the_sender_writes_it_under_a_root_of_the_environment(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "2026").mkdir()
    (tmp_path / "2026" / "sales_0102.csv").write_text(CSV)
    fed = Fed(lake, Sale, files("{partition:%Y}/sales_{partition:%m%d}.csv", root="SALES_FOLDER"), DAYS)
    assert "SALES_FOLDER is not set; it has to give the folder or address that files lie under" in fed.refused(SECOND)
    monkeypatch.setenv("SALES_FOLDER", f"{tmp_path}/")
    fed.store(SECOND)
    assert fed.rows(SECOND).rows() == ROWS


def test_a_file_that_is_not_there_leaves_the_partition_for_later(lake: str, tmp_path: Path) -> None:
    fed = Fed(lake, Sale, files(tmp_path / "{partition}.csv"), DAYS)
    assert f"there is no file {tmp_path}/{FIRST}.csv (yet, or any more); nothing was stored" in fed.refused(FIRST)
    (tmp_path / f"{FIRST}.csv").write_text(CSV)
    fed.store(FIRST)


def test_a_changed_file_is_a_new_version(lake: str, tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST}.csv"
    path.write_text(CSV)
    fed = Fed(lake, Sale, files(tmp_path / "{partition}.csv"), DAYS)
    (first,) = fed.store(FIRST)
    assert fed.store(FIRST) == [first]
    path.write_text(CSV.replace("10.10", "10.20"))
    (second,) = fed.store(FIRST)
    assert second.number == 2
    assert first.note["files"][0]["sha256"] != second.note["files"][0]["sha256"]
    assert fed.rows(FIRST, 1)["amount"][0] == Decimal("10.10")


def test_the_same_file_for_two_days_fails_the_check(lake: str, tmp_path: Path) -> None:
    for day in (FIRST, SECOND):
        (tmp_path / f"{day}.csv").write_text(CSV)
    fed = Fed(lake, Sale, files(tmp_path / "{partition}.csv"), DAYS)
    fed.store(FIRST)
    assert fed.faults == {}
    fed.store(SECOND)
    assert f"file {SECOND}.csv is the one that '{FIRST}' was made from" in fed.faults["files"][SECOND]
    (tmp_path / f"{SECOND}.csv").write_text(CSV + "9,,,\n")
    fed.store(SECOND)
    assert fed.faults == {}
    snapshots = Fed(f"{lake}-2", Sale, files(tmp_path / "{partition}.csv"), DAYS, "snapshot", "number")
    (tmp_path / f"{SECOND}.csv").write_text(CSV)
    snapshots.store(FIRST, SECOND)
    assert snapshots.faults == {}, "of snapshots it says that nothing changed"


def test_a_key_leads_to_no_other_folder(lake: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.csv").write_text(CSV)
    (tmp_path / "in" / "[ab]*.csv").write_text(CSV)
    (tmp_path / "in" / "a.csv").write_text("number,amount,day,note\nwrong,,,\n")
    keys = ["../secret", "[ab]*"]
    fed = Fed(lake, Sale, files(tmp_path / "in" / "{partition}.csv"), dg.StaticPartitionsDefinition(keys))
    assert "'../secret' is no name of a file or folder" in fed.refused(keys[0])
    fed.store(keys[1])
    assert fed.rows(keys[1]).rows() == ROWS


# Hostile files

BROKEN: dict[str, tuple[bytes, str]] = {
    "latin.csv": (
        "number,amount,day,note\n1,,,blå\n".encode("latin-1"),
        'is not utf-8; declare what it is, for instance encoding="windows-1252"',
    ),
    "short.csv": (b"number,amount,day,note\n1,,,x\n2,,hemmelig\n", "row 3 has 3 fields and its header has 4; see delimiter and quotes"),
    "long.csv": (b"number,amount,day,note\n1,,,x,hemmelig\n", "row 2 has 5 fields and its header has 4"),
    "twice.csv": (b"number,number,day,note\n1,,,x\n", "has the column 'number' twice"),
    "empty.csv": (b"", "is empty, even of a header"),
    "other.csv": (b"nummer,amount,day,note\n1,,,x\n", "lacks 'number' and has 'nummer'"),
    "cut.csv.gz": (gzip.compress(CSV.encode() * 50)[:-12], "is cut off, or not compressed as its name says"),
    "plain.csv.gz": (CSV.encode(), "is cut off, or not compressed as its name says"),
    "cut.json": (b'[{"number": "hemmelig"}, {"num', "is not JSON in UTF-8, or is cut off, after 0 records"),
    "latin.json": ('[{"number": "blå"}]'.encode("latin-1"), "is not JSON in UTF-8"),
    "object.json": (b'{"rows": []}', "is no list of records; say where it is with records="),
    "broken.ndjson": (b'{"number": "1"}\n{"number": hemmelig}\n', "line 2 is not JSON in UTF-8"),
    "nan.ndjson": (b'{"number": "1", "amount": NaN}\n', "line 1 is not JSON in UTF-8"),
    "deep.ndjson": (b"[" * 100_000, "line 1 is not JSON in UTF-8"),
    "no.parquet": (b"PAR1hemmelig", "is no Parquet file, or is cut off"),
    "no.xlsx": (b"PK\x03\x04hemmelig", "is no Excel file, or its sheet has no header"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_not_what_it_should_be_is_one_sentence(lake: str, tmp_path: Path, name: str) -> None:
    content, words = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    said = Fed(lake, Sale, files(tmp_path / name)).refused()
    assert words in said
    assert "\n" not in said
    assert "hemmelig" not in said, "a file's content is not quoted"


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(lake: str, tmp_path: Path) -> None:
    excel(tmp_path / "a.xlsx")
    assert "has no sheet 'Kjøp'; its sheets are Sheet, Salg" in Fed(lake, Sale, files(tmp_path / "a.xlsx", sheet="Kjøp")).refused()


def test_a_list_that_is_not_there_is_no_empty_list(lake: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data": {"rows": []}, "other": []}')
    assert "has no list at 'data.row'" in Fed(lake, Sale, files(tmp_path / "a.json", records="data.row")).refused()
    Fed(lake, Sale, files(tmp_path / "a.json", records="data.rows")).store()


def test_a_file_that_changes_while_it_is_read_is_not_stored(lake: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)

    def function(rows: dp.Rows) -> Iterator[Any]:
        for part in rows:
            path.write_text(CSV + "9,,,\n")
            yield part

    assert "changed while it was read; run again" in Fed(lake, Sale, files(path)).refused(function=function)


def test_a_row_that_cannot_be_cast_is_kept_aside(lake: str, tmp_path: Path) -> None:
    from dataproducts.materialization import Limits

    (tmp_path / "a.csv").write_text(CSV + "9,1.005,,\n10,,2026-02-30,\n")
    fed = Fed(lake, Sale, files(tmp_path / "a.csv"), limits=Limits(row_change=None, refused_share=0.5))
    (version,) = fed.store()
    assert (version.rows, version.note["refused"]) == (2, 2)


# Elsewhere than on disk


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    variables = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "hemmelig",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{endpoint}/moto-api/reset")
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="deliveries")
    yield client
    server.stop()


def test_files_lie_in_a_bucket(lake: str, bucket: Any) -> None:
    for name in (f"{FIRST}/b.csv", f"{FIRST}/a.csv", f"{FIRST}/deep/er.csv", f"{FIRST}/a.txt", f"{SECOND}/a.csv"):
        bucket.put_object(Bucket="deliveries", Key=f"in/{name}", Body=f"number,amount,day,note\n{name},,,\n".encode())
    fed = Fed(lake, Sale, files("s3://deliveries/in/{partition}/*.csv"), DAYS)
    (version,) = fed.store(FIRST)
    assert fed.rows(FIRST)["number"].to_list() == [f"{FIRST}/a.csv", f"{FIRST}/b.csv"]
    assert [f["name"] for f in version.note["files"]] == ["a.csv", "b.csv"]
    assert "there is no file s3://deliveries/in/2026-01-05/*.csv" in fed.refused("2026-01-05")
    one = Fed(f"{lake}-2", Sale, files("s3://deliveries/in/{partition}/a.csv"), DAYS)
    one.store(SECOND)
    said = Fed(f"{lake}-3", Sale, files("s3://nowhere/a.csv")).refused()
    assert "s3://nowhere/a.csv" in said
    assert "hemmelig" not in said


@pytest.fixture
def web() -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    pages: dict[str, tuple[int, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = pages.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", pages
    server.shutdown()
    server.server_close()


def test_a_file_lies_on_the_web(lake: str, web: Any) -> None:
    address, pages = web
    pages[f"/{FIRST}.csv?token=hemmelig"] = (200, CSV.encode())
    fed = Fed(lake, Sale, files(f"{address}/{{partition}}.csv?token=hemmelig"), DAYS)
    (version,) = fed.store(FIRST)
    assert fed.rows(FIRST).rows() == ROWS
    assert version.note["files"][0]["name"] == f"{FIRST}.csv"
    assert "there is no file" in (gone := fed.refused(SECOND))
    pages[f"/{SECOND}.csv?token=hemmelig"] = (503, b"")
    assert "answers 503" in (down := fed.refused(SECOND))
    unreachable = Fed(lake, Sale, files("http://user:hemmelig@127.0.0.1:1/a.csv")).refused()
    assert "cannot be had (ConnectError); run again" in unreachable
    assert "hemmelig" not in gone + down + unreachable + json.dumps(version.as_dict())


# Declarations


class Plain(pa.DataFrameModel):
    """Columns under their own names."""

    number: int


@pytest.mark.parametrize(
    ("pattern", "options", "partitions", "model", "words"),
    [
        ("a/{partition}.csv", {}, None, Sale, "the dataset has none; leave it out"),
        ("a.csv", {}, DAYS, Sale, "are the same for every partition; put {partition} in the pattern"),
        ("{partition:%Y}.csv", {}, dg.StaticPartitionsDefinition(["a"]), Sale, "the partitions are not by time; write {partition}"),
        ("a/**/b.csv", {}, None, Sale, "name the folders"),
        ("a.dat", {}, None, Sale, 'give format="csv"'),
        ("a.csv", {"delimiter": ";;"}, None, Sale, "a delimiter is one character"),
        ("a.csv", {"decimal": ","}, None, Sale, "a delimiter is one character, and decimal another"),
        ("a.csv", {"encoding": "norsk"}, None, Sale, "write for instance utf-8, latin-1 or windows-1252"),
        ("a.csv", {}, None, Plain, "column 'number' is Int64; give the columns source="),
    ],
)
def test_declarations_that_cannot_be(lake: str, pattern: str, options: dict[str, Any], partitions: Any, model: Any, words: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Fed(lake, model, files(pattern, **options), partitions).contract
    assert words in str(caught.value)


def test_dagster_shows_the_files_and_the_check(product: Any, materialize: Any, tmp_path: Path) -> None:
    (tmp_path / f"{FIRST}.csv").write_text(CSV)

    @product.dataset(schema=Sale, partitions=DAYS, source=files(tmp_path / "{partition}.csv"))
    def sales(rows: dp.Rows) -> dp.Rows:
        return rows

    recorded = materialize(product, "sales", partition=FIRST)
    assert recorded.success
    assert recorded.checks["files"].passed
    metadata = recorded.events["shop/sales", FIRST]
    assert metadata["files"][0]["name"] == f"{FIRST}.csv"
    assert metadata["rows_read"] == 2
