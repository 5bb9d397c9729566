"""A real Apache Kafka broker of the tests' own: one KRaft node in a temporary folder on free ports, thrown away at the end.

`python -m tests.kafka` (`make kafka`) fetches its jars and runs one in the foreground.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.addresses import free_port

ROOT = Path(__file__).parents[1]
POM = Path(__file__).with_name("data") / "kafka" / "pom.xml"
CACHE = ROOT / ".kafka"
NO_BROKER = "needs Java 17 and the broker's jars (`make kafka` fetches them, with mvn)"
IN_CI = bool(os.environ.get("CI"))

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.segment.delete.delay.ms=0
"""


def jars(fetch: bool = IN_CI) -> Path | None:
    """The folder of the broker's jars; fetched with mvn where they are not there yet and `fetch` says so."""
    if shutil.which("java") is None:
        return None
    folder = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]  # other jars, another folder
    if not folder.exists() and fetch:
        CACHE.mkdir(exist_ok=True)
        with (CACHE / "lock").open("w") as lock:  # another test process may be at it
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                fresh = CACHE / uuid.uuid4().hex
                command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
                subprocess.run([*command, f"-DoutputDirectory={fresh}"], check=True, stdout=sys.stderr)
                fresh.rename(folder)
    return folder if folder.exists() else None


@dataclass
class Broker:
    """A broker that runs or has run. `kill`, `stop`, `pause` and `start` are for tests of what happens when it goes away."""

    folder: Path
    jars: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def addresses(self) -> str:
        """For KAFKA_BROKERS."""
        return f"127.0.0.1:{self.port}"

    def format(self) -> None:
        """Make its storage."""
        settings = SETTINGS.format(port=self.port, controller=free_port(), folder=self.folder)
        (self.folder / "server.properties").write_text(settings)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        done = subprocess.run([*self._java("kafka.tools.StorageTool"), "format", "-t", cluster, "-c", self._settings], capture_output=True)
        if done.returncode:
            raise RuntimeError(f"the broker's storage was not made: {(done.stderr or done.stdout).decode()[-2000:]}")

    def start(self) -> None:
        """Start and wait until it answers."""
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*self._java("kafka.Kafka"), self._settings], stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent
        )
        log.close()
        until = time.monotonic() + 90
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the broker did not start: {(self.folder / 'log').read_text()[-3000:]}")

    def stop(self) -> None:
        """Stop it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Let it die on the spot."""
        self._end(signal.SIGKILL)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Until it ends; its exit status."""
        assert self._process is not None
        return self._process.wait()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1), suppress(KafkaException):
            cluster = AdminClient({"bootstrap.servers": self.addresses, "log_level": 0}).list_topics(timeout=5)
            return bool(cluster.brokers) and cluster.controller_id >= 0
        time.sleep(0.05)
        return False

    @property
    def _settings(self) -> str:
        return str(self.folder / "server.properties")

    def _java(self, program: str) -> list[str]:
        swift = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", "-Xmx512m", *swift, "-cp", f"{self.jars}/*", program]


@contextmanager
def broker(fetch: bool = IN_CI) -> Iterator[Broker]:
    """Run a broker for as long as it is needed."""
    where = jars(fetch)
    assert where is not None, NO_BROKER
    folder = Path(tempfile.mkdtemp(prefix="kafka"))
    running = Broker(folder, where)
    try:
        running.format()
        running.start()
        yield running
    finally:
        running.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_parent() -> None:
    """A broker does not outlive the tests that started it, however they end. Linux only."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """A broker in the foreground, until Ctrl-C."""
    if shutil.which("java") is None or (jars(fetch=False) is None and shutil.which("mvn") is None):
        sys.exit("Java 17 and Maven are needed (apt: openjdk-17-jre-headless maven)")
    with broker(fetch=True) as running:
        print(
            f"A Kafka broker is running; Ctrl-C ends it and all that is in it. In another terminal:\nexport KAFKA_BROKERS={running.addresses}",
            flush=True,
        )
        with suppress(KeyboardInterrupt):
            running.wait()


if __name__ == "__main__":
    main()
