"""One run of a script dataset: a process or a pod for each partition, whose rows go the way of any dataset's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg

from dataproducts import settings
from dataproducts.dataset import Declaration, Run
from dataproducts.errors import ConfigurationError
from dataproducts.materialization import Result
from dataproducts.scripts.script import Script
from dataproducts.scripts.task import Here, Place


class ScriptRun(Run):
    """One run of a dataset whose rows a script hands over."""

    def __init__(self, declaration: Declaration, script: Script) -> None:
        super().__init__(declaration, script)
        self.script = script

    @contextmanager
    def working(self, context: dg.AssetExecutionContext) -> Iterator[Callable[..., Any]]:
        """The script, with Dagster's pipes where it asks for them."""
        try:
            place = self._place(context)
        except ConfigurationError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        yield lambda partition, **frames: self._result(context, place, partition, frames)

    def _place(self, context: dg.AssetExecutionContext) -> Place:
        if settings.run_as(settings.SCRIPTS) == "process":
            return Here()
        from dataproducts.kubernetes.script_pod import ScriptPods

        return ScriptPods(self.declaration.facts, context.run, context.instance.run_launcher)

    def _result(self, context: dg.AssetExecutionContext, place: Place, partition: str, frames: Mapping[str, Any]) -> Result:
        told: dict[str, Any] = {}
        with ExitStack() as stack:
            sessions: list[dg.PipesSession] = []
            reader, message = _messages(place)

            def bootstrap() -> Mapping[str, str]:
                sessions.append(
                    stack.enter_context(
                        dg.open_pipes_session(context, dg.PipesEnvContextInjector(), reader, extras={"partition": partition})
                    )
                )
                return sessions[0].get_bootstrap_env_vars()

            result = self.script.run(partition, frames, context.log.info, bootstrap, place, message)
        for session in sessions:
            for reported in session.get_results(implicit_materializations=False):
                if isinstance(reported, dg.MaterializeResult):  # what it says of its rows is kept; that they are stored is ours to say
                    told.update({name: getattr(value, "value", value) for name, value in (reported.metadata or {}).items()})
                else:
                    context.log.warning(f"{self.declaration.contract.dataset}: its script reports a check, and checks are the contract's")
        return Result(result.rows, {**told, **result.metadata})


def _messages(place: Place) -> tuple[dg.PipesMessageReader, Callable[[str], bool]]:
    """What reads a script's messages for Dagster: a file here, the log of a pod elsewhere; and what takes a line of that."""
    if isinstance(place, Here):
        return dg.PipesTempFileMessageReader(), lambda line: False
    from dataproducts.kubernetes.script_pod import Messages

    reader = Messages()
    return reader, reader.take
