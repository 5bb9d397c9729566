"""How a message reaches somebody: what is hostile in it stays text, what is secret stays here, and nobody holds it up."""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataproducts.alerts.cases import Case
from dataproducts.alerts.receivers import Mail, Slack
from dataproducts.alerts.sensor import Alerting, alerts_sensor
from dataproducts.alerts.words import Letter, News, Notice, letter
from dataproducts.errors import ConfigurationError, DataProductsError, ReceiverUnavailable
from dataproducts.product_facts import Trouble
from dataproducts.secret_references import forget
from tests.alerts.conftest import PASSWORD, SECRET, Clock, MailServer, Webhook, serving
from tests.publication.conftest import write

NOW = dt.datetime(2026, 11, 27, 5, 0, tzinfo=dt.UTC)
PLAIN = Letter("[shop] noe er galt", "Blåbærsyltetøy.\n", ({"type": "section", "text": {"type": "plain_text", "text": "Blåbær"}},))
HOSTILE = "<!channel> <https://evil.example.com|click> *bold* & `code` @here\r\nBcc: everybody@example.com\r\n\r\nbody\x00\x1b[31m"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that nobody has signed, as a file and as a server takes it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(days=1), now + dt.timedelta(days=1))
    signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
    folder = tmp_path_factory.mktemp("certificate")
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


# Slack


def test_what_is_hostile_in_a_name_is_plain_text_in_slack(slack: Webhook) -> None:
    case = Case(Trouble.CHECK_FAILED, "shop/sales", NOW, HOSTILE, check=HOSTILE, run=f"x|y>{HOSTILE}")
    other = Case(Trouble.RECONCILIATION, "here", NOW, HOSTILE, check=HOSTILE)
    for cases in ([case], [case, other]):
        Slack("SLACK_SHOP").send(letter([Notice(News.NEW, one) for one in cases], [HOSTILE, "shop"], NOW), 5)
    for posted in slack.posted:
        assert posted["mrkdwn"] is False
        assert "<" not in posted["text"]
        assert "\n" not in posted["text"]
        for block in posted["blocks"]:
            for text in [*([block["text"]] if "text" in block else []), *block.get("elements", [])]:
                if text["type"] == "mrkdwn":  # links of ours, with names in which Slack finds nothing more
                    assert re.fullmatch(
                        r"(<http://localhost:\d+/[A-Za-z0-9/%?=._-]*\|[A-Z][a-z]+> · )+Runbook: docs/runbook.md#[a-z-]+", text["text"]
                    )
                else:
                    assert (text["type"], text["emoji"]) == ("plain_text", False)
                assert len(text["text"]) <= (150 if block["type"] == "header" else 3_000)


def test_a_message_that_slack_does_not_take_is_sent_as_a_line(slack: Webhook) -> None:
    slack.answers = [400]
    Slack("SLACK_SHOP").send(PLAIN, 5)
    assert slack.posted == [{"text": "[shop] noe er galt", "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}]


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (500, ReceiverUnavailable, "answered 500"),
        (429, ReceiverUnavailable, "answered 429"),
        (404, ConfigurationError, "is not taken any more (404); make a new one"),
        (302, ConfigurationError, "leads elsewhere (302), where nothing is sent"),
    ],
)
def test_what_slack_answers_is_told_in_a_sentence_without_its_address(
    slack: Webhook, status: int, error: type[DataProductsError], says: str
) -> None:
    with serving(Webhook()) as elsewhere:
        slack.answers, slack.redirect = [status], elsewhere.url
        with pytest.raises(error) as raised:
            Slack("SLACK_SHOP").send(PLAIN, 5)
        assert says in str(raised.value)
        assert SECRET not in str(raised.value)
        assert elsewhere.paths == []


@pytest.mark.parametrize(
    "address",
    [
        f"http://hooks.slack.com/services/{SECRET}",
        f"hooks.slack.com/services/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"https://user:{SECRET}@hooks.slack.com/",
        f"https://hooks.slack.com/{SECRET}\n",
        f"https://hooks.slack.com/ {SECRET}",
        f"https://[{SECRET}/",
        f"https://hooks.slack.com:{SECRET}/",
        "https:///x",
    ],
)
def test_an_address_that_is_none_of_a_webhook_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("SLACK_SHOP", address)
    with pytest.raises(ConfigurationError, match="SLACK_SHOP holds no address of a webhook") as raised:
        Slack("SLACK_SHOP").send(PLAIN, 5)
    assert SECRET not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_webhook_that_nobody_serves_is_said_to_be_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SLACK_SHOP", f"http://127.0.0.1:{closed.getsockname()[1]}/{SECRET}")
        with pytest.raises(ReceiverUnavailable, match="SLACK_SHOP cannot be reached"):
            Slack("SLACK_SHOP").send(PLAIN, 5)


