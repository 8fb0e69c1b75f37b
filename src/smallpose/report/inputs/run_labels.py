"""Label runs in tables and figures, as short as tells them apart."""

from collections.abc import Sequence
from pathlib import Path

from smallpose.report.inputs.runs import Run, group_seeds
from smallpose.report.inputs.test_sets import (
    describe_test_set,
    has_different_test_sets,
    name_test_set,
)


def label_run(run: Run, runs: Sequence[Run]) -> str:
    """Return the name of a run, or else the shortest label that tells it from the others.

    The label is the method with what it was trained on, and the folder where these are not unique.
    A setting alone names no run: the method is left out only where folders tell all runs apart.
    Where the runs were scored on several test sets, the label names that of the run.
    """
    label = _label_among(run, runs)
    if has_different_test_sets([run, *runs]):
        return f"{label} on {name_test_set(run, runs)}"
    return label


def _label_among(run: Run, runs: Sequence[Run]) -> str:
    if run.name:
        return run.name
    unnamed = [r for r in runs if not r.name]
    words = [] if _are_told_by_folders(unnamed) else [run.method_label]
    words.append(_describe_training(run))
    short = " ".join(w for w in words if w)
    titles = [r.title for r in unnamed if _get_key(r) == _get_key(run)]
    if len(titles) <= 1:
        return short or run.title
    folder = run.title if titles.count(run.title) == 1 else str(run.folder)
    return f"{short} ({folder})"


def label_seeds(index: int, runs: Sequence[Run]) -> str:
    """Return the label of a run and its seeds together, as in the tables of results."""
    groups = group_seeds(runs)
    first = next(group[0] for group in groups if index in group)
    return label_run(runs[first], [runs[group[0]] for group in groups])


def _are_told_by_folders(runs: Sequence[Run]) -> bool:
    """Return whether all runs, seeds as one, are of one method and share what they trained on."""
    keys = [_get_key(runs[group[0]]) for group in group_seeds(runs)]
    return len({run.method for run in runs}) == 1 and all(keys.count(key) > 1 for key in keys)


def _get_key(run: Run) -> tuple[str, str]:
    return run.method, _describe_training(run)


def describe_runs_on_others(runs: Sequence[Run], data: Path) -> str:
    """Say which runs are on another set than `data`, so that nothing compares them; else ""."""
    others = [run for run in runs if run.data != data]
    if not others:
        return ""
    on_set = next(run for run in runs if run.data == data)
    named = [f"{_label_among(run, runs)} on {describe_test_set(run, runs)}" for run in others]
    return (
        f"not on the test set of {describe_test_set(on_set, runs)}, so only in tables and "
        f"compared with no other run: {', '.join(named)}"
    )


def describe_own_sets(runs: Sequence[Run]) -> str:
    """Say which runs have no place in the paper's tables, and why; "" where all have one."""
    by_set: dict[str, list[str]] = {}
    for run in runs:
        if run.own_set:
            by_set.setdefault(run.own_set, []).append(label_run(run, runs))
    if not by_set:
        return ""
    names = "; ".join(f"{', '.join(labels)} ({own_set})" for own_set, labels in by_set.items())
    return (
        f"not in the paper's tables, and no evidence for its claims: {names}; the paper's tables "
        "and claims are about sets that 'smallpose build' made, and about their joints"
    )


def collect_run_notes(runs: Sequence[Run]) -> list[str]:
    """Collect the notes of the evaluations, with the labels of the runs unless all have it."""
    labels: dict[str, list[str]] = {}
    for run in runs:
        for note in run.evaluation.get("notes") or ():
            labels.setdefault(str(note), []).append(label_run(run, runs))
    return [
        note if len(names) == len(runs) else f"{', '.join(names)}: {note}"
        for note, names in labels.items()
    ]


def _describe_training(run: Run) -> str:
    """Return the word for what a run was trained on."""
    if run.is_untrained and run.has_network:
        return "untrained"
    return run.trained_on if run.own_set else run.setting
