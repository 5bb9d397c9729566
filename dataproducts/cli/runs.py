"""One run of a dataset through Dagster in this process, recorded in its instance, told as outcomes of partitions."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dataproducts import logs
from dataproducts.cli.group import DEBUG, is_own, shown, traceback_hint
from dataproducts.masking import masked

if TYPE_CHECKING:
    import dagster as dg
    from dagster_shared.error import SerializableErrorInfo

    from dataproducts.dataset import Dataset
    from dataproducts.port_asset import PortAsset

State = Literal["new", "unchanged", "mended", "failed"]
LOGGER = "command"
UNCUT = ""
"""Partition of an outcome of a dataset without partitions."""


@dataclass(frozen=True)
class Outcome:
    """What became of a partition; `error` is one sentence, and then there is no version; `passing`: the same may succeed later."""

    partition: str
    state: State
    version: int | None = None
    rows: int | None = None
    refused: int | None = None
    error: str | None = None
    passing: bool = False


@contextmanager
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's persistent instance, the one its UI shows. What a product prints goes to the person here, not to a file there."""
    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    from dataproducts.cli.instance import dagster_home

    home = dagster_home()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # capturing output takes processes of its own, which answer Ctrl-C with tracebacks on the terminal
    uncaptured = {"compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}}
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=uncaptured)) as instance:
        yield instance


class Runs:
    """Runs of one dataset, or of one of its ports. `say` gets what the product and the kit log on the way, not Dagster's own events."""

    def __init__(self, dataset: Dataset, instance: dg.DagsterInstance, say: Callable[[str], None], port: PortAsset | None = None) -> None:
        from dataproducts.definitions import build_defs

        self.dataset = dataset
        self.key = dataset.declaration.key if port is None else port.key
        self.instance = instance
        job = build_defs().resolve_implicit_global_asset_job_def()
        self.job = job.with_logger_defs({LOGGER: told_logger(say)})

    def run(self, keys: Sequence[str]) -> list[Outcome]:
        """Materialize partitions in one run, or the whole of a dataset without partitions (no keys)."""
        import dagster as dg

        from dataproducts.port_asset import ATTENDED, PASSING

        tags = {ATTENDED: "yes"}
        if len(keys) > 1:
            tags |= {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
        result = self.job.execute_in_process(
            instance=self.instance,
            asset_selection=[self.key],
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=tags,
            run_config={"loggers": {LOGGER: {}}},
            raise_on_error=False,
        )
        stored: dict[str, Outcome] = {}
        failures: dict[str, str] = {}
        sentence, passing = "the run failed", False
        # not result.all_events: what a failing run has stored is in the event log only
        for entry in self.instance.all_logs(result.run_id):
            event = entry.dagster_event
            if event is None:
                continue
            if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
                outcome = self._stored(event.step_materialization_data.materialization, keys)
                stored[outcome.partition] = outcome
            elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
                sentence, failures = _failure(event.step_failure_data)
                given = event.step_failure_data.user_failure_data
                passing = given is not None and PASSING in given.metadata
            elif event.event_type == dg.DagsterEventType.RUN_FAILURE and sentence == "the run failed":
                sentence = _told(event.job_failure_data.error)
        if result.success:  # a port has nothing to do for what it has passed over
            stored = {**{k: Outcome(k, "unchanged") for k in keys or [UNCUT]}, **stored}
        outcomes = [stored.pop(k) if k in stored else self._failed(k, failures, sentence, passing) for k in keys or [UNCUT]]
        return [*outcomes, *stored.values()]

    def _stored(self, materialization: dg.AssetMaterialization, keys: Sequence[str]) -> Outcome:
        from dataproducts.dataset import PREFIX

        said: dict[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
        key = materialization.partition or UNCUT
        state: State = "unchanged" if "unchanged" in said else "new" if not keys or key in keys else "mended"
        rows = said.get("dagster/partition_row_count", said.get("dagster/row_count"))
        return Outcome(key, state, said.get(f"{PREFIX}version"), rows, self._refused(key) if "refused" in said else 0)

    def _refused(self, key: str) -> int:
        """The rows this delivery of a partition refused are those that are open in its quarantine."""
        from dataproducts import settings
        from dataproducts.history.ledger import UNPARTITIONED
        from dataproducts.quality.quarantine import Quarantine

        return Quarantine(settings.lake(), self.dataset.contract.dataset).rows(key or UNPARTITIONED, only_open=True).height

    def _failed(self, key: str, failures: dict[str, str], sentence: str, passing: bool) -> Outcome:
        name = self.dataset.contract.dataset
        where = f"{name}: partition {key!r}: " if key else f"{name}: "
        error = failures.get(key, sentence)
        return Outcome(key, "failed", error=error if error.startswith(name) else where + error, passing=passing)


def told_logger(say: Callable[[str], None]) -> dg.LoggerDefinition:
    """A logger that tells what the product and the kit log, and none of Dagster's own events; where the log is JSON, it is written so."""
    import dagster as dg

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            about: Any = getattr(record, "dagster_meta", {})
            if about.get("dagster_event") is None:
                say(masked(str(about.get("orig_message") or record.getMessage())))

    def command(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("dataproducts", logging.NOTSET if logs.is_json() else logging.INFO)
        logger.addHandler(logs.OfRuns() if logs.is_json() else Told())
        return logger

    return dg.LoggerDefinition(command)


def failure_sentence(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed, in one sentence."""
    import dagster as dg

    sentence = "the run failed; its log in Dagster says why"
    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}):
        event = entry.dagster_event
        if event is not None and event.event_type == dg.DagsterEventType.STEP_FAILURE:
            return _failure(event.step_failure_data)[0]
        if event is not None and event.job_failure_data.error is not None:
            sentence = _told(event.job_failure_data.error)
    return sentence


def _failure(data: Any) -> tuple[str, dict[str, str]]:
    """The sentence of a failed step, and those of single partitions where it tells them apart."""
    given = data.user_failure_data
    if given is None:
        return _told(data.error), {}
    failures = given.metadata.get("failures")
    return given.description, dict(failures.value) if failures is not None else {}


def _told(error: SerializableErrorInfo | None) -> str:
    """The cause of an error nobody foresaw, with the line of the product's own code that it came from."""
    from dataproducts import errors

    if error is None:
        return "the run failed; its log in Dagster says why"
    if os.environ.get(DEBUG):
        print(masked(error.to_string()), file=sys.stderr, flush=True)
    while error.cause is not None:
        error = error.cause
    name = (error.cls_name or "").rsplit(".", 1)[-1]
    if name == "DagsterExecutionInterruptedError":  # Ctrl-C, which Dagster has made a failed run of
        raise KeyboardInterrupt
    text = " ".join(error.message.split())
    text = re.sub(rf"^[\w.]*{re.escape(name)}: ", "", text)
    if issubclass(getattr(errors, name, Exception), errors.DataProductsError):
        return text
    frames = [re.match(r'\s*File "(.+?)", line (\d+)', line) for line in error.stack]
    own = [frame.groups() for frame in frames if frame and is_own(frame[1])]
    where = f" ({shown(own[-1][0])}, line {own[-1][1]})" if own else ""
    return f"{name}: {text}{where}{traceback_hint()}"
