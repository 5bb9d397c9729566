"""How the steps of a run are executed: in the run's own process, or as pods for a product that asks with `isolate: steps`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.executor.init import InitExecutorContext

from dataproducts import settings

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan


class ProductExecutor(dg.Executor):
    """Executes a run in this process, which costs nothing to begin a step; on Kubernetes as pods where one of its products asks."""

    def __init__(self, init: InitExecutorContext) -> None:
        self._init = init
        self._retries = RetryMode.from_config(dict(init.executor_config)["retries"])  # type: ignore[arg-type]

    @property
    def retries(self) -> RetryMode:
        """Whether steps are tried again as their datasets say."""
        return self._retries or RetryMode.ENABLED

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
        """Execute a run's steps."""
        isolated = self._isolated(execution_plan)
        executor = InProcessExecutor(self.retries) if isolated is None else self._as_pods(isolated)
        yield from executor.execute(plan_context, execution_plan)

    def _isolated(self, plan: ExecutionPlan) -> dict[str, Any] | None:
        """The pod of each step by its op; None where all are executed here, which takes no right to make pods."""
        if settings.run_as(settings.STEPS) == "process":
            return None
        from dataproducts.kubernetes.needs import of_entities, step_config

        graph = self._init.job.get_definition().asset_layer.asset_graph

        def metadata(key: dg.AssetKey) -> Mapping[str, Any] | None:
            return graph.get(key).metadata if graph.has(key) else None

        steps: list[Any] = [plan.get_step_by_key(key) for key in plan.step_keys_to_execute]
        made = {
            step.op_name: [
                key for output in step.step_outputs for key in (output.properties.asset_key, output.properties.asset_check_key) if key
            ]
            for step in steps
        }
        return {name: step_config(of_entities(entities, metadata)) for name, entities in made.items()}

    def _as_pods(self, configs: Mapping[str, Any]) -> dg.Executor:
        from dagster_k8s import k8s_job_executor

        config = {**self._init.executor_config, "per_step_k8s_config": configs}
        create: Any = k8s_job_executor.executor_creation_fn
        executor: dg.Executor = create(InitExecutorContext(self._init.job, k8s_job_executor, config, self._init.instance))
        return executor


@dg.executor(name="in_process_or_pods", config_schema={"retries": get_retries_config()})  # type: ignore[no-untyped-call]
def product_executor(init_context: InitExecutorContext) -> dg.Executor:
    """The steps of a run in one process; as pods where `isolate: steps` stands in a product's `runtime` and runs are launched there."""
    return ProductExecutor(init_context)
