"""Write a page of checkpoints and result files: recipes, scores and hashes (D18)."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from smallpose._version import __version__
from smallpose.catalog.methods import is_listed_method
from smallpose.catalog.run_options import RUN_OPTIONS
from smallpose.catalog.train_command import TrainCommand, read_train_command
from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.report.inputs.runs import METRICS, Run
from smallpose.report.inputs.scores import RunScore
from smallpose.report.inputs.test_sets import (
    MIXED_NOTE,
    describe_test_set,
    has_different_test_sets,
)
from smallpose.report.page.run_details import flatten_facts
from smallpose.report.report_data import ReportData, read_report_data
from smallpose.report.tables.table_parts import HEADS, TEST_SET
from smallpose.system.files import hash_file, resolve_inside, write_atomically
from smallpose.system.json_decode import read_json


@dataclass(frozen=True)
class ZooEntry:
    """One checkpoint, or one result file of any origin.

    Args:
        weights: path of the file, if the run names one; it may be missing. None for a result file.
        digest: SHA-256 of the weights, or of the result file.
        metrics: points by name, with 95 % intervals if the data and the result file exist.
        trained_on: the sets that its weights were trained on; None where they are not declared.
        command: that repeats the training; None where the run has not kept its options.
    """

    run: Run
    weights: Path | None
    digest: str
    metrics: Mapping[str, Interval | None]
    trained_on: list[dict[str, Any]] | None = None
    command: TrainCommand | None = None

    @property
    def weights_name(self) -> str | None:
        """Return the name of the file of weights."""
        return self.weights.name if self.weights else None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry for `zoo.json`."""
        run = self.run
        return {
            "name": run.title,
            "method": run.method,
            "setting": run.setting,
            "test_set": run.test_set.name if run.test_set else None,
            "parameters": run.parameters,
            "seed": run.seed,
            "epochs": run.epochs,
            "seconds": run.seconds,
            "weights": None
            if run.is_result_file
            else {"file": self.weights_name, "sha256": self.digest},
            "results": dict(run.file_facts) or None,
            "recipe": {"name": run.recipe, **run.recipe_fields},
            "metrics": {
                name: {
                    "value": None if metric is None else metric.value,
                    "interval": [metric.low, metric.high] if metric and metric.has_ends else None,
                }
                for name, metric in self.metrics.items()
            },
            "trained_on": self.trained_on,
            "environment": dict(run.environment),
            "evaluation": dict(run.evaluation.get("settings") or {}),
        }


class _ModelCard(msgspec.Struct):
    trained_on: list[dict[str, Any]] | None = None


def write_zoo(
    paths: Sequence[Path], out: Path, *, names: Sequence[str] = (), category: Sequence[str] = ()
) -> list[ZooEntry]:
    """Write `out/README.md` and `out/zoo.json`.

    Args:
        paths, names, category: as for `read_report_data`.
    Raises: InputError when the paths are no finished runs, or no ground truth with its results, or
        when weights were changed after their run.
    """
    data = read_report_data(paths, names=names, category=category)
    entries = [_read_entry(run, data.scores.get(index)) for index, run in enumerate(data.runs)]
    text = json.dumps([entry.to_dict() for entry in entries], indent=1) + "\n"
    write_atomically(out / "zoo.json", text)
    write_atomically(out / "README.md", _format_page(entries, data))
    return entries


def _read_entry(run: Run, score: RunScore | None) -> ZooEntry:
    recorded = run.weights if isinstance(run.weights, dict) else {}
    name, digest = str(recorded.get("file") or ""), str(recorded.get("sha256") or "")
    path = resolve_inside(run.folder, name) if name else None
    if path is not None and path.is_file():
        actual = hash_file(path)
        if digest and actual != digest:
            raise InputError(
                str(path),
                "not the file this run wrote: the hash differs from result.json",
                "restore the file or train the run again",
            )
        digest = actual
    if run.is_result_file:
        digest = str(run.file_facts.get("sha256") or "")
    source = score or run
    metrics: dict[str, Interval | None] = {}
    for metric in METRICS:
        value = source.metric(metric)
        metrics[metric] = source.interval(metric) or (None if value is None else Interval(value))
    command = None if run.is_result_file else read_train_command(run.folder)
    return ZooEntry(run, path, digest, metrics, _read_training_sets(run), command)


def _read_training_sets(run: Run) -> list[dict[str, Any]] | None:
    """Read the training sets that a run's `model.json` declares; None where it declares none."""
    path = run.folder / "model.json"
    if run.is_result_file or not path.is_file():
        return None
    return read_json(path, _ModelCard).trained_on


def _describe_test_sets(runs: Sequence[Run]) -> tuple[str, ...]:
    """Describe the test set of each run; nothing where all share one."""
    if not has_different_test_sets(runs):
        return ()
    return tuple(describe_test_set(run, runs) for run in runs)


_OF_CHECKPOINTS = (1, 2, 3, 4)  # columns that a result file has no values for


