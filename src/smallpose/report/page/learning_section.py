"""Make the figure of how the runs of a page learned."""

from functools import partial

from smallpose.core.counts import format_count
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.figures.learning import draw_learning_curves
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.training_log import TrainingLog, read_training_log
from smallpose.report.page.summary import choose_styles
from smallpose.report.report_data import ReportData

MAX_CURVES = 12  # of runs, the best first; more cannot be told apart


def make_learning_figure(data: ReportData) -> list[FigureSpec]:
    """Make the figure of the loss and the validations of each run that has a log."""
    styles = choose_styles(data)
    order = list(dict.fromkeys([*data.ranked, *range(len(data.runs))]))
    logs: list[tuple[str, TrainingLog]] = []
    drawn = []
    for index in order:
        run = data.runs[index]
        log = None if run.is_result_file else read_training_log(run.folder)
        if log is not None and index in styles and len(logs) < MAX_CURVES:
            logs.append((label_run(run, data.runs), log))
            drawn.append(styles[index])
    if not logs:
        return []
    best = " of the best" if len(logs) == MAX_CURVES < len(data.runs) else ""
    return [
        FigureSpec(
            name="learning_curves",
            title=f"Learning curves{best}",
            alt="Loss over each training, and AP_S of its validations: "
            + "; ".join(_describe_log(*one) for one in logs),
            draw=partial(draw_learning_curves, logs, drawn),
        )
    ]


def _describe_log(label: str, log: TrainingLog) -> str:
    """Say how long a training was, and what its last validation had."""
    steps = format_count(log.num_steps, "step")
    if not len(log.validated):
        return f"{label} {steps}"
    return f"{label} {steps}, AP_S {log.ap_small[-1]:.1f} after {log.validated[-1]:.0%} of them"
