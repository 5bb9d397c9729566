"""The log: JSON, a line for each thing that happened, with product, dataset, partition and run, where DATAPRODUCTS_LOG=json; else plain.

Of an error nobody foresaw only its kind and where it came from are written: its text may quote a row, or what somebody typed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from dataproducts import errors
from dataproducts.masking import masked

VARIABLE = "DATAPRODUCTS_LOG"
TRACE = "TRACEPARENT"
"""The variable with the W3C trace context of whoever started this process."""
_TRACEPARENT = re.compile(r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TOLD = {  # of Dagster's own events; the others are for its pages
    "RUN_START", "RUN_SUCCESS", "RUN_FAILURE", "RUN_CANCELED", "STEP_FAILURE", "STEP_UP_FOR_RETRY",
    "ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION",
}  # fmt: skip
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def is_json() -> bool:
    """Whether the log is JSON. Raises ConfigurationError for another DATAPRODUCTS_LOG."""
    form = os.environ.get(VARIABLE) or "plain"
    if form not in ("plain", "json"):
        raise errors.ConfigurationError(f"{VARIABLE} is {form!r}; set it to plain or json")
    return form == "json"


def begin() -> None:
    """Write the kit's log as JSON lines on standard error, where that is wanted."""
    if is_json():
        to(logging.getLogger("dataproducts"), logging.StreamHandler(sys.stderr))


def of_dagster() -> None:
    """Have Dagster write what runs, schedules and sensors log as the kit does, where that is wanted.

    Dagster lets nobody choose what its runs are logged with by default, other than run by run; its own choice is one function.
    """
    if is_json():
        from dagster import _loggers
        from dagster._core.definitions import instigation_logger

        for module in (_loggers, instigation_logger):
            module.create_console_logger = _console  # type: ignore[attr-defined]


def _console(name: str, level: str | int) -> logging.Logger:
    logger = logging.Logger(name, level)
    logger.addHandler(OfRuns())
    return logger


def to(logger: logging.Logger, handler: logging.Handler, level: int = logging.INFO) -> None:
    """Have a logger write JSON lines with a handler, and nothing else."""
    handler.setFormatter(Lines())
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


class Lines(logging.Formatter):
    """A record as one line of JSON. What is given as `facts` stands in it as it is; secrets never do."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
        }
        about = getattr(record, "dagster_meta", None)
        given = getattr(record, "facts", None)
        if about is not None:
            event = about.get("dagster_event")
            facts["level"] = facts["level"] if event is None else _level(event, record)
            facts |= of_run(about, record.getMessage())
        else:
            facts |= given if given is not None else {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            facts |= where(record.exc_info[1])
        return masked(json.dumps({name: value for name, value in facts.items() if value is not None}, ensure_ascii=False, default=str))


class OfRuns(logging.Handler):
    """What runs log, on standard error: what products and the kit say, and of Dagster's own events those that matter to others."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Lines())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; to the standard error of now, which is captured while a step runs."""
        event = (getattr(record, "dagster_meta", None) or {}).get("dagster_event")
        if record.levelno >= logging.INFO if event is None else _is_told(event):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


def of_run(about: dict[str, Any], message: str) -> dict[str, Any]:
    """What a record of a run says, from what Dagster knows of it: which dataset, which partition, which run."""
    event, tags = about.get("dagster_event"), about.get("job_tags") or {}
    product, dataset, port = _asset(event, str(about.get("step_key") or ""))
    run = str(about.get("run_id") or "")
    facts: dict[str, Any] = {
        "message": about.get("orig_message") or message,
        "product": product,
        "dataset": dataset,
        "port": port,
        "partition": getattr(event, "partition", None) or tags.get("dagster/partition") or _span(tags),
        "run": run or None,
        "job": about.get("job_name"),
        "sensor": None if run else about.get("name"),
        "trace": trace() or re.sub("[^0-9a-f]", "", run) or None,
    }
    if event is not None:
        facts["event"] = _kind(event).lower()
        facts |= {**_error(event), **_result(event)}
    return facts


def where(error: BaseException) -> dict[str, Any]:
    """The kind of an error, and the lines it passed."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return {"error": type(error).__name__, "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}


def trace() -> str | None:
    """The trace that this process is part of, 32 hex digits; None where whoever started it did not say."""
    return trace_of(os.environ.get(TRACE, ""))


def trace_of(traceparent: str) -> str | None:
    """The trace that a W3C header names; None where it is no such header."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found["trace"] if found else None


def traceparent() -> str:
    """A W3C header for a request of ours: within the trace of this process, or one of its own."""
    return f"00-{trace() or secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _asset(event: Any, step: str) -> tuple[str | None, str | None, str | None]:
    """Product, dataset and port: of the event's asset, else by the name of the step."""
    key = getattr(event, "asset_key", None)
    names = list(key.path) if key is not None else step.rpartition(".")[2].partition("[")[0].split("__")
    if key is None and len(names) < 2:
        return None, None, None
    return (*[*names, None, None, None][:3],)  # type: ignore[return-value]


def _kind(event: Any) -> str:
    return str(event.event_type_value).replace("PIPELINE_", "RUN_")


def _is_told(event: Any) -> bool:
    """Of checks only those that did not pass: a run has a dozen."""
    is_check = _kind(event) == "ASSET_CHECK_EVALUATION"
    return _kind(event) in _TOLD and not (is_check and event.event_specific_data.passed)


def _level(event: Any, record: logging.LogRecord) -> str:
    """Dagster gives its events the lowest level unless something failed."""
    if _kind(event) == "ASSET_CHECK_EVALUATION":
        return "error" if event.event_specific_data.severity.value == "ERROR" else "warning"
    return record.levelname.lower() if record.levelno > logging.INFO else "info"


def _result(event: Any) -> dict[str, Any]:
    """The check that did not pass; of what was made, its version and rows."""
    data = event.event_specific_data
    if _kind(event) == "ASSET_CHECK_EVALUATION":
        return {"check": data.check_name}
    if _kind(event) != "ASSET_MATERIALIZATION":
        return {}
    said = {name: getattr(value, "value", None) for name, value in data.materialization.metadata.items()}
    return {"version": said.get("dataproducts/version"), "rows": said.get("dagster/partition_row_count", said.get("dagster/row_count"))}


def _span(tags: dict[str, str]) -> str | None:
    first, last = (tags.get(name) for name in _RANGE)
    return f"{first}...{last}" if first and last else None


def _error(event: Any) -> dict[str, Any]:
    """Kind and sentence of what failed a step or a run."""
    error = getattr(getattr(event, "event_specific_data", None), "error", None)
    if error is None:
        return {}
    while error.cause is not None:
        error = error.cause
    kind = str(error.cls_name)
    is_ours = isinstance(getattr(errors, kind, None), type)
    said = {"sentence": error.message.strip().partition(f"{kind}: ")[2]} if is_ours else {}
    return {"error": kind, **said}
