"""A catalog that is a service: messages go to it, and what it knows comes back, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pydantic

from dataproducts.errors import CatalogUnavailable, ConfigurationError
from dataproducts.logs import traceparent
from dataproducts.messages import Receipt, Said

if TYPE_CHECKING:
    import httpx

    from dataproducts.erasure.wire import Erasure

PATIENCE = 15.0
"""Seconds for one call of `send`, however many requests it takes: a tick has 60 in all."""
_LONG = 120.0  # seconds for `newest` and `erase`, which no tick waits for
_SMALL, _LARGE = 10_000_000, 500_000_000  # bytes of an answer, so that a wrong address cannot fill the memory
_LATER = (408, 425, 429)

Message = Said


class HttpTarget:
    """The catalog at a base URL, with the token it gave this location.

    Raises ConfigurationError where address or token are wrong, CatalogUnavailable where the same again later may succeed. Follows no
    redirects: the token goes to the address it was given for, and nowhere else.
    """

    name = "catalog"

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: float = PATIENCE,
        transport: httpx.BaseTransport | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        except ValueError:
            is_address = False
        if not is_address or "@" in parts.netloc:
            raise ConfigurationError("CATALOG_URL is no address; write it as https://catalog.example.com, without user or query")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError("CATALOG_TOKEN is missing or holds a character that no token has; get one from the catalog")
        self.url = url.rstrip("/")
        self.patience, self.seconds = patience, seconds
        self._token, self._transport = token, transport
        self._client: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"HttpTarget({self.url!r})"

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Post messages. Where the catalog refuses a batch as a whole, it is halved until the culprit stands alone."""
        return self._send(messages, self.seconds() + self.patience)

    def newest(self, location: str) -> dict[str, dict[str, tuple[int, str]]]:
        """What the catalog has from a location, by dataset and partition."""
        status, body = self._ask("GET", "/api/v1/newest", self.seconds() + _LONG, _LARGE, params={"location": location})
        if status != 200:
            raise CatalogUnavailable(f"{self.url} answered {status} when asked what it has{_problem(body)}")
        try:
            found = {of: {p: (int(v[0]), str(v[1])) for p, v in versions.items()} for of, versions in _json(body).items()}
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise CatalogUnavailable(f"{self.url} answered with something else than versions by dataset and partition") from error
        return found

    def erase(self, erasures: Iterable[Erasure]) -> int:
        """Have the catalog erase what it keeps of somebody; gives how many of its entries changed. The same again changes nothing more."""
        changed = 0
        for one in erasures:
            status, body = self._ask(
                "POST", "/api/v1/erasures", self.seconds() + _LONG, _SMALL, content=one.model_dump_json(exclude_defaults=True).encode()
            )
            try:
                changed += int(_json(body)["changed"]) if status == 200 else 0
            except (ValueError, TypeError, LookupError) as error:
                raise CatalogUnavailable(f"{self.url} answered with something else than a count; is it a catalog?") from error
            if status != 200:
                raise CatalogUnavailable(f"{self.url} answered {status} when told of an erasure{_problem(body)}")
        return changed

    def _send(self, messages: Sequence[Message], until: float) -> list[Receipt]:
        if not messages:
            return []
        content = b'{"messages":[' + b",".join(m.model_dump_json().encode() for m in messages) + b"]}"
        status, body = self._ask("POST", "/api/v1/messages", until, _SMALL, content=content)
        if status == 200:
            return self._receipts(messages, body)
        if len(messages) == 1:
            return [Receipt(key=messages[0].key, status="refused", problem=f"{status}{_problem(body)}")]
        middle = len(messages) // 2
        return self._send(messages[:middle], until) + self._send(messages[middle:], until)

    def _receipts(self, messages: Sequence[Message], body: bytes) -> list[Receipt]:
        try:
            receipts = [Receipt.model_validate(r) for r in _json(body)["receipts"]]
        except (ValueError, TypeError, LookupError, pydantic.ValidationError) as error:
            raise CatalogUnavailable(f"{self.url} answered with something else than receipts; is it a catalog?") from error
        if [r.key for r in receipts] != [m.key for m in messages]:
            raise CatalogUnavailable(f"{self.url} answered with receipts of other messages; is it of the same version as this location?")
        return receipts

    def _ask(self, method: str, path: str, until: float, most: int, **request: Any) -> tuple[int, bytes]:
        """Status and body of an answer that says something of the request; every other one is an error here."""
        import httpx

        left = until - self.seconds()
        if left <= 0:
            raise CatalogUnavailable(f"{self.url} is too slow; what is left is sent later")
        if self._client is None:
            headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", "User-Agent": "dataproducts"}
            self._client = httpx.Client(headers=headers, transport=self._transport, follow_redirects=False, trust_env=False)
        request["headers"] = {"traceparent": traceparent(), **({"Content-Type": "application/json"} if "content" in request else {})}
        body = bytearray()
        try:
            with self._client.stream(method, self.url + path, timeout=httpx.Timeout(left, connect=min(left, 5.0)), **request) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if self.seconds() > until:
                        raise CatalogUnavailable(f"{self.url} is too slow; what is left is sent later")
                    if len(body) > most:
                        raise CatalogUnavailable(f"{self.url} answered with more than {most:,} bytes; is it a catalog?")
        except httpx.TimeoutException as error:
            raise CatalogUnavailable(f"{self.url} did not answer within {left:.0f} s") from error
        except httpx.HTTPError as error:
            raise CatalogUnavailable(f"{self.url} cannot be reached ({type(error).__name__})") from error
        status = answer.status_code
        if status in (401, 403):
            said = f"{status}{_problem(body)}"
            raise ConfigurationError(f"{self.url} refuses the token ({said}); set CATALOG_TOKEN to one that may publish")
        if 300 <= status < 400 or status in (404, 405):
            raise ConfigurationError(f"there is no catalog at {self.url} ({status}); set CATALOG_URL to its own address")
        if status >= 500 or status in _LATER or status < 200:
            raise CatalogUnavailable(f"{self.url} answered {status}{_problem(body)}")
        return status, bytes(body)


def _problem(body: bytes | bytearray) -> str:
    """What a problem document (RFC 9457) says, after a colon; nothing where there is none."""
    try:
        said: Mapping[str, Any] = json.loads(body[:100_000])
        text = " ".join(str(said.get(name)) for name in ("title", "detail") if said.get(name))
    except (ValueError, AttributeError):
        return ""
    return f": {' '.join(text.split())[:500]}" if text else ""


def _json(body: bytes) -> Any:
    return json.loads(body)
