"""An object store on this machine, with a bucket for published files."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import boto3
import httpx
import pytest

from tests.addresses import free_port


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An object store in a process of its own: the client that lists files lets no other thread of its process answer."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 30
    while True:
        try:
            httpx.get(url)
            break
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.1)
    yield url
    server.terminate()
    server.wait()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> str:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{endpoint}/moto-api/reset")
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="files")
    return "s3://files/packages"
