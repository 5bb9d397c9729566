"""A script as a pod: given its files, watched to its end, and taken away whatever happens.

It speaks Dagster Pipes over the pod's log. Dagster's own client for that waits without end for a pod that is deleted or that cannot start,
and passes on what it logs as it is; so the pod is asked how it does, its log is read piece by piece, and no secret in it goes further.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import signal
import sys
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_k8s import K8sRunLauncher
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes.client import V1Pod  # type: ignore[import-untyped]
from kubernetes.client.rest import ApiException  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from dataproducts import settings
from dataproducts.errors import ConfigurationError, DataProductsError, SourceError
from dataproducts.kubernetes import carrier, pod
from dataproducts.kubernetes.trouble import Trouble, trouble
from dataproducts.ports.package.place import place
from dataproducts.product_facts import ProductFacts, kibibytes
from dataproducts.scripts.process import KEPT_LINES, LONGEST_LINE, Ended, hidden
from dataproducts.scripts.task import Requirements, Say, Task
from dataproducts.secret_references import SCHEME

BRING, SCRIPT, HAND_OVER = "bring", "script", "hand-over"
"""The containers of a script's pod, in the order in which they run."""
FOLDER = f"{pod.SCRATCH_FOLDER}/work"

_POLL = 2.0  # seconds between asking how a pod does
_START_SECONDS, _WAITING_SECONDS, _SILENCE_SECONDS = 900, 120, 300
"""How long a pod may take to start and to hand over, be without its image, and the cluster be without an answer."""
_REQUEST_SECONDS, _ATTEMPTS = 30, 3


