"""BigQuery for the tests: an emulator in an environment of its own, and a gateway before it that answers as BigQuery does where it does not.

The emulator (bqemulator 1.4.0) keeps tables and views, and runs load jobs and SQL. The gateway does what BigQuery documents and it lacks:
- a job that uploads a file gets an id of the emulator's own, so no repeat is ever refused, and the type "*/*" that google's client gives
  a small file is;
- views made through the tables interface are empty tables, columns added there are not in the table, and what it does not know is dropped
  (policy tags, precision, the view's query, requirePartitionFilter).
It answers requests that come at once with internal errors, so the gateway passes them on one by one.
Neither judges column names, REQUIRED, partitions (there are no decorators, filters are not demanded), precision or permissions; it reads
Parquet by the position of columns, has no BIGNUMERIC, and counts all rows of a table as a job's output. Unit tests of what is sent
stand in for those.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "bqemulator.txt"
HOME = HERE.parent / ".venv-bqemulator"
PROJECT = "test-project"
# the emulator copies a table at every load, for queries of the past: after some hundred loads that is all it does
_WITHOUT_TIME_TRAVEL = """
from bqemulator.versioning.snapshots import SnapshotManager
SnapshotManager.capture = lambda *_, **__: None
from bqemulator.cli import main
main()
"""
NOT_THERE = "needs the BigQuery emulator: BQEMULATOR=1 python -m tests.bigquery installs it, and CI has to have it"


def environment() -> Path | None:
    """The emulator's virtual environment, made first where CI or BQEMULATOR asks for it; None where nobody has."""
    if not (_is_installed() or os.environ.get("CI") or os.environ.get("BQEMULATOR")):
        return None
    if not _is_installed():
        with HOME.with_name(f"{HOME.name}.lock").open("w") as lock:  # test processes begin together
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_installed():
                _install()
    return HOME


def _is_installed() -> bool:
    installed = HOME / "installed.txt"
    return installed.exists() and installed.read_text(encoding="utf-8") == REQUIREMENTS.read_text(encoding="utf-8")


def _install() -> None:
    venv.create(HOME, with_pip=True, clear=True)
    _run(HOME, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS))
    # the emulator asks DuckDB to install its extension from the network, which DuckDB leaves be where it finds the file
    platform = _run(HOME, "-c", "import duckdb; print(duckdb.sql('pragma platform').fetchone()[0])").strip()
    (held,) = HOME.glob("lib/python*/site-packages/duckdb_extension_spatial/extensions/v*/spatial.duckdb_extension")
    there = HOME / "home/.duckdb/extensions" / held.parent.name / platform
    there.mkdir(parents=True)
    shutil.copy(held, there)
    shutil.copy(REQUIREMENTS, HOME / "installed.txt")


def _run(home: Path, *arguments: str) -> str:
    done = subprocess.run([str(home / "bin/python"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout)
    return done.stdout


@contextmanager
def emulator() -> Iterator[int]:
    """Run an emulator in memory for as long as it is needed; gives its port."""
    home = environment()
    assert home is not None
    process = subprocess.Popen(
        [
            str(home / "bin/python"),
            "-m",
            "bqemulator",
            "start",
            "--rest-port",
            "0",
            "--grpc-port",
            "0",
            "--ephemeral",
            "--log-level",
            "info",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home / "home"),
            "BQEMU_ENABLE_FORMAT_EXTENSIONS": "false",  # these come from the network
        },
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r'"port": (\d+), "event": "rest.listen"', line):
                break
        else:
            raise RuntimeError("the emulator did not start:\n" + "".join(said[-20:]))
        threading.Thread(target=lambda: [None for _ in process.stdout or ()], daemon=True).start()
        yield int(found[1])
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Request:
    """What a client asked: method, path without the query, the JSON of the body (of an upload its first part)."""

    method: str
    path: str
    query: dict[str, list[str]]
    json: Any
    body: bytes
    headers: dict[str, str]

    @property
    def is_load(self) -> bool:
        """Whether it carries (the last of) a file to load."""
        return self.path.startswith("/upload/") and (self.method == "PUT" or self.query.get("uploadType") == ["multipart"])

    @property
    def job(self) -> str | None:
        """The id the client chose for the job."""
        return (self.json or {}).get("jobReference", {}).get("jobId") if isinstance(self.json, dict) else None


@dataclass
class Answer:
    """What the gateway says: a status and JSON, or (with status 0) nothing, and the connection is closed."""

    status: int
    json: Any = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, reason: str, message: str) -> Answer:
    """An error as BigQuery writes it."""
    return Answer(
        status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message, "domain": "global"}]}}
    )


DROPPED = Answer(0)


@dataclass
class Rule:
    """What happens to requests that match: an answer instead of the emulator's, or after it has done its work (`after`)."""

    matches: Callable[[Request], bool]
    answer: Answer
    after: bool = False
    times: int = 1


