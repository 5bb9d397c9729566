"""A cluster for tests: an HTTP server that answers Kubernetes' own client as the API does, records what it is asked, and lets a test say
what becomes of each pod. Containers may be executed, as processes of this machine.
"""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate

VERSION = kubernetes_validate.latest_version()
NAMESPACE = "team-shop"
Fate = Callable[["Cluster", "Pod"], None]

_KINDS = {"jobs": ("batch/v1", "Job"), "pods": ("v1", "Pod"), "events": ("v1", "Event")}
_PATH = re.compile(
    r"/(?:api/v1|apis/batch/v1)/namespaces/(?P<namespace>[^/]+)/(?P<resource>jobs|pods|events)(?:/(?P<name>[^/]+)(?:/(?P<part>status|log))?)?$"
)
_REASONS = {403: "Forbidden", 404: "NotFound", 409: "AlreadyExists", 422: "Invalid", 500: "InternalError"}


class Refused(Exception):
    """An answer other than what was asked for."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.status = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": _REASONS[code], "code": code,
        }  # fmt: skip


@dataclass
class Pod:
    """A pod of the cluster: its manifest with its status, and what its containers have said, by container."""

    manifest: dict[str, Any]
    said: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    is_gone: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.manifest["metadata"].get("labels", {}))

    @property
    def containers(self) -> list[dict[str, Any]]:
        return list(self.manifest["spec"]["containers"])

    @property
    def init_containers(self) -> list[dict[str, Any]]:
        return list(self.manifest["spec"].get("initContainers", []))

    @cached_property
    def folder(self) -> Path:
        """Where its empty volumes are."""
        return Path(tempfile.mkdtemp(prefix="pod"))

    def say(self, container: str, line: str) -> None:
        """Write a line to a container's log."""
        self.said.setdefault(container, []).append((_nanoseconds(), line))