class ScriptPods:
    """The place where scripts run as pods, for one run of Dagster's: they have of its pod what they need, and no more."""

    def __init__(self, facts: ProductFacts, run: dg.DagsterRun, launcher: Any) -> None:
        """Raises ConfigurationError where the instance launches its runs elsewhere, or does not say in which image."""
        if not isinstance(launcher, K8sRunLauncher):
            raise ConfigurationError(f"{settings.SCRIPTS} is pod, and Dagster does not launch its runs on Kubernetes; unset it")
        if not (image := run.tags.get("dagster/image") or launcher.job_image):
            raise ConfigurationError("the run does not say in which image it runs, which its scripts need; launch it on Kubernetes")
        self.runtime, self.products, self.run_id, self.image = facts.runtime, [facts.name], run.run_id, image
        self.core = launcher._api_client.core_api
        context = launcher.get_container_context_for_run(run)
        self.namespace = context.namespace or launcher.job_namespace
        self.of_run = context.run_k8s_config
        self.account = self.of_run.pod_spec_config.get("service_account_name") or launcher.service_account_name

    def python(self, work: Path, requirements: Requirements, where: str, say: Say) -> Path:
        """The Python that the pod's first container makes."""
        return work / carrier.ENVIRONMENT / "bin" / "python"

    def run(self, task: Task) -> Ended:
        """Run a script to its end. Raises SourceError where the cluster takes no pod for it."""
        dataset = re.sub("[^a-z0-9]+", "-", task.where.partition(":")[0].lower())
        name = f"{f'script-{self.run_id[:8]}-{dataset}'[:52].rstrip('-')}-{secrets.token_hex(4)}"
        staging = place(f"{settings.lake()}/_staging/{self.run_id}/{name}")
        try:
            staging.ready()
            with tempfile.TemporaryDirectory(prefix="dataproducts-") as folder:
                packed = Path(folder) / carrier.FILES
                with tarfile.open(packed, "w") as archive:
                    archive.add(task.work, arcname=".")
                staging.bring(carrier.FILES, packed)
            self._create(name, task, staging.root)
            ended = self._watched(name, task)
            if not ended.trouble and not ended.status and ended.stopped is None:
                staging.fetch(carrier.ROWS, task.output)
            return ended
        finally:
            self._delete(name)
            for file in (carrier.FILES, carrier.ROWS):
                with suppress(DataProductsError):
                    staging.remove(file)

    def _create(self, name: str, task: Task, staging: str) -> None:
        body = k8s_model_from_dict(V1Pod, k8s_snake_case_dict(V1Pod, self._manifest(name, task, staging)))
        try:
            self.core.create_namespaced_pod(self.namespace, body, _request_timeout=_REQUEST_SECONDS)
        except (ApiException, HTTPError) as error:
            raise SourceError(f"{task.where}: the cluster takes no pod for {task.what} ({_said(error)}); nothing was stored") from None

    def _manifest(self, name: str, task: Task, staging: str) -> dict[str, Any]:
        runtime, run = self.runtime, self.of_run
        volume, mount = pod.scratch(runtime)
        resources = pod.resources(runtime)
        if task.memory is not None:
            held = f"{task.memory // 2**20}Mi"
            resources = {kind: {**amounts, "memory": held} for kind, amounts in resources.items()}
        common = {"resources": pod.resources(runtime), "securityContext": pod.CONTAINER_SECURITY}
        home = [{"name": "HOME", "value": pod.SCRATCH_FOLDER}, {"name": "TMPDIR", "value": pod.SCRATCH_FOLDER}]
        ours = {  # with what the run's own container has, since it reaches the lake
            **common,
            "image": self.image,
            "env": [*run.container_config.get("env", []), *home, {"name": "DATAPRODUCTS_HOME", "value": f"{pod.SCRATCH_FOLDER}/home"}],
            "env_from": run.container_config.get("env_from", []),
            "volume_mounts": _by("mount_path", [*run.container_config.get("volume_mounts", []), mount]),
        }
        program = [sys.executable, "-m", carrier.__name__]
        packages = task.requirements
        listed = [str(packages.file.relative_to(task.work)), *packages.also] if packages is not None else []
        most = str(kibibytes(runtime.resources.scratch) * 1024)

        def there(text: str) -> str:
            return text.replace(str(task.work), FOLDER)

        script = {
            **common,
            "name": SCRIPT,
            "image": task.image or self.image,
            "resources": resources,
            "workingDir": there(str(task.folder)),
            **({"command": [there(part) for part in task.command]} if task.command else {}),
            "args": [there(part) for part in task.arguments],
            "env": [*home, *({"name": n, "value": there(value)} for n, value in task.variables.items()), *self._secrets(task)],
            "volumeMounts": [mount],
        }
        return {
            "metadata": {"name": name, "labels": {**pod.labels(self.products), pod.RUN_ID: self.run_id, pod.SCRIPT: "true"}},
            "spec": {
                "restartPolicy": "Never",
                "activeDeadlineSeconds": int(task.seconds) + 2 * _START_SECONDS,  # should the run be gone by then
                "serviceAccountName": self.account,
                "automountServiceAccountToken": False,
                **pod.nodes(runtime),
                "securityContext": pod.POD_SECURITY,
                "imagePullSecrets": run.pod_spec_config.get("image_pull_secrets", []),
                "initContainers": [
                    {**ours, "name": BRING, "command": [*program, "bring", FOLDER, staging, *listed]},
                    script,
                ],
                "containers": [
                    {
                        **ours,
                        "name": HAND_OVER,
                        "command": [*program, "hand-over", FOLDER, staging, str(task.output.relative_to(task.work)), most],
                    }
                ],
                "volumes": _by("name", [*run.pod_spec_config.get("volumes", []), volume]),
            },
        }

    def _secrets(self, task: Task) -> list[dict[str, Any]]:
        """By reference to each secret that the run has, since which of them has it is not ours to see; no value stands in the manifest."""
        there = [one["secret_ref"]["name"] for one in self.of_run.container_config.get("env_from", []) if "secret_ref" in one]
        if (named := next((one for one in task.secrets if os.environ.get(one, "").startswith(SCHEME)), None)) is not None:
            raise ConfigurationError(
                f"{task.where}: {named} names a secret of Secret Manager, and {task.what} is a pod, which takes the cluster's own; "
                "let `runtime: secrets` in product.yaml name one that holds the value"
            )
        if task.secrets and not there:
            raise ConfigurationError(
                f"{task.where}: {task.what} needs the secret {min(task.secrets)}, and a pod has those of `runtime: secrets`; "
                "add there the secret that holds it"
            )
        return [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name, "optional": True}}}
            for name in task.secrets
            for secret in there
        ]

    def _watched(self, name: str, task: Task) -> Ended:
        log = _Log(self.core, self.namespace, name, SCRIPT, task)
        stage, since, answered = "", time.monotonic(), time.monotonic()
        waiting_since: float | None = None
        while True:
            try:
                found = self.core.read_namespaced_pod(name, self.namespace, _request_timeout=_REQUEST_SECONDS)
            except (ApiException, HTTPError) as error:
                if getattr(error, "status", None) == 404:
                    return Ended(0, tuple(log.lines), trouble="its pod was deleted while it ran")
                if time.monotonic() - answered > _SILENCE_SECONDS:
                    return Ended(0, tuple(log.lines), trouble=f"the cluster does not say how its pod is ({_said(error)})")
                time.sleep(_POLL)
                continue
            now = answered = time.monotonic()
            before, stage = stage, _stage(found)
            since = now if stage != before else since
            if stage != BRING and not log.read():
                log.read()
            wrong = trouble(found, f"product.yaml of {self.products[0]}")
            if found.status.phase == "Succeeded":
                return Ended(0, tuple(log.lines))
            if wrong is not None and not wrong.may_pass:
                return self._ended(name, task, wrong, found, log)
            if stage == SCRIPT and now - since > task.seconds:
                return Ended(0, tuple(log.lines), stopped="time")
            waiting_since = (waiting_since or now) if wrong is not None and wrong.kind in ("image", "container") else None
            if (stage != SCRIPT and now - since > _START_SECONDS) or (waiting_since and now - waiting_since > _WAITING_SECONDS):
                late = f"is still at its container {stage} after {_START_SECONDS / 60:g} minutes"
                return Ended(0, tuple(log.lines), trouble=f"its pod {wrong.text if wrong is not None else late}")
            time.sleep(_POLL)

    def _ended(self, name: str, task: Task, wrong: Trouble, found: Any, log: _Log) -> Ended:
        """What became of a script whose pod did not end well."""
        lines = tuple(log.lines)
        if wrong.kind == "memory" and wrong.container == SCRIPT and task.memory is not None:
            return Ended(-signal.SIGKILL, lines)
        if wrong.kind != "status":
            return Ended(0, lines, trouble=f"its pod {wrong.text}")
        status = _exit_status(found, wrong.container)
        if wrong.container == SCRIPT:
            return Ended(status, lines)
        if status == carrier.NOTHING:
            return Ended(0, lines)
        if status == carrier.TOO_LARGE:
            most = self.runtime.resources.scratch
            return Ended(0, lines, trouble=f"it hands over more than {most}; raise `runtime: resources: scratch` in product.yaml")
        if status == carrier.OUTSIDE:
            return Ended(0, lines, trouble="what it hands over leads out of its folder")
        other = _Log(self.core, self.namespace, name, wrong.container, task)
        other.read()
        doing = "be given its files" if wrong.container == BRING else "hand over its rows"
        return Ended(0, lines, trouble=f"it cannot {doing} ({other.lines[-1] if other.lines else wrong.text})")

    def _delete(self, name: str) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0, _request_timeout=_REQUEST_SECONDS)
                return
            except (ApiException, HTTPError) as error:
                if getattr(error, "status", None) == 404:
                    return
            time.sleep(_POLL)