class Gateway:
    """The recording server between clients and the emulator. Tests add rules, read requests, and let jobs fail or take their time."""

    def __init__(self, emulator_port: int) -> None:
        self._port = emulator_port
        self._lock = threading.RLock()
        self._emulator = threading.Lock()
        self._local = threading.local()
        self.requests: list[Request] = []
        self.rules: list[Rule] = []
        self.failures: list[tuple[str, str]] = []
        """(reason, message) of load jobs that are to fail, in order."""
        self.slow = 0.0
        """Seconds that a load job runs after it was accepted."""
        self.watch: Callable[[Request, str], None] = lambda request, when: None
        """Called before and after each request."""
        self._jobs: dict[str, dict[str, Any]] = {}
        self._uploads: dict[str, Any] = {}
        self._tables: dict[str, dict[str, Any]] = {}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def log_message(self, *_: Any) -> None: ...

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                if len(body) < length:  # the client died
                    self.close_connection = True
                    return
                answer = gateway.answered(_request(self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()}))
                if answer.status == 0:
                    self.close_connection = True
                    return
                content = answer.body if answer.json is None else json.dumps(answer.json).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(content)
                    self.wfile.flush()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                if not isinstance(sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1], OSError):
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Forget requests, rules and failures; tables and jobs stay."""
        self.requests.clear()
        self.rules.clear()
        self.failures.clear()
        self.slow = 0.0
        self.watch = lambda request, when: None

    def refuse(
        self, answer: Answer, method: str = "", path: str = "", *, after: bool = False, times: int = 1, load: bool | None = None
    ) -> None:
        """Answer so the next times a request has this method and this in its path."""

        def matches(request: Request) -> bool:
            return method in ("", request.method) and path in request.path and load in (None, request.is_load)

        self.rules.append(Rule(matches, answer, after, times))

    def loads(self) -> list[Request]:
        """The uploads so far."""
        return [r for r in self.requests if r.is_load]

    def sql(self, text: str) -> list[list[Any]]:
        """Ask the emulator."""
        answer = self._forward("POST", f"/bigquery/v2/projects/{PROJECT}/queries", {"query": text, "useLegacySql": False})
        assert answer.status == 200, answer.json
        assert "errors" not in answer.json, answer.json
        return [[cell["v"] for cell in row["f"]] for row in answer.json.get("rows", [])]

    def answered(self, request: Request) -> Answer:
        """The answer to a request."""
        with self._lock:
            self.requests.append(request)
            rule = next((r for r in self.rules if r.times > 0 and r.matches(request)), None)
            if rule is not None:
                rule.times -= 1
        self.watch(request, "before")
        if rule is not None and not rule.after:
            return rule.answer
        answer = self._done(request)
        self.watch(request, "after")
        return rule.answer if rule is not None else answer

    def _done(self, request: Request) -> Answer:
        if request.path.startswith("/upload/"):
            return self._upload(request)
        if found := re.fullmatch(r".*/jobs/([^/]+)", request.path):
            with self._lock:
                if found[1] in self._jobs:
                    return Answer(200, self._jobs[found[1]])
        if re.fullmatch(r".*/datasets/[^/]+/tables(/[^/]+)?", request.path):
            with self._lock:
                return self._table(request)
        return self._pass(request)

    def _upload(self, request: Request) -> Answer:
        if request.query.get("uploadType") == ["resumable"] and request.method == "POST":
            answer = self._pass(request)
            upload = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("upload_id", [""])[0]
            self._uploads[upload] = request.json
            return answer
        wanted = self._uploads.get(request.query.get("upload_id", [""])[0]) if request.method == "PUT" else request.json
        content = request.headers.get("content-range", "")
        if request.method == "PUT" and not re.search(r"/\d+$", content):
            return self._pass(request)  # not the last of the file
        reference = dict(wanted["jobReference"])
        with self._lock:
            if reference["jobId"] in self._jobs:
                return refusal(409, "duplicate", f"Already Exists: Job {PROJECT}:{reference.get('location')}.{reference['jobId']}")
            running = {
                "kind": "bigquery#job",
                "id": f"{PROJECT}:{reference['jobId']}",
                "jobReference": reference,
                "configuration": wanted["configuration"],
                "status": {"state": "RUNNING"},
                "statistics": {"creationTime": str(int(time.time() * 1000))},
            }
            self._jobs[reference["jobId"]] = running
            failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            done = {**running, "status": {"state": "DONE", "errorResult": {"reason": failure[0], "message": failure[1]}}}
        elif self.slow:
            threading.Timer(self.slow, lambda: self._jobs.__setitem__(reference["jobId"], self._loaded(request, running))).start()
            return Answer(200, running)
        else:
            done = self._loaded(request, running)
        self._jobs[reference["jobId"]] = done
        return Answer(200, done)

    def _loaded(self, request: Request, running: dict[str, Any]) -> dict[str, Any]:
        request.body = request.body.replace(b"content-type: */*", b"content-type: application/octet-stream", 1)
        answer = self._pass(request)
        if answer.status != 200:  # BigQuery accepts a job and lets it fail
            error = answer.json["error"]
            return {**running, "status": {"state": "DONE", "errorResult": {"reason": "invalid", "message": error["message"]}}}
        return {**running, "status": answer.json["status"], "statistics": {**answer.json["statistics"], **running["statistics"]}}

    def _table(self, request: Request) -> Answer:
        """Tables with what the emulator forgets of them."""
        name = (
            request.path.rsplit("/", 1)[1]
            if not request.path.endswith("/tables")
            else (request.json or {}).get("tableReference", {}).get("tableId")
        )
        if name is None:
            return self._pass(request)
        folder = request.path.split("/tables")[0]
        dataset, path = folder.rsplit("/", 1)[1], f"{folder}/tables/{name}"
        given = request.json or {}
        if request.method == "POST" and self._forward("GET", path).status == 200:
            return refusal(409, "duplicate", f"Already Exists: Table {PROJECT}:{dataset}.{name}")
        if request.method == "DELETE":
            self._tables.pop(path, None)
            return self._pass(request)
        held = self._tables.get(path, {})
        known = request.headers.get("if-match")
        if known and request.method in ("PATCH", "PUT") and self._forward("GET", path).json.get("etag") != known:
            return refusal(412, "conditionNotMet", "Precondition check failed.")
        if request.method in ("POST", "PATCH", "PUT"):
            if "view" in given:
                made = self._ask(f"CREATE OR REPLACE VIEW `{PROJECT}.{dataset}.{name}` AS {given['view']['query']}")
                if made is not None:
                    return made
            elif request.method == "PATCH" and "schema" in given and "view" not in held:
                there = {f["name"] for f in self._forward("GET", path).json["schema"]["fields"]}
                for column in given["schema"]["fields"]:
                    if column["name"] not in there:
                        made = self._ask(f"ALTER TABLE `{PROJECT}.{dataset}.{name}` ADD COLUMN `{column['name']}` {_sql_type(column)}")
                        if made is not None:
                            return made
                self._forward("PATCH", path, {"schema": given["schema"]})
            elif request.method == "POST":
                answer = self._pass(request)
                if answer.status != 200:
                    return answer
            self._tables[path] = held = {**held, **given}
        answer = self._forward("GET", path)
        return Answer(200, {**answer.json, **held}) if answer.status == 200 else answer

    def _ask(self, sql: str) -> Answer | None:
        """Run SQL; the error if there is one."""
        answer = self._forward("POST", f"/bigquery/v2/projects/{PROJECT}/queries", {"query": sql, "useLegacySql": False})
        if answer.status != 200 or answer.json.get("errors"):
            return refusal(400, "invalidQuery", str(answer.json))
        return None

    def _pass(self, request: Request) -> Answer:
        query = "&".join(f"{k}={v}" for k, values in request.query.items() for v in values)
        return self._forward(request.method, f"{request.path}?{query}" if query else request.path, request.body, request.headers)

    def _forward(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        if isinstance(body, dict):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        sent = {
            k: v for k, v in (headers or {}).items() if k.lower() not in ("accept-encoding", "content-length", "connection", "if-match")
        }
        with self._emulator:
            return self._sent(method, path, body, sent)

    def _sent(self, method: str, path: str, body: bytes | None, sent: dict[str, str]) -> Answer:
        for again in (False, True):
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port)
            try:
                connection.request(method, path, body or None, sent)
                response = connection.getresponse()
                content = response.read()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.connection = None
                if again:
                    raise
        more = {k.lower(): v for k, v in response.getheaders() if k.lower() in ("location", "range", "x-guploader-uploadid")}
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(content) if is_json and content else None, content, more)


def _request(method: str, target: str, body: bytes, headers: dict[str, str]) -> Request:
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    content = headers.get("content-type", "")
    found: Any = None
    if content.startswith("multipart/"):
        boundary = re.search(r'boundary="?([^";]+)', content)
        assert boundary is not None
        first = body.split(b"--" + boundary[1].encode())[1]
        found = json.loads(BytesParser().parsebytes(first.lstrip(b"\r\n")).get_payload())
    elif "json" in content and body:
        found = json.loads(body)
    return Request(method, parts.path, query, found, body, headers)


def _sql_type(column: dict[str, Any]) -> str:
    names = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    kind = names.get(column["type"], column["type"])
    if column["type"] == "RECORD":
        kind = "STRUCT<" + ", ".join(f"{f['name']} {_sql_type(f)}" for f in column["fields"]) + ">"
    return f"ARRAY<{kind}>" if column.get("mode") == "REPEATED" else kind


@contextmanager
def server() -> Iterator[Gateway]:
    """An emulator behind a gateway, for as long as they are needed."""
    with emulator() as port:
        gateway = Gateway(port)
        try:
            yield gateway
        finally:
            gateway.close()


if __name__ == "__main__":
    if environment() is None:
        sys.exit("set BQEMULATOR=1 to install the emulator")
    with server() as running:
        print(f"BIGQUERY_PROJECT={PROJECT} BIGQUERY_EMULATOR_HOST={running.url}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
