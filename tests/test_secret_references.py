"""Secrets that variables name: the real Google client, against a metadata server and a Secret Manager of the tests' own."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import google_crc32c
import pytest

from dataproducts import secret_references, settings
from dataproducts.errors import ConfigurationError
from dataproducts.secret_references import secret_of

VALUE = "æøå-31c0ffee"
VARIABLE = "COFFEE_TOKEN"


class Google(BaseHTTPRequestHandler):
    """What a pod meets with Workload Identity: the metadata server gives a token, and the Secret Manager wants it."""

    def do_GET(self) -> None:
        server: Any = self.server
        path = urlsplit(self.path).path
        if path.startswith("/v1/"):
            server.asked.append(path)
            if self.headers.get("Authorization") != "Bearer token-of-the-pod":
                self.answer(401, {"error": {"message": "no token"}})
            elif server.statuses:
                self.answer(server.statuses.pop(0), {"error": {"message": "for a reason"}})
            else:
                self.answer(200, {"name": path.removeprefix("/v1/").removesuffix(":access"), "payload": server.payload})
        elif path.endswith("/token"):
            self.answer(200, {"access_token": "token-of-the-pod", "expires_in": 3600, "token_type": "Bearer"})
        elif path.endswith("/project-id"):
            self.answer(200, "coffee-prod")
        elif path.endswith("/universe-domain"):
            self.answer(200, "googleapis.com")
        elif "/service-accounts/" in path:
            self.answer(200, {"email": "coffee@coffee-prod.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]})
        else:
            self.answer(200, "")

    def answer(self, status: int, body: Any) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None: ...


def payload(text: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(text).decode(), "dataCrc32c": str(google_crc32c.value(text))}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    server.asked, server.statuses, server.payload = [], [], payload(VALUE.encode())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_IP", address)
    # the library reads this one when it is imported
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", address)
    monkeypatch.setenv(secret_references.ENDPOINT, f"http://{address}/")
    monkeypatch.setattr(secret_references, "_PAUSE", 0.0)
    secret_references.forget()
    yield server
    secret_references.forget()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("version", ["", "/latest", "/7"])
def test_a_reference_gives_the_secret_by_the_identity_of_the_pod(google: Any, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv(VARIABLE, f"sm://coffee-prod/coffee-token{version}")
    assert secret_of(VARIABLE) == VALUE
    assert settings.required(VARIABLE, "a token") == VALUE
    wanted = version.strip("/") or "latest"
    assert google.asked == [f"/v1/projects/coffee-prod/secrets/coffee-token/versions/{wanted}:access"]


def test_what_a_variable_holds_itself_asks_nobody(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "plain")
    assert secret_of(VARIABLE) == "plain"
    monkeypatch.delenv(VARIABLE)
    assert secret_of(VARIABLE) == ""
    assert google.asked == []


def test_a_new_version_is_taken_up_after_a_while(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sm://coffee-prod/coffee-token")
    assert secret_of(VARIABLE) == VALUE
    google.payload = payload(b"rotated\n")
    assert secret_of(VARIABLE) == VALUE
    monkeypatch.setattr(secret_references, "FRESH_SECONDS", -1.0)
    assert secret_of(VARIABLE) == "rotated"  # a line's end at the end belongs to the file it came from


def test_a_service_that_stumbles_is_asked_again(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sm://coffee-prod/coffee-token")
    google.statuses = [503, 500]
    assert secret_of(VARIABLE) == VALUE


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ([403], "which these credentials may not read; give them roles/secretmanager.secretAccessor on it"),
        ([404], "and there is no such secret or version; make it, or correct the name"),
        ([400], r"answers 400 \(for a reason\); see that the version is enabled"),
        ([503] * 3, r"answers 503 \(for a reason\)"),
    ],
)
def test_a_secret_that_cannot_be_read_is_one_sentence(
    google: Any, monkeypatch: pytest.MonkeyPatch, statuses: list[int], sentence: str
) -> None:
    monkeypatch.setenv(VARIABLE, "sm://coffee-prod/coffee-token")
    google.statuses = statuses
    with pytest.raises(ConfigurationError, match=f"COFFEE_TOKEN names the secret sm://coffee-prod/coffee-token.*{sentence}"):
        secret_of(VARIABLE)
    assert secret_of(VARIABLE) == VALUE  # a refusal is not kept


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"dataCrc32c": "1"}, "it was damaged on its way; try again"),
        ({"data": "not base64!"}, "not a secret's text"),
        (payload(b"\xff\xfe"), "not a secret's text; store it as UTF-8"),
    ],
)
def test_a_garbled_secret_is_refused_without_being_shown(
    google: Any, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], sentence: str
) -> None:
    monkeypatch.setenv(VARIABLE, "sm://coffee-prod/coffee-token")
    google.payload |= wrong
    with pytest.raises(ConfigurationError, match=sentence) as told:
        secret_of(VARIABLE)
    assert VALUE not in str(told.value)


@pytest.mark.parametrize("text", ["sm://", "sm://coffee-prod", "sm://coffee-prod/a/b/c", "sm://coffee prod/x", "sm://coffee-prod/../x"])
def test_a_reference_that_names_no_secret_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigurationError, match="which names no secret; write it as sm://PROJECT/NAME or sm://PROJECT/NAME/VERSION"):
        secret_of(VARIABLE)


def test_without_an_answer_or_credentials_it_is_said_what_to_do(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sm://coffee-prod/coffee-token")
    monkeypatch.setenv(secret_references.ENDPOINT, "http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="http://127.0.0.1:1 does not answer .*; try again"):
        secret_of(VARIABLE)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "no/such/file.json")
    with pytest.raises(ConfigurationError, match="there are no credentials to read it with"):
        secret_of(VARIABLE)


def test_the_key_of_the_registry_of_erasures_may_be_a_reference(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.erasure.secret import VARIABLE as KEY
    from dataproducts.erasure.secret import secret

    google.payload = payload(b"ab" * 32)
    monkeypatch.setenv(KEY, "sm://coffee-prod/erasure-key")
    by_reference = secret().hashed(["1"])
    monkeypatch.setenv(KEY, "ab" * 32)
    assert secret().hashed(["1"]) == by_reference