def test_a_webhook_with_a_certificate_nobody_trusts_is_not_told_anything(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Webhook()) as server:
        server.socket = certificate[1].wrap_socket(server.socket, server_side=True)
        monkeypatch.setenv("SLACK_SHOP", server.url.replace("http:", "https:"))
        with pytest.raises(ConfigurationError, match="the certificate there is not one that is trusted here"):
            Slack("SLACK_SHOP").send(PLAIN, 5)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        Slack("SLACK_SHOP").send(PLAIN, 5)
        assert len(server.posted) == 1


def test_the_address_may_be_a_secret_that_the_variable_names(slack: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_SHOP", "sm://coffee-prod/slack")
    monkeypatch.setattr("dataproducts.secret_references._read", lambda *_: slack.url)
    Slack("SLACK_SHOP").send(PLAIN, 5)
    assert len(slack.posted) == 1
    forget()


# Mail


def test_what_is_hostile_in_a_name_makes_no_header_of_mail(mail: MailServer) -> None:
    case = Case(Trouble.CHECK_FAILED, "shop/sales", NOW, HOSTILE, check=HOSTILE)
    Mail(["a@example.com", "b@example.com"]).send(letter([Notice(News.NEW, case)], [HOSTILE], NOW), 5)
    Mail(["a@example.com"]).send(Letter(HOSTILE, HOSTILE), 5)
    assert [to for to, _ in mail.taken] == [["a@example.com", "b@example.com"], ["a@example.com"]]
    for message in mail.messages:
        assert message["Bcc"] is None
        assert len(message.get_all("Subject", [])) == 1
        expected = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
        assert set(message.keys()) <= expected | {"Content-Type", "Content-Transfer-Encoding"}
    assert all(len(line) < 1_000 for _, raw in mail.taken for line in raw.splitlines())


def test_mail_says_norwegian_letters_and_who_sent_it(mail: MailServer) -> None:
    Mail(["a@example.com"]).send(PLAIN, 5)
    (message,) = mail.messages
    assert message.get_content() == "Blåbærsyltetøy.\n"
    assert message["From"] == "Dataprodukter <varsler@example.com>"
    assert message["Message-ID"].endswith("@example.com>")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_user_and_password_go_only_over_a_line_whose_certificate_is_trusted(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    with serving(MailServer(certificate[1], at_once=security == "tls")) as server:
        server.needs_login = True
        given = {"HOST": "127.0.0.1", "PORT": str(server.port), "SECURITY": security, "FROM": "a@example.com", "USER": "shop"}
        for name, value in {**given, "PASSWORD": PASSWORD}.items():
            monkeypatch.setenv(f"DATAPRODUCTS_SMTP_{name}", value)
        with pytest.raises(ConfigurationError, match="the certificate there is not one that is trusted here"):
            Mail(["b@example.com"]).send(PLAIN, 5)
        assert server.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        Mail(["b@example.com"]).send(PLAIN, 5)
        assert (server.logins, len(server.taken)) == ([("shop", PASSWORD)], 1)
        monkeypatch.setenv("DATAPRODUCTS_SMTP_PASSWORD", "wrong-and-secret")
        with pytest.raises(ConfigurationError, match=r"refuses DATAPRODUCTS_SMTP_USER and DATAPRODUCTS_SMTP_PASSWORD \(535\)") as raised:
            Mail(["b@example.com"]).send(PLAIN, 5)
        assert "wrong-and-secret" not in repr(raised.value)  # though the server says it back


def test_a_server_without_tls_gets_neither_password_nor_mail(mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAPRODUCTS_SMTP_SECURITY", "starttls")
    with pytest.raises(ConfigurationError, match="does not do what it is asked for; see DATAPRODUCTS_SMTP_SECURITY"):
        Mail(["b@example.com"]).send(PLAIN, 5)
    monkeypatch.setenv("DATAPRODUCTS_SMTP_SECURITY", "none")
    monkeypatch.setenv("DATAPRODUCTS_SMTP_USER", "shop")
    monkeypatch.setenv("DATAPRODUCTS_SMTP_HOST", "mail.example.com")
    with pytest.raises(ConfigurationError, match="would be readable on its way"):
        Mail(["b@example.com"]).send(PLAIN, 5)
    assert mail.taken == mail.logins == []


def test_mail_is_told_to_have_been_left_out_where_the_server_does_not_take_an_address(mail: MailServer) -> None:
    mail.refused = {"gone@example.com"}
    assert Mail(["gone@example.com", "b@example.com"]).send(PLAIN, 5) == "the mail server does not take mail to gone@example.com"
    assert len(mail.taken) == 1
    with pytest.raises(ReceiverUnavailable, match="takes it for none of them"):
        Mail(["gone@example.com"]).send(PLAIN, 5)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SECURITY", "ssl", "DATAPRODUCTS_SMTP_SECURITY is 'ssl'; set it to starttls, tls, none"),
        ("PORT", "mail", "DATAPRODUCTS_SMTP_PORT is 'mail', which is no port"),
        ("PORT", "70000", "DATAPRODUCTS_SMTP_PORT is '70000', which is no port"),
        ("FROM", "nobody", "DATAPRODUCTS_SMTP_FROM is no address"),
        ("FROM", "a@example.com\r\nBcc: b@example.com", "DATAPRODUCTS_SMTP_FROM is no address"),
    ],
)
def test_a_wrong_setting_of_the_mail_server_is_a_sentence(
    mail: MailServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"DATAPRODUCTS_SMTP_{name}", value)
    with pytest.raises(ConfigurationError) as raised:
        Mail(["a@example.com"]).send(PLAIN, 5)
    assert says in str(raised.value)


def test_mail_without_a_server_says_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Mail(["a@example.com"]).fault() == "DATAPRODUCTS_SMTP_HOST and DATAPRODUCTS_SMTP_FROM are not set"
    monkeypatch.setenv("DATAPRODUCTS_SMTP_HOST", "mail.example.com")
    assert Mail(["a@example.com"]).fault() == "DATAPRODUCTS_SMTP_FROM is not set"


# Secrets


@pytest.fixture
def everything_written(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], bytes]:
    """All that Dagster's files, the log and the terminal hold."""
    caplog.set_level(logging.DEBUG)

    def read() -> bytes:
        out = capfd.readouterr()
        files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        return files + caplog.text.encode() + out.out.encode() + out.err.encode()

    return read


