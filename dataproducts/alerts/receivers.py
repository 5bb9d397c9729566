"""Who is told, and how a message reaches them: a Slack webhook, a mail server.

Addresses of webhooks and passwords are read from the environment when they are used, and are in no message, error or log of ours: what a
library says of a failure is never repeated. Whoever answers slowly, or a byte at a time, is given up when the time is over.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from dataproducts import masking
from dataproducts.alerts.words import Letter, escaped, one_line
from dataproducts.errors import ConfigurationError, DataProductsError, ReceiverUnavailable
from dataproducts.secret_references import secret_of

T = TypeVar("T")

HOST, PORT, SECURITY, USER, PASSWORD, FROM = (
    f"DATAPRODUCTS_SMTP_{name}" for name in ("HOST", "PORT", "SECURITY", "USER", "PASSWORD", "FROM")
)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_ANSWER = 1_000  # bytes of an answer that are read
_REFUSED = (400, 413, 422)
"""What is said of a message, rather than of the one who sends it."""


class Receiver(Protocol):
    """Somebody who can be told. `id` is what is remembered of them, `name` what people read."""

    id: str
    name: str

    def fault(self) -> str | None:
        """Why nothing can be sent from here, or None."""

    def send(self, letter: Letter, seconds: float) -> str | None:
        """Send a message within so many seconds; gives a remark where not all got it.

        Raises ReceiverUnavailable, or ConfigurationError where a setting is wrong.
        """


class Slack:
    """The channel of an incoming webhook, whose address the environment variable holds."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        masking.declare(variable)
        self.id, self.name = f"slack:{variable}", f"the Slack webhook {variable}"

    def fault(self) -> str | None:
        """Why nothing can be sent from here, or None."""
        return None if os.environ.get(self.variable) else f"{self.variable} is not set"

    def send(self, letter: Letter, seconds: float) -> str | None:
        """Post a message. One that Slack does not take for what is in it is sent once more as a line of text."""
        until = time.monotonic() + seconds
        address = _within(seconds, lambda: secret_of(self.variable), lambda: None, self.name)
        line = {"text": escaped(letter.subject), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
        status = self._post(address, {**line, "blocks": list(letter.blocks)}, max(0.1, until - time.monotonic()))
        if status in _REFUSED:
            status = self._post(address, line, max(0.1, until - time.monotonic()))
        if status in (403, 404, 410):
            raise ConfigurationError(f"{self.name} is not taken any more ({status}); make a new one, and set the variable to its address")
        if 300 <= status < 400:
            raise ConfigurationError(
                f"{self.name} leads elsewhere ({status}), where nothing is sent; set the variable to the address itself"
            )
        if not 200 <= status < 300:
            raise ReceiverUnavailable(f"{self.name} answered {status}")
        return None

    def _post(self, address: str, said: object, seconds: float) -> int:
        connection, path = self._connection(address, seconds)
        body = json.dumps(said, ensure_ascii=False).encode()

        def post() -> int:
            connection.request("POST", path, body, {"Content-Type": "application/json; charset=utf-8", "User-Agent": "dataproducts"})
            answer = connection.getresponse()
            answer.read(_ANSWER)
            return answer.status

        try:
            return _within(seconds, post, lambda: connection.sock, self.name)
        finally:
            connection.close()

    def _connection(self, address: str, seconds: float) -> tuple[http.client.HTTPConnection, str]:
        wrong = ConfigurationError(f"{self.variable} holds no address of a webhook; write it as https://hooks.slack.com/services/...")
        if not address.isascii() or not address.isprintable() or " " in address:
            raise wrong
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        if not host or "@" in parts.netloc or (parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host))):
            raise wrong
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=seconds), path
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context()), path


