"""How a launched run is executed: its steps in one process, one publication when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from cbi_pipeline.ledger import bind_warehouse
from cbi_pipeline.settings import load_settings


class PublishingExecutor(InProcessExecutor):
    """Publishes what the steps stored when the last has ended, whatever way it ended.

    Not a resource's teardown: Dagster calls a run successful whose teardown failed, and a run that
    could not publish has failed.
    """

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Execute the steps.

        Raises:
            NotPublished: says why, and that nothing is lost.
        """
        with bind_warehouse(load_settings()).publish_at_end():
            yield from super().execute(plan_context, execution_plan)


def make_executor(_: dg.InitExecutorContext) -> PublishingExecutor:
    """The executor of one run."""
    return PublishingExecutor(RetryMode.ENABLED)


# A process per step costs more than the steps themselves.
IN_PROCESS = dg.ExecutorDefinition(
    name="in_process",
    executor_creation_fn=make_executor,
    description="Every step in the process of its run, which publishes once.",
)
