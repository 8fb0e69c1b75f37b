"""Say which runs are no evidence for the claims beside others, and why."""

from collections.abc import Collection, Sequence
from pathlib import Path

from smallpose.core.counts import format_share
from smallpose.report.claims.our_runs import choose_runs
from smallpose.report.inputs.paper_values import find_paper_method
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.test_sets import describe_test_set


def describe_left_out(runs: Sequence[Run], data: Path, scored: Collection[int]) -> str:
    """Say how many runs the verdicts leave out, and why; "" where all are used.

    Args:
        runs: without those on sets of their own.
        data: the set that the runs were scored on.
        scored: indices of the runs that have a result file on that set.
    """
    used = {index for group in choose_runs(runs, scored).values() for index in group}
    labels: dict[str, list[str]] = {}
    for index, run in enumerate(runs):
        if index not in used:
            reason = _explain(run, runs, data)
            labels.setdefault(reason, []).append(label_run(run, runs))
    num_runs = len(runs) - len(used)
    if not num_runs:
        return ""
    share = format_share(num_runs, len(runs), "run is", "runs are")
    named = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in labels.items())
    return f"{share} left out: {named}"


def _explain(run: Run, runs: Sequence[Run], data: Path) -> str:
    if run.data != data:
        on_set = next(one for one in runs if one.data == data)
        return f"not on the test set of {describe_test_set(on_set, runs)}"
    if run.predictions_path is None:
        return "without found.json"
    if run.is_untrained:
        return "without training"
    if find_paper_method(run.method) is None:
        return "no method of the paper"
    return "another variant, or another recipe, than the first of its method"