class Mail:
    """Mailboxes, by the mail server of the environment: DATAPRODUCTS_SMTP_HOST and what goes with it."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = tuple(addresses)
        self.id, self.name = f"mail:{','.join(addresses)}", f"mail to {', '.join(addresses)}"

    def fault(self) -> str | None:
        """Why nothing can be sent from here, or None."""
        missing = [name for name in (HOST, FROM) if not os.environ.get(name)]
        return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set" if missing else None

    def send(self, letter: Letter, seconds: float) -> str | None:
        """Hand a message to the mail server; a remark where it does not take it for every address."""
        server, host, port, security = self._server(seconds)
        user = os.environ.get(USER, "")
        message = self._message(letter)

        def hand_over() -> list[str]:
            server.connect(host, port)
            if security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if user:
                server.login(user, secret_of(PASSWORD))
            refused = server.send_message(message, to_addrs=list(self.addresses))
            with suppress(smtplib.SMTPException, OSError):
                server.quit()  # it has been taken, whatever becomes of the line
            return sorted(refused)

        try:
            left_out = _within(seconds, hand_over, lambda: server.sock, self.name)
        finally:
            server.close()
        return f"the mail server does not take mail to {', '.join(left_out)}" if left_out else None

    def _server(self, seconds: float) -> tuple[smtplib.SMTP, str, int, str]:
        host, security = os.environ[HOST], os.environ.get(SECURITY) or "starttls"
        if security not in _PORTS:
            raise ConfigurationError(f"{SECURITY} is {security!r}; set it to {', '.join(_PORTS)}")
        given = os.environ.get(PORT) or str(_PORTS[security])
        if not given.isdecimal() or not 0 < int(given) < 65_536:
            raise ConfigurationError(f"{PORT} is {given!r}, which is no port; write it as 587")
        if security == "none" and os.environ.get(USER) and not _is_here(host):
            raise ConfigurationError(f"{SECURITY} is none, and {PASSWORD} would be readable on its way; set it to starttls or tls")
        own = socket.gethostname()  # the library's own choice asks name servers, without end
        server = (
            smtplib.SMTP_SSL(timeout=seconds, local_hostname=own, context=ssl.create_default_context())
            if security == "tls"
            else smtplib.SMTP(timeout=seconds, local_hostname=own)
        )
        server._host = host  # type: ignore[attr-defined]  # whose certificate it has to be; else it is only known to one that connects at once
        return server, host, int(given), security

    def _message(self, letter: Letter) -> EmailMessage:
        sender = os.environ[FROM]
        _, address = parseaddr(sender)
        if not sender.isprintable() or "@" not in address:
            raise ConfigurationError(f"{FROM} is no address; write it as alerts@example.com, or Alerts <alerts@example.com>")
        message = EmailMessage()
        message["Subject"] = one_line(letter.subject)
        message["From"] = sender
        message["To"] = ", ".join(self.addresses)
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(domain=address.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # nobody's absence answers it
        message.set_content(letter.text)
        return message


def _within(seconds: float, work: Callable[[], T], connected: Callable[[], socket.socket | None], name: str) -> T:
    """What work gives, if it is done in time. A timeout of a socket bounds each read alone, and all of them would have no end."""
    done: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # told below, in the thread that asked
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name="alerts")
    thread.start()
    thread.join(seconds)
    if done:
        return done[0]
    if failed:
        raise _told(failed[0], name)
    with suppress(OSError):
        if (there := connected()) is not None:
            there.shutdown(socket.SHUT_RDWR)  # which ends what the thread waits for
    raise ReceiverUnavailable(f"{name} did not answer within {seconds:.0f} s")


def _told(error: Exception, name: str) -> DataProductsError:
    """What went wrong, in words of our own: those of a library may hold an address or a password."""
    if isinstance(error, DataProductsError):
        return error
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return ConfigurationError(f"{name}: the mail server refuses {USER} and {PASSWORD} ({error.smtp_code}); correct them")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ConfigurationError(f"{name}: the mail server does not do what it is asked for; see {SECURITY} and {USER}")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return ReceiverUnavailable(f"{name}: the mail server takes it for none of them")
    if isinstance(error, smtplib.SMTPResponseException):
        return ReceiverUnavailable(f"{name}: the mail server answered {error.smtp_code}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"{name}: the certificate there is not one that is trusted here; correct the address, or set SSL_CERT_FILE"
        )
    return ReceiverUnavailable(f"{name} cannot be reached ({type(error).__name__})")


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
