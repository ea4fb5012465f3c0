"""Gap: the branches of a Parallel state or a Map wait for one another whatever becomes of one, and share what they should not.

    one branch fails   the others end at once, and the state fails as that branch did
    a branch           has a context of its own, with its own task token, and variables that nobody outside sees
    a Parallel state   has Arguments, Output and Assign (JSONata)

https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html

Not emulated: a call that is under way in another branch is awaited; so are the children of a distributed Map of which too many fail.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from local.cloud.executions import Scope, Stopped, current, within

READ_AGAINST = {
    "ministack.services.stepfunctions:_run_parallel_branches": "b8c7f6915297",
    "ministack.services.stepfunctions:_run_map_items": "5df19a8074ce",
    "ministack.services.stepfunctions:_run_distributed_map": "2b77d3ec0e04",
    "ministack.services.stepfunctions:_run_sub_machine": "f8d844168b14",
}


def install() -> None:
    run_branches, run_items, run_children = sfn._run_parallel_branches, sfn._run_map_items, sfn._run_distributed_map
    run_branch = sfn._run_sub_machine

    def parallel(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        if sfn._state_query_language(state, ctx) != "JSONata":
            return _together(run_branches, state, raw_input, execution, ctx)
        given = sfn._apply_jsonata_arguments(state, raw_input, ctx)
        branches = {key: state[key] for key in ("Branches", "Next", "End") if key in state}
        results, following = _together(run_branches, branches, given, execution, ctx)
        output = sfn._apply_jsonata_output(state, raw_input, ctx, result=results, default=results)
        sfn._apply_state_assign(state, raw_input, ctx, result=results)
        return output, following

    def items(*of: Any) -> Any:
        return _together(run_items, *of)

    def children(*of: Any) -> Any:
        with within(Scope(current(), independent=True)) as scope:
            outcome = run_children(*of)
            scope.require_on()
            return outcome

    def branch(states: Any, start_at: str, given: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        around, own = current(), {**ctx, "variables": dict(ctx.get("variables", {}))}
        with within(Scope(around) if around.independent else around) as scope:
            try:
                return run_branch(states, start_at, given, execution, own)
            except Stopped:
                if around.independent:
                    execution.update(status="ABORTED", stopDate=sfn.now_iso())
                    raise
                return None  # nobody looks at it: the state around it has failed or was stopped
            except Exception as failure:
                scope.end(failure)
                raise

    sfn._run_parallel_branches = parallel
    sfn._run_map_items = items
    sfn._run_distributed_map = children
    sfn._run_sub_machine = branch


def _together(run: Callable[..., Any], *of: Any) -> Any:
    """Run branches that end with the first of them that fails, and fail as that one did."""
    around = current()
    with within(Scope(around)) as scope:
        try:
            outcome = run(*of)
        except sfn._ExecutionError:
            if scope.failure is None:
                raise
        around.require_on()
        if isinstance(scope.failure, sfn._ExecutionError):
            raise scope.failure
        if scope.failure is not None:
            raise sfn._ExecutionError("States.Runtime", str(scope.failure))
        return outcome
