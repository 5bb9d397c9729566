"""Secrets that a variable names and does not hold: `DATAPRODUCTS_ERASURE_KEY=sm://coffee-prod/erasure-key`.

They are read from Google's Secret Manager when they are used, with the credentials of whoever runs this: on Kubernetes by Workload
Identity, so that no secret has to be copied to where the process runs.
"""

from __future__ import annotations

import base64
import os
import re
import threading
import time
from typing import Any

from dataproducts.errors import ConfigurationError

SCHEME = "sm://"
ENDPOINT = "DATAPRODUCTS_SECRET_MANAGER"
"""The variable that holds another address of the service, such as one of Private Service Connect."""
FRESH_SECONDS = 300.0
"""How long a value is used before it is asked for again, so that a new version is taken up by what runs for long."""
_REFERENCE = re.compile(r"sm://(?P<project>[a-z][a-z0-9:.-]{1,62})/(?P<name>[A-Za-z0-9_-]{1,255})(?:/(?P<version>[1-9][0-9]*|latest))?")
_TIMEOUT = 10.0
_ATTEMPTS, _PAUSE = 3, 0.2

_held: dict[str, tuple[float, str]] = {}
_holding = threading.Lock()


def secret_of(variable: str) -> str:
    """What the variable holds, or the secret that it names as `sm://PROJECT/NAME` or `sm://PROJECT/NAME/VERSION`; "" where it is not set.

    Raises ConfigurationError, with the name of the variable and never a value, where the secret cannot be read.
    """
    text = os.environ.get(variable, "")
    if not text.startswith(SCHEME):
        return text
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{variable} is {text!r}, which names no secret; write it as sm://PROJECT/NAME or sm://PROJECT/NAME/VERSION"
        )
    with _holding:
        at, value = _held.get(text, (0.0, ""))
        if not at or time.monotonic() - at > FRESH_SECONDS:
            value = _read(variable, text, found["project"], found["name"], found["version"] or "latest")
            _held[text] = time.monotonic(), value
    return value


def forget() -> None:
    """Ask for every secret again when it is used next."""
    with _holding:
        _held.clear()


def _read(variable: str, reference: str, project: str, name: str, version: str) -> str:
    import google.auth
    import requests
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    where = f"{variable} names the secret {reference}"
    endpoint = os.environ.get(ENDPOINT, "").rstrip("/") or "https://secretmanager.googleapis.com"
    url = f"{endpoint}/v1/projects/{project}/secrets/{name}/versions/{version}:access"
    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]
            for attempt in range(1, _ATTEMPTS + 1):
                answer = session.get(url, timeout=_TIMEOUT)
                if answer.status_code < 500 or attempt == _ATTEMPTS:
                    break
                time.sleep(_PAUSE * 2**attempt)
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"{where}, and there are no credentials to read it with ({_line(error)}); run where Workload Identity gives some, or "
            "`gcloud auth application-default login`"
        ) from None
    except requests.RequestException as error:
        raise ConfigurationError(f"{where}, and {endpoint} does not answer ({type(error).__name__}); try again") from None
    if answer.status_code == 403:
        raise ConfigurationError(f"{where}, which these credentials may not read; give them roles/secretmanager.secretAccessor on it")
    if answer.status_code == 404:
        raise ConfigurationError(f"{where}, and there is no such secret or version; make it, or correct the name")
    if answer.status_code != 200:
        raise ConfigurationError(f"{where}, and {endpoint} answers {answer.status_code} ({_why(answer)}); see that the version is enabled")
    return _payload(where, answer)


def _payload(where: str, answer: Any) -> str:
    """The value, held against its checksum. What goes wrong is told without it."""
    import google_crc32c

    try:
        payload = answer.json()["payload"]
        value = base64.b64decode(payload["data"], validate=True)
        sound = "dataCrc32c" not in payload or int(payload["dataCrc32c"]) == google_crc32c.value(value)
        text = value.decode()
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{where}, and what was answered is not a secret's text; store it as UTF-8") from None
    if not sound:
        raise ConfigurationError(f"{where}, and it was damaged on its way; try again")
    return text.removesuffix("\n")


def _why(answer: Any) -> str:
    try:
        return _line(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "without a reason"


def _line(text: object) -> str:
    return " ".join(str(text).split())[:200]


def held() -> list[str]:
    """The values read so far, for whoever has to keep them out of what is written."""
    with _holding:
        return [value for _, value in _held.values()]