class Messages(dg.PipesMessageReader):
    """Messages for Dagster among the lines of a log."""

    def __init__(self) -> None:
        self._handle: Callable[[Any], None] | None = None

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, str]]:
        """For as long as a session lasts; messages are written to the log."""
        self._handle = handler.handle_message
        try:
            yield {"stdio": "stderr"}
        finally:
            self._handle = None

    def no_messages_debug_text(self) -> str:
        """What is said where none came."""
        return "Attempted to read messages from the log of the script's pod."

    def take(self, line: str) -> bool:
        """Whether a line is a message, which is taken."""
        if self._handle is None or "__dagster_pipes_version" not in line:
            return False
        try:
            message = json.loads(line)
        except ValueError:
            return False
        self._handle(message)
        return True


class _Log:
    """The log of one container, read again and again from where it was left: a connection that breaks loses nothing."""

    def __init__(self, core: Any, namespace: str, name: str, container: str, task: Task) -> None:
        self._read: Callable[..., Any] = lambda **more: core.read_namespaced_pod_log(
            name, namespace, container=container, timestamps=True, _preload_content=False, _request_timeout=_REQUEST_SECONDS, **more
        )
        self._task, self._secrets = task, tuple(task.secrets.values())
        self._newest, self._passed = "", 0  # the newest time of a line that was passed on, and how many of that time were
        self._begun: float | None = None
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def read(self) -> bool:
        """Pass on what is new, and whether that could be read; the next time it is what was not."""
        begun = time.monotonic()
        more = {} if self._begun is None else {"since_seconds": int(begun - self._begun) + 60}
        with suppress(ApiException, HTTPError, OSError):
            answer = self._read(**more)
            answer.auto_close = False  # whose end is seen by what reads its lines
            self._take(io.BufferedReader(answer))
            self._begun = begun
            return True
        return False

    def _take(self, stream: io.BufferedReader) -> None:
        is_whole, there = True, 0  # how many lines of this reading have the newest time known so far
        for raw in iter(lambda: stream.readline(LONGEST_LINE), b""):
            begins, is_whole = is_whole, raw.endswith(b"\n")
            if not begins:  # the rest of a line that is too long
                continue
            at, _, line = raw.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
            moment = _sortable(at)
            if moment < self._newest:
                continue
            there = there + 1 if moment == self._newest else 1
            if moment == self._newest and there <= self._passed:
                continue
            self._newest, self._passed = moment, there
            self._pass_on(hidden(line, self._secrets))

    def _pass_on(self, line: str) -> None:
        if self._task.message(line):
            return
        self.lines.append(line)
        if line.strip():
            self._task.say(line)


