"""Whatever BigQuery, the network or the credentials do: one sentence with what to do, and nothing half published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.ports.bigquery import connection
from tests.addresses import free_port
from tests.bigquery import DROPPED, Answer, Gateway, refusal
from tests.ports.bigquery.conftest import DAILY, Published


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (refusal(401, "authError", "Request had invalid authentication credentials."), PortError, "no usable credentials"),
        (refusal(403, "accessDenied", "Access Denied: Project x"), PortError, "gives no permission .*roles/bigquery.dataEditor"),
        (refusal(403, "quotaExceeded", "Quota exceeded: load jobs"), PortUnavailable, r"Quota exceeded: load jobs\); run again later"),
        (refusal(404, "notFound", "Not found: Project test-project"), PortError, "no project 'test-project'.*correct BIGQUERY_PROJECT"),
        (refusal(400, "invalid", "The project ID is malformed."), PortError, "refused when looking for the dataset"),
        (refusal(429, "rateLimitExceeded", "Slower."), PortUnavailable, "Slower"),
        (refusal(500, "internalError", "Oh."), PortUnavailable, "run again later"),
        (refusal(503, "backendError", "Oh."), PortUnavailable, "run again later"),
        (Answer(502, None, b"<html>Bad Gateway</html>"), PortUnavailable, "run again later"),
        (DROPPED, PortUnavailable, "did not answer"),
    ],
)
def test_each_refusal_is_one_sentence(
    publish: Callable[..., Published], gateway: Gateway, answer: Answer, error: type[PortError], text: str
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.refuse(answer, "GET", f"/datasets/{sales.dataset}", times=1_000)
    with pytest.raises(PortError, match=text) as told:
        sales.deliver()
    assert type(told.value) is error
    assert str(told.value).startswith("shop/sales: ")
    assert "\n" not in str(told.value)
    assert "http" not in str(told.value).replace(gateway.url, "")
    assert gateway.loads() == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_batch_that_was_refused_stays_open_and_leaves_when_it_may(
    publish: Callable[..., Published], gateway: Gateway, status: int
) -> None:
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.refuse(refusal(status, "accessDenied", "No."), "POST", "/upload/", times=1_000)
    with pytest.raises(PortUnavailable):  # another run may have been luckier, so nobody may give the batch up
        sales.deliver()
    gateway.rules.clear()
    assert len(sales.deliver().versions) == 1
    assert sales.compare().differences == ()


def test_no_credentials_are_one_sentence(publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BIGQUERY_PROJECT", "nav-prod")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    sales = publish(partitions=DAILY)
    with pytest.raises(
        PortError, match=r"shop/sales: there are no usable credentials for BigQuery .*gcloud auth application-default login"
    ):
        sales.deliver()


def test_credentials_that_are_not_credentials_are_one_sentence_without_them(
    publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": "VERY-SECRET", "client_email": "a@b.example"}))
    monkeypatch.setenv("BIGQUERY_PROJECT", "nav-prod")
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(PortError, match="no usable credentials") as told:
        publish(partitions=DAILY).deliver()
    assert "VERY-SECRET" not in str(told.value)


def test_nobody_at_the_other_end_is_told_soon(publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("BIGQUERY_PROJECT", "nav-prod")
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(connection, "_PATIENCE", 0.2)
    with pytest.raises(PortUnavailable, match=rf"BigQuery at http://127.0.0.1:{port} did not answer"):
        publish(partitions=DAILY).deliver()


def test_a_passing_failure_is_not_noticed(publish: Callable[..., Published], gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PATIENCE", 10.0)
    sales = publish(partitions=DAILY)
    sales.commit(d2026_01_01=[(1, 10)])
    gateway.refuse(refusal(503, "backendError", "Oh."), "GET", times=1)
    assert len(sales.deliver().versions) == 1
