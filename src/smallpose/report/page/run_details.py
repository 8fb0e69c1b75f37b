"""List what a run recorded about itself, line by line, for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.runs import Run
from smallpose.report.tables import paper_tables


def describe_run(run: Run, runs: Sequence[Run]) -> dict[str, Any]:
    """List a run's facts in groups, for the template, with its label among all runs."""
    label = label_run(run, runs)
    facts: dict[str, Any] = {
        "method": run.method,
        "setting": run.setting,
        "trained on": run.own_set,
        "recipe": run.recipe,
        "seed": run.seed,
        "parameters": f"{run.parameters:,}" if run.parameters is not None else None,
        "epochs": f"{run.epochs:g}" if run.epochs is not None else None,
        "steps": f"{run.steps:,}" if run.steps is not None else None,
        "training time": _format_duration(run.seconds),
    }
    return {
        "title": label,
        "method": "" if run.method_label in label else run.method_label,
        "training": paper_tables.describe_run(run),
        "setting": run.setting if run.name and not run.own_set else "",
        "groups": [
            ("result file", flatten_facts(run.file_facts)),
            ("run", [] if run.is_result_file else flatten_facts(facts)),
            ("recipe", flatten_facts(run.recipe_fields)),
            ("evaluation", flatten_facts(run.evaluation.get("settings") or {})),
            ("weights", flatten_facts(run.weights if isinstance(run.weights, dict) else {})),
            ("environment", flatten_facts(run.environment)),
        ],
    }


def flatten_facts(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested facts into lines of name and value; empty ones are left out."""
    lines: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            lines += flatten_facts(value, f"{name}.")
        elif isinstance(value, list | tuple):
            lines.append((name, ", ".join(_format_fact(v) for v in value)))
        elif value not in (None, ""):
            lines.append((name, _format_fact(value)))
    return lines


def _format_fact(value: Any) -> str:
    """Format a value, whole numbers without a fraction."""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)


def _format_duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    rounded = round(seconds)
    hours, minutes = rounded // 3600, rounded % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rounded % 60} s" if minutes else f"{seconds:.1f} s"