class Cluster:
    """Its objects by kind and name, and each request that was made of it. `fate` decides what becomes of the next pods."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, Pod] = {}
        self.events: list[dict[str, Any]] = []
        self.secrets: dict[str, dict[str, str]] = {}
        self.requests: list[tuple[str, str]] = []
        self.asked: set[str] = set()
        self.made: list[dict[str, Any]] = []
        self.faults: list[tuple[str, int]] = []
        self.fate: Fate = running
        self.calls_modules = False  # rather than executing them, which takes longer to begin than to do
        self._lock = threading.RLock()
        self._version = 0
        self._fates: list[threading.Thread] = []

    # What a test says happens

    def status(self, pod: Pod, phase: str, **more: Any) -> None:
        """The kubelet reports on a pod; the job it belongs to follows."""
        with self._lock:
            if pod.is_gone.is_set():
                return
            pod.manifest["status"] = {"phase": phase, **more}
            self._touch(pod.manifest)
            self._follow(pod)

    def event(self, pod: Pod, reason: str, message: str) -> None:
        """Something is told of a pod."""
        metadata = {"name": f"{pod.name}.{uuid.uuid4().hex[:8]}", "namespace": NAMESPACE}
        involved = {"kind": "Pod", "name": pod.name, "namespace": NAMESPACE}
        told = {"type": "Warning", "reason": reason, "message": message, "count": 1}
        self.events.append({"metadata": metadata, "involvedObject": involved, **told})

    def delete(self, pod: Pod) -> None:
        """Take a pod away, with all that runs in it."""
        with self._lock:
            if self.pods.pop(pod.name, None) is None:
                return
            pod.is_gone.set()
            for process in pod.processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            self._follow(pod)

    def refuse(self, request: str, code: int) -> None:
        """Answer the next request that begins so ("GET /api/v1/…/pods") with an error."""
        self.faults.append((request, code))

    def settled(self) -> None:
        """Wait until all that was to become of the pods there are has become of them."""
        for thread in self._fates:
            thread.join(30)

    def clear(self) -> None:
        """Be as new."""
        for pod in list(self.pods.values()):
            self.delete(pod)
        for kept in (self.jobs, self.events, self.secrets, self.requests, self.asked, self.made, self.faults, self._fates):
            kept.clear()  # type: ignore[attr-defined]
        self.fate, self.calls_modules = running, False

    # What the API does

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """The answer to a request: an object, or the text of a log."""
        found = _PATH.match(path)
        if found is None:
            raise Refused(404, f"the server could not find the requested resource {path}")
        resource, name, part = found["resource"], found["name"], found["part"]
        verb = {"GET": "get" if name else "list", "POST": "create", "DELETE": "delete"}[method]
        with self._lock:
            self.requests.append((method, path))
            self.asked.add(f"{verb} {resource}{f'/{part}' if part else ''}")
            for at, (request, code) in enumerate(self.faults):
                if re.match(request, f"{method} {path}"):
                    del self.faults[at]
                    raise Refused(code, f"{method} {path} is refused by the test")
            if method == "POST":
                answer: Any = self._create(resource, found["namespace"], body)
            elif name is None:
                answer = self._list(resource, query)
            elif method == "DELETE":
                answer = self._delete(resource, name)
            else:
                answer = self._log(name, query) if part == "log" else self._object(resource, name)
            return copy.deepcopy(answer)

    def _create(self, resource: str, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        version, kind = _KINDS[resource]
        manifest = copy.deepcopy({"apiVersion": version, "kind": kind, **body})
        try:
            kubernetes_validate.validate(manifest, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(422, f"{kind} is invalid: {error.message}") from error
        name = manifest["metadata"]["name"]
        if name in (self.jobs if resource == "jobs" else self.pods):
            raise Refused(409, f'{resource} "{name}" already exists')
        self.made.append(copy.deepcopy(manifest))
        manifest["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": _now()}
        self._touch(manifest)
        if resource == "jobs":
            manifest["status"] = {"active": 1, "startTime": _now()}
            self.jobs[name] = manifest
            template = copy.deepcopy(manifest["spec"]["template"])
            labels = {**template["metadata"].get("labels", {}), "job-name": name, "batch.kubernetes.io/job-name": name}
            pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
            self._begin({**pod, "metadata": {"name": f"{name}-{uuid.uuid4().hex[:5]}", "namespace": namespace, "labels": labels}})
        else:
            self._begin(manifest)
        return manifest

    def _begin(self, manifest: dict[str, Any]) -> None:
        manifest["status"] = {"phase": "Pending"}
        self._touch(manifest)
        pod = self.pods[manifest["metadata"]["name"]] = Pod(manifest)
        thread = threading.Thread(target=self._befall, args=(self.fate, pod), daemon=True)
        self._fates.append(thread)
        thread.start()

    def _befall(self, fate: Fate, pod: Pod) -> None:
        try:
            fate(self, pod)
        except Exception as error:
            self.status(pod, "Failed", reason="TestIsWrong", message=repr(error))
            raise

    def _follow(self, pod: Pod) -> None:
        """The job controller, with a backoffLimit of 0."""
        job = self.jobs.get(pod.labels.get("job-name", ""))
        if job is None or not job["status"].get("active"):
            return
        phase = pod.manifest["status"]["phase"]
        if phase == "Succeeded":
            job["status"] = {"startTime": job["status"]["startTime"], "succeeded": 1, "conditions": [_condition("Complete")]}
        elif phase == "Failed" or pod.is_gone.is_set():
            failed = _condition("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")
            job["status"] = {"startTime": job["status"]["startTime"], "failed": 1, "conditions": [failed]}
        self._touch(job)

    def _list(self, resource: str, query: dict[str, str]) -> dict[str, Any]:
        version, kind = _KINDS[resource]
        objects = {"jobs": list(self.jobs.values()), "pods": [pod.manifest for pod in self.pods.values()], "events": self.events}[resource]
        found = [one for one in objects if _chosen(one, query.get("labelSelector", ""), query.get("fieldSelector", ""))]
        return {"apiVersion": version, "kind": f"{kind}List", "metadata": {"resourceVersion": str(self._version)}, "items": found}

    def _object(self, resource: str, name: str) -> dict[str, Any]:
        there = self.jobs.get(name) if resource == "jobs" else self.pods[name].manifest if name in self.pods else None
        if there is None:
            raise Refused(404, f'{resource} "{name}" not found')
        return there

    def _delete(self, resource: str, name: str) -> dict[str, Any]:
        there = self._object(resource, name)
        if resource == "pods":
            self.delete(self.pods[name])
        else:
            del self.jobs[name]  # its pods go when garbage is collected, which a test is too short for
        return there

    def _log(self, name: str, query: dict[str, str]) -> str:
        self._object("pods", name)
        pod = self.pods[name]
        container = query.get("container") or pod.containers[0]["name"]
        statuses = [s for part in ("initContainerStatuses", "containerStatuses") for s in pod.manifest["status"].get(part, [])]
        if not any(s["name"] == container and "waiting" not in s["state"] for s in statuses):
            raise Refused(500, f'container "{container}" in pod "{name}" is waiting to start')
        lines = pod.said.get(container, [])
        if "tailLines" in query:
            lines = lines[-int(query["tailLines"]) :]
        stamped = query.get("timestamps", "").lower() == "true"
        return "".join(f"{at} {line}\n" if stamped else f"{line}\n" for at, line in lines)

    def _touch(self, manifest: dict[str, Any]) -> None:
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)


# What may become of a pod


def running(cluster: Cluster, pod: Pod) -> None:
    """It starts, and goes on."""
    cluster.status(pod, "Running", containerStatuses=[_status(one, running={"startedAt": _now()}) for one in pod.containers])


def unschedulable(cluster: Cluster, pod: Pod) -> None:
    """No node has room for it."""
    message = "0/3 nodes are available: 3 Insufficient memory."
    cluster.event(pod, "FailedScheduling", message)
    cluster.status(pod, "Pending", conditions=[_condition("PodScheduled", "False", reason="Unschedulable", message=message)])


def without_image(cluster: Cluster, pod: Pod) -> None:
    """The registry has no such image."""
    container = pod.containers[0]
    message = f'Back-off pulling image "{container["image"]}": not found'
    cluster.event(pod, "Failed", message)
    waiting = {"reason": "ImagePullBackOff", "message": message}
    cluster.status(pod, "Pending", conditions=[_condition("PodScheduled")], containerStatuses=[_status(container, waiting=waiting)])


def out_of_memory(cluster: Cluster, pod: Pod) -> None:
    """It starts, and the kernel ends it."""
    running(cluster, pod)
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": _now()}
    cluster.status(pod, "Failed", containerStatuses=[_status(pod.containers[0], terminated=ended)])


def evicted(cluster: Cluster, pod: Pod) -> None:
    """It starts, and its node needs the room."""
    running(cluster, pod)
    cluster.status(pod, "Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage.")


def ended(cluster: Cluster, pod: Pod) -> None:
    """It starts, and ends well."""
    running(cluster, pod)
    cluster.status(pod, "Succeeded", containerStatuses=[_status(pod.containers[0], terminated={"exitCode": 0, "reason": "Completed"})])


def at(container: str, *lines: str, **state: Any) -> Fate:
    """It comes to this container, which writes these lines and then is `terminated`, or does what else its state says."""

    def becomes(cluster: Cluster, pod: Pod) -> None:
        every = [*pod.init_containers, *pod.containers]
        place = [one["name"] for one in every].index(container)
        for line in lines:
            pod.say(container, line)
        before = [_status(one, terminated={"exitCode": 0, "reason": "Completed"}) for one in every[:place]]
        statuses = [*before, _status(every[place], **state)]
        inits = len(pod.init_containers)
        phase = "Failed" if state.get("terminated", {}).get("exitCode") else "Running" if place >= inits else "Pending"
        cluster.status(pod, phase, initContainerStatuses=statuses[:inits], containerStatuses=statuses[inits:])

    return becomes


def executed(cluster: Cluster, pod: Pod) -> None:
    """Its containers are executed, one after the other, as processes with their variables; empty volumes are folders."""
    done: list[dict[str, Any]] = []
    inits = [one["name"] for one in pod.init_containers]

    def told(phase: str, current: dict[str, Any] | None = None) -> None:
        statuses = [*done, *([current] if current else [])]
        cluster.status(
            pod,
            phase,
            initContainerStatuses=[one for one in statuses if one["name"] in inits],
            containerStatuses=[one for one in statuses if one["name"] not in inits],
        )

    for container in (*pod.init_containers, *pod.containers):
        told("Pending" if container["name"] in inits else "Running", _status(container, running={"startedAt": _now()}))
        code = _execute(cluster, pod, container)
        reason = "Completed" if not code else "OOMKilled" if code == 137 else "Error"
        done.append(_status(container, terminated={"exitCode": code, "reason": reason, "finishedAt": _now()}))
        if code:
            break
    told("Failed" if code else "Succeeded")


def _execute(cluster: Cluster, pod: Pod, container: dict[str, Any]) -> int:
    mounts = {one["mountPath"]: pod.folder / one["name"] for one in container.get("volumeMounts", [])}

    def here(text: str) -> str:
        for path, folder in mounts.items():
            folder.mkdir(exist_ok=True)
            text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?=/|$|[\s:'\"])", str(folder), text)
        return text

    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", str(Path.cwd()))}
    for source in container.get("envFrom", []):
        variables |= cluster.secrets.get(source.get("secretRef", {}).get("name", ""), {})
    for one in container.get("env", []):
        chosen = one.get("valueFrom", {}).get("secretKeyRef")
        if chosen is None:
            variables[one["name"]] = here(one.get("value", ""))
        elif chosen["key"] in cluster.secrets[chosen["name"]] or not chosen.get("optional"):
            variables[one["name"]] = cluster.secrets[chosen["name"]][chosen["key"]]
    command = [here(part) for part in (*container.get("command", []), *container.get("args", []))]
    if cluster.calls_modules and command[1] == "-m":
        return int(import_module(command[2]).main(*command[3:]))
    folder = here(container.get("workingDir", str(pod.folder)))
    with subprocess.Popen(
        command,
        env=variables,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        pod.processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            pod.say(container["name"], line.decode("utf-8", "replace").rstrip("\n"))
        code = process.wait()
    return code if code >= 0 else 128 - code


def _status(container: dict[str, Any], **state: Any) -> dict[str, Any]:
    return {
        "name": container["name"], "image": container["image"], "imageID": "", "ready": "running" in state,
        "restartCount": 0, "started": "running" in state, "state": state,
    }  # fmt: skip


def _condition(kind: str, status: str = "True", **more: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": _now(), **more}


def _chosen(manifest: dict[str, Any], labels: str, fields: str) -> bool:
    there = manifest["metadata"].get("labels", {})
    for term in filter(None, labels.split(",")):
        name, is_equal, value = term.partition("=")
        if name not in there or (is_equal and there[name] != value):
            return False
    for term in filter(None, fields.split(",")):
        path, _, value = term.partition("=")
        found: Any = manifest
        for step in path.split("."):
            found = found.get(step, {})
        if found != value:
            return False
    return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _nanoseconds() -> str:
    now = time.time_ns()
    fraction = f"{now % 10**9:09}".rstrip("0")
    return f"{datetime.fromtimestamp(now // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


# Over HTTP


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def _answer(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            answer = self.cluster.answer(self.command, url.path, {k: v[-1] for k, v in parse_qs(url.query).items()}, body)
            code = 201 if self.command == "POST" else 200
        except Refused as refused:
            answer, code = refused.status, refused.code
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """A cluster, and the kubeconfig by which clients find it."""
    cluster = Cluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": cluster}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "test", "user": {"token": "token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
    }  # fmt: skip
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    try:
        yield cluster, path
    finally:
        cluster.clear()
        server.shutdown()
        server.server_close()
