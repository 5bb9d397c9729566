"""Those who are told: a webhook and a mail server that listen on this machine, and do what a test asks of them."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

import dataproducts as dp
from tests.conftest import FACTS, PUBLIC
from tests.publication.conftest import furnished

S = TypeVar("S", bound=socketserver.BaseServer)
SECRET = "T0000/B0000/hemmelig-XyZ-1234567890"
PASSWORD = "passord-som-ingen-vet"


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted. `answers` are statuses in turn, then 200; `held` holds an answer back until it is set, a byte at a time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.answers: list[int] = []
        self.posted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.redirect = ""
        self.held: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/{SECRET}"

    @property
    def texts(self) -> list[str]:
        """What a person reads in each message that was taken."""
        return ["\n".join(b["text"]["text"] for b in m.get("blocks", []) if "text" in b) or m["text"] for m in self.posted]


class _Posted(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        status = self.server.answers.pop(0) if self.server.answers else 200
        if self.server.held is not None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.server.held.wait(0.05):
                self.wfile.write(b"X")  # a header that never ends
            return
        if status == 200:
            self.server.posted.append(json.loads(body))
        self.send_response(status)
        if self.server.redirect:
            self.send_header("Location", self.server.redirect)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much of SMTP as a client needs. `refused` are addresses it does not take, `drops` ends a talk before the message is in."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, certificate: ssl.SSLContext | None = None, *, at_once: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.certificate, self.at_once = certificate, at_once
        self.taken: list[tuple[list[str], bytes]] = []
        self.logins: list[tuple[str, str]] = []
        self.refused: set[str] = set()
        self.drops = 0
        self.needs_login = False

    def handle_error(self, *_: object) -> None:
        pass

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def messages(self) -> list[EmailMessage]:
        return [email.message_from_bytes(raw, policy=email.policy.default) for _, raw in self.taken]  # type: ignore[arg-type]


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        if self.server.at_once:
            self._secure()
        self.say("220 mail.example.com ESMTP")
        recipients: list[str] = []
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            match word.upper():
                case "EHLO":
                    offers = ["8BITMIME", "AUTH PLAIN", *(["STARTTLS"] if self.server.certificate and not self.server.at_once else [])]
                    for offer in ("mail.example.com", *offers[:-1]):
                        self.say(f"250-{offer}")
                    self.say(f"250 {offers[-1]}")
                case "STARTTLS":
                    self.say("220 go on")
                    self._secure()
                case "AUTH":
                    _, user, password = base64.b64decode(rest.split()[-1]).decode().split("\0")
                    self.server.logins.append((user, password))
                    self.say("235 well" if password == PASSWORD else f"535 {password} is wrong")
                case "MAIL":
                    self.say("250 go on" if self.server.logins or not self.server.needs_login else "530 log in")
                case "RCPT":
                    address = rest.partition("<")[2].rstrip(">")
                    recipients += [] if address in self.server.refused else [address]
                    self.say("550 nobody" if address in self.server.refused else "250 go on")
                case "DATA":
                    if self.server.drops:
                        self.server.drops -= 1
                        return
                    self.say("354 go on")
                    raw = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        raw += part[1:] if part.startswith(b"..") else part
                    self.server.taken.append((recipients, raw.replace(b"\r\n", b"\n")))
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 go on")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _secure(self) -> None:
        assert self.server.certificate is not None
        self.connection = self.server.certificate.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]


@contextmanager
def serving(server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """The webhook that SLACK_SHOP leads to."""
    with serving(Webhook()) as server:
        monkeypatch.setenv("SLACK_SHOP", server.url)
        yield server


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """The mail server of the environment, on this machine and without TLS."""
    with serving(MailServer()) as server:
        monkeypatch.setenv("DATAPRODUCTS_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("DATAPRODUCTS_SMTP_PORT", str(server.port))
        monkeypatch.setenv("DATAPRODUCTS_SMTP_SECURITY", "none")
        monkeypatch.setenv("DATAPRODUCTS_SMTP_FROM", "Dataprodukter <varsler@example.com>")
        yield server


@dataclass
class Clock:
    """The time of day, and seconds that pass only when a test says so."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=5))
    elapsed: float = 0.0

    def now(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return self.elapsed


@pytest.fixture
def shop_told(tmp_path: Path) -> Callable[..., Any]:
    """The shop of the tests of publication, with `alerts` in its product.yaml."""

    def made(alerts: str = "{slack_webhook: SLACK_SHOP}", name: str = "shop", more: str = "") -> Any:
        folder = tmp_path / "assets" / name
        folder.mkdir(parents=True)
        (folder / "product.yaml").write_text(FACTS.format(name=name, **PUBLIC) + f"alerts: {alerts}\n{more}")
        return furnished(dp.DataProduct(folder))

    return made