def test_addresses_and_passwords_are_in_no_table_log_error_or_message(
    shop_told: Callable[..., Any],
    log: Any,
    slack: Webhook,
    mail: MailServer,
    everything_written: Callable[[], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATAPRODUCTS_SMTP_USER", "shop")
    monkeypatch.setenv("DATAPRODUCTS_SMTP_PASSWORD", "galt-passord-42")
    shop = shop_told("{slack_webhook: SLACK_SHOP, email: [a@example.com]}")
    dg.materialize([shop.datasets["prices"]], partition_key="p13", instance=log, raise_on_error=False)
    sensor = alerts_sensor({"shop": shop}, "here", patience=5)
    assert sensor is not None
    slack.answers = [500, 302, 404, 400, 400]
    cursor = None
    said = ""
    for _ in range(5):
        with dg.build_sensor_context(instance=log, cursor=cursor) as context:
            tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        said += f"{tick}{tick.skip_message}"
    alerting = Alerting({"shop": shop}, "here", now=Clock().now)
    said += str(alerting.tick(log, None))
    written = everything_written() + said.encode() + "".join(slack.texts).encode() + b"".join(raw for _, raw in mail.taken)
    assert len(slack.posted) >= 1  # the last of them was taken
    assert b"SLACK_SHOP" in written
    for secret in (SECRET, SECRET.rpartition("/")[2], slack.url, "galt-passord-42"):
        assert secret.encode() not in written


def test_what_is_told_is_told_of_both_times_with_letters_of_all_kinds(shop_told: Callable[..., Any], log: Any, slack: Webhook) -> None:
    shop = shop_told()
    clock = Clock()
    alerting = Alerting({"shop": shop}, "here", now=clock.now)
    evaluation = dg.AssetCheckEvaluation(
        shop.datasets["sales"].key, "shape", passed=False, metadata={}, description="Kolonnen «år» mangler 🍓"
    )
    write(log, [(clock.time, evaluation)])
    alerting.tick(log, None)
    assert "Kolonnen «år» mangler 🍓" in slack.texts[0]