def _stage(found: Any) -> str:
    """The container that is at work, or the next one to be."""
    statuses = [*(found.status.init_container_statuses or ()), *(found.status.container_statuses or ())]
    over = {one.name for one in statuses if one.state is not None and one.state.terminated is not None}
    begun = {one.name for one in statuses if one.state is not None and (one.state.running is not None or one.name in over)}
    if SCRIPT not in begun:
        return BRING
    return SCRIPT if SCRIPT not in over else HAND_OVER


def _exit_status(found: Any, container: str) -> int:
    statuses = [*(found.status.init_container_statuses or ()), *(found.status.container_statuses or ())]
    return next(int(one.state.terminated.exit_code) for one in statuses if one.name == container and one.state.terminated is not None)


def _sortable(moment: str) -> str:
    """A time as Kubernetes writes it, with all nine digits of its second: those at the end are left out where they are 0."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"


def _said(error: Exception) -> str:
    if isinstance(error, ApiException):
        with suppress(ValueError, TypeError, AttributeError):
            return f"{error.status} {json.loads(error.body)['message']}"[:300]
        return f"{error.status} {error.reason}"
    return type(error).__name__


def _by(key: str, parts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each once, whichever way its fields are spelled."""
    camel = re.sub("_(.)", lambda m: m[1].upper(), key)
    return list({one.get(key) or one.get(camel): one for one in parts}.values())
