"""The key of the registry's hashes: from the environment, or made once under the home of a laptop. Never in the lake."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dataproducts import settings
from dataproducts.errors import ConfigurationError
from dataproducts.secret_references import secret_of

VARIABLE = "DATAPRODUCTS_ERASURE_KEY"
_BYTES = 32


@dataclass(frozen=True)
class Secret:
    """HMAC-SHA256 with one key."""

    key: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Tells keys apart without telling anything of them: twelve hex digits."""
        return self.hashed(["which key this is"])[0][:12]

    def hashed(self, texts: Iterable[str]) -> list[str]:
        """The keyed hash of each text, hex. Half a million a second, since the key is taken in only once."""
        block = self.key if len(self.key) <= 64 else hashlib.sha256(self.key).digest()
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in block.ljust(64, b"\x00")))
        outer = hashlib.sha256(bytes(b ^ 0x5C for b in block.ljust(64, b"\x00")))
        found = []
        for text in texts:
            first, second = inner.copy(), outer.copy()
            first.update(text.encode())
            second.update(first.digest())
            found.append(second.hexdigest())
        return found


def secret(*, make: bool = False) -> Secret:
    """The key in use: DATAPRODUCTS_ERASURE_KEY (64 hex digits), on a laptop also the file `erasure.key` under the home.

    With `make` that file is made where there is none, readable by its owner only. Raises ConfigurationError where there is no key.
    """
    if text := secret_of(VARIABLE).strip():
        return _parsed(text, VARIABLE)
    path = settings.home() / "erasure.key"
    if settings.environment() == "local":
        if make and not path.exists():
            _made(path)
        if path.exists():
            return _parsed(path.read_text(encoding="ascii", errors="replace").strip(), str(path))
    raise ConfigurationError(
        f"{VARIABLE} is not set, and without the key of the erasure registry nothing can be stored where somebody was erased; "
        "set it to the secret it was begun with, 64 hex digits" + (f", or restore {path}" if settings.environment() == "local" else "")
    )


def _made(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # of two that begin at once one wins, and its key is whole
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _parsed(text: str, where: str) -> Secret:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < _BYTES:
        raise ConfigurationError(
            f"{where} does not hold a key of the erasure registry; it is 64 hex digits, as `openssl rand -hex 32` makes them"
        )
    return Secret(key)