def build_zoo_table(entries: Sequence[ZooEntry]) -> Table:
    """Build the table of checkpoints or result files, one per row, without empty columns."""
    columns = [
        *(Column(head) for head in ("name", "method", "setting", "recipe")),
        Column("parameters", "count"),
        *(Column(HEADS[metric], "points") for metric in METRICS),
        Column("SHA-256", meaning="of the weights, or of the result file"),
    ]
    rows = [_build_row(entry) for entry in entries]
    note = "Points by protocol coco, with 95 % intervals over images or videos if they are known."
    title = "Checkpoints"
    if all(entry.run.is_result_file for entry in entries):
        title = "Results"
        kept = [i for i in range(len(columns)) if i not in _OF_CHECKPOINTS]
        columns = [columns[i] for i in kept]
        rows = [tuple(row[i] for i in kept) for row in rows]
    sets = _describe_test_sets([entry.run for entry in entries])
    if sets:
        columns.insert(1, TEST_SET)
        rows = [(row[0], name, *row[1:]) for row, name in zip(rows, sets, strict=True)]
        note += f" {MIXED_NOTE}"
    return Table("zoo", title, tuple(columns), tuple(rows), note)


def _build_row(entry: ZooEntry) -> tuple[Cell, ...]:
    run = entry.run
    return (
        run.title,
        "result file" if run.is_result_file else run.method_label,
        run.setting,
        run.recipe,
        run.parameters,
        *(entry.metrics[metric] for metric in METRICS),
        entry.digest[:16],
    )


def _format_page(entries: Sequence[ZooEntry], data: ReportData) -> str:
    parts = ["# Model zoo", f"Made by smallpose {__version__} from finished runs."]
    if data.is_of_file and data.data is not None:
        parts[1] = f"Made by smallpose {__version__}. All are scored by `{data.data.name}`."
    if data.manifest.synthetic:
        parts.append(
            "**Synthetic.** Trained and scored on rendered people: the scores show how the runs "
            "compare and say nothing about real images."
        )
    parts.append(build_zoo_table(entries).to_markdown().rstrip())
    parts += [f"Note: {note}." for note in data.notes]
    parts += [_describe_entry(entry) for entry in entries]
    return "\n\n".join(parts) + "\n"


def _describe_entry(entry: ZooEntry) -> str:
    run = entry.run
    if run.is_result_file:
        return _describe_result_file(run)
    training = {name: getattr(run, name) for name in ("seed", "epochs", "steps", "seconds")}
    facts_by_title: dict[str, Mapping[str, Any]] = {
        "recipe": {"name": run.recipe, **run.recipe_fields},
        "training": training,
        "environment": run.environment,
        "evaluation": run.evaluation.get("settings") or {},
    }
    items = [
        f"- weights: `{entry.weights_name or 'missing'}`, SHA-256 `{entry.digest}`",
        f"- trained on: {_format_training_sets(entry.trained_on)}",
        *(f"- {title}: {_format_facts(facts)}" for title, facts in facts_by_title.items() if facts),
    ]
    setting = f", setting {run.setting}" if run.setting else ""
    return "\n\n".join(
        [
            f"## {run.title}",
            f"{run.method_label} (`{run.method}`){setting}.",
            "\n".join(items),
            _format_commands(entry),
        ]
    )


def _format_training_sets(sets: Sequence[Mapping[str, Any]] | None) -> str:
    if sets is None:
        return "not declared"
    return "; ".join(_format_facts(one) for one in sets) or "nothing"


def _describe_result_file(run: Run) -> str:
    facts_by_title: dict[str, Mapping[str, Any]] = {
        "results": run.file_facts,
        "environment": run.environment,
        "evaluation": run.evaluation.get("settings") or {},
    }
    items = [
        f"- {title}: {_format_facts(facts)}" for title, facts in facts_by_title.items() if facts
    ]
    text = "A result file; its weights and its training are not known here."
    return "\n\n".join([f"## {run.title}", text, "\n".join(items)])


def _format_commands(entry: ZooEntry) -> str:
    """Write how to predict with the weights and how to train them, and what the paths stand for."""
    command = entry.command
    method = entry.run.method
    legend = []
    if command is not None:
        method = command.method
        legend = [*command.legend, "`RUN`: the folder of the new run"]
    elif not is_listed_method(method):
        legend = [f"`FILE.py`: the file of the method {method}, which is run"]
        method = f"FILE.py:{method}"
    predict = (
        f"smallpose predict {shlex.quote(method)} --weights {entry.weights_name or 'FILE'} "
        "--data TRUTH.json --images DIR --out found.json"
    )
    train = "" if command is None else f"{command.text}\n"
    text = f"```sh\n{predict}\n{train}```"
    if command is None:
        legend.append(
            f"the command of the training cannot be told: the run has no `{RUN_OPTIONS}`, which "
            "keeps its options"
        )
    return f"{text}\n\n" + "\n".join(f"- {line}" for line in legend)


def _format_facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} `{value}`" for key, value in flatten_facts(facts))
