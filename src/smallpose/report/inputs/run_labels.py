"""Label runs in tables and figures, as short as tells them apart."""

from collections.abc import Sequence

from smallpose.report.inputs.runs import Run


def label_run(run: Run, runs: Sequence[Run]) -> str:
    """Return the name of a run, or else the shortest label that tells it from the others."""
    if run.name:
        return run.name
    words = [run.method_label] if len({r.method for r in runs}) > 1 else []
    words.append(_describe_training(run))
    short = " ".join(w for w in words if w)
    alike = [
        r
        for r in runs
        if not r.name and (r.method, _describe_training(r)) == (run.method, _describe_training(run))
    ]
    return f"{short} ({run.title})" if len(alike) > 1 else short or run.title


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
