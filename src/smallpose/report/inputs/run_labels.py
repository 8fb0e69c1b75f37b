"""Label runs in tables and figures, as short as tells them apart."""

from collections.abc import Sequence

from smallpose.report.inputs.runs import Run


def label_run(run: Run, runs: Sequence[Run]) -> str:
    """Return the name of a run, or else the shortest label that tells it from the others."""
    if run.name:
        return run.name
    words = [run.method_label] if len({r.method for r in runs}) > 1 else []
    words.append(
        "untrained" if run.is_untrained else run.trained_on if run.own_set else run.setting
    )
    short = " ".join(w for w in words if w)
    alike = [
        r
        for r in runs
        if not r.name
        and (r.method, r.setting, r.is_untrained) == (run.method, run.setting, run.is_untrained)
    ]
    return f"{short} ({run.title})" if len(alike) > 1 else short or run.title
