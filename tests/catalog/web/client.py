"""Asks the application directly, without a network: any method, path and bytes, also such as no browser would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

JSON = {"content-type": "application/json"}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One after the other, on a loop of its own. `headers` go along with every request."""

    def __init__(self, app: Any, headers: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.headers = dict(headers or {})
        self.runner = asyncio.Runner()

    def close(self) -> None:
        self.runner.close()

    def get(self, address: str, **headers: str) -> Answer:
        return self.ask("GET", address, headers=headers)

    def ask(self, method: str, address: str, *, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """`address` as it stands in a browser: percent-encoded, with a query. A `body` that is no bytes is sent as JSON."""
        parts = urlsplit(address) if not address.startswith("//") else None
        path, query = (parts.path, parts.query) if parts else (address, "")
        sent = {k.replace("_", "-"): v for k, v in {**self.headers, **(headers or {})}.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent = {**JSON, **sent}
        return self.raw(method, unquote_to_bytes(path).decode("utf-8", "replace"), query.encode(), sent, body or b"")

    def raw(self, method: str, path: str, query: bytes = b"", headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        return self.runner.run(self.asked(method, path, query, headers or {}, body))

    async def asked(self, method: str, path: str, query: bytes, headers: Mapping[str, str], body: bytes) -> Answer:
        sent: list[Any] = []
        parts = [body[i : i + 65_536] for i in range(0, len(body), 65_536)] or [b""]
        left = iter([{"type": "http.request", "body": p, "more_body": n < len(parts) - 1} for n, p in enumerate(parts)])

        async def receive() -> Any:
            message = next(left, None)
            if message is None:
                await asyncio.Event().wait()
            return message

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": quote(path, errors="replace").encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": query,
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in {"host": "localhost:8080", **headers}.items()],
            "client": ("192.0.2.1", 50_000),
            "server": ("localhost", 8080),
        }
        await self.app(scope, receive, send)
        start, *rest = sent
        told = {k.decode().lower(): v.decode("latin-1") for k, v in start["headers"]}
        return Answer(start["status"], told, b"".join(one.get("body", b"") for one in rest))
