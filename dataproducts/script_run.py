"""One run of a script dataset: a process for each partition, whose rows go the way of any dataset's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg

from dataproducts.dataset import Declaration, Run
from dataproducts.materialization import Result
from dataproducts.scripts.script import Script


class ScriptRun(Run):
    """One run of a dataset whose rows a script hands over."""

    def __init__(self, declaration: Declaration, script: Script) -> None:
        super().__init__(declaration, script)
        self.script = script

    @contextmanager
    def working(self, context: dg.AssetExecutionContext) -> Iterator[Callable[..., Any]]:
        """The script, with Dagster's pipes where it asks for them."""
        yield lambda partition, **frames: self._result(context, partition, frames)

    def _result(self, context: dg.AssetExecutionContext, partition: str, frames: Mapping[str, Any]) -> Result:
        told: dict[str, Any] = {}
        with ExitStack() as stack:
            sessions: list[dg.PipesSession] = []

            def bootstrap() -> Mapping[str, str]:
                sessions.append(
                    stack.enter_context(
                        dg.open_pipes_session(
                            context, dg.PipesEnvContextInjector(), dg.PipesTempFileMessageReader(), extras={"partition": partition}
                        )
                    )
                )
                return sessions[0].get_bootstrap_env_vars()

            result = self.script.run(partition, frames, context.log.info, bootstrap)
        for session in sessions:
            for reported in session.get_results(implicit_materializations=False):
                if isinstance(reported, dg.MaterializeResult):  # what it says of its rows is kept; that they are stored is ours to say
                    told.update({name: getattr(value, "value", value) for name, value in (reported.metadata or {}).items()})
                else:
                    context.log.warning(f"{self.declaration.contract.dataset}: its script reports a check, and checks are the contract's")
        return Result(result.rows, {**told, **result.metadata})
