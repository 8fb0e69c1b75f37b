"""A page of checkpoints: what trained each, how it scores, and how to know the file again (D18)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose._version import __version__
from smallpose.core.errors import InputError
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import METRICS, Run
from smallpose.report.inputs.scores import RunScore, score_run
from smallpose.report.page.run_details import flatten_facts
from smallpose.report.report_data import read_report_data
from smallpose.report.tables.paper_tables import HEADS, Cell, Column, Table
from smallpose.system.files import path_inside, sha256, write_whole

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class ZooEntry:
    """One checkpoint.

    Args:
        metrics: points by name with 95 % intervals where the data and the result file are there.
    """

    run: Run
    weights: Path | None
    digest: str
    metrics: Mapping[str, tuple[float | None, Interval]]

    def to_dict(self) -> dict[str, Any]:
        """For `zoo.json`."""
        run = self.run
        return {
            "name": run.folder.name,
            "method": run.method,
            "setting": run.setting,
            "parameters": run.parameters,
            "seed": run.seed,
            "epochs": run.epochs,
            "seconds": run.seconds,
            "weights": {"file": self.weights.name if self.weights else None, "sha256": self.digest},
            "recipe": {"name": run.recipe, **run.recipe_fields},
            "metrics": {
                name: {"value": value, "interval": list(ends) if ends else None}
                for name, (value, ends) in self.metrics.items()
            },
            "environment": dict(run.environment),
            "evaluation": dict(run.evaluation.get("settings") or {}),
        }


def write_zoo(folders: Sequence[Path], out: Path) -> list[ZooEntry]:
    """Write `out/README.md` and `out/zoo.json`.

    Raises: InputError when a folder is no finished run, or its weights are not those it wrote.
    """
    material = read_report_data(folders)
    scores = {
        n: score_run(material.runs[n], material.test, found)
        for n, (found, _) in material.found.items()
        if material.test is not None
    }
    entries = [_read_entry(run, scores.get(n)) for n, run in enumerate(material.runs)]
    text = json.dumps([e.to_dict() for e in entries], indent=1) + "\n"
    write_whole(out / "zoo.json", text)
    write_whole(out / "README.md", _format_page(entries, material.manifest.synthetic))
    return entries


def _read_entry(run: Run, there: RunScore | None) -> ZooEntry:
    said = run.weights if isinstance(run.weights, dict) else {}
    name, digest = str(said.get("file") or ""), str(said.get("sha256") or "")
    path = path_inside(run.folder, name) if name else None
    if path is not None and path.is_file():
        real = sha256(path)
        if digest and real != digest:
            raise InputError(str(path), "is not the file this run wrote", "train it again")
        digest = real
    metrics: dict[str, tuple[float | None, Interval]] = {}
    for metric in METRICS:
        ends = there.ends(metric) if there else run.ends(metric)
        value = there.value(metric) if there else run.metric(metric)
        metrics[metric] = value, (ends[0], ends[1]) if ends else None
    return ZooEntry(run, path, digest, metrics)


def build_zoo_table(entries: Sequence[ZooEntry]) -> Table:
    """One row per checkpoint."""
    columns = [Column("checkpoint"), Column("method"), Column("setting"), Column("recipe")]
    columns += [Column("parameters", "count"), *(Column(HEADS[m]) for m in METRICS)]
    columns += [Column("SHA-256")]
    rows: list[tuple[Cell, ...]] = []
    for e in entries:
        run = e.run
        points = [_format_points(*e.metrics[m]) for m in METRICS]
        label, how = paper_values.format_method_label(run.method), run.recipe
        rows.append(
            (run.folder.name, label, run.setting, how, run.parameters, *points, e.digest[:16])
        )
    note = "Points by protocol coco, with 95 % intervals over images or videos where they are known"
    return Table("zoo", "Checkpoints", tuple(columns), tuple(rows), f"{note}.")


def _format_points(value: float | None, ends: Interval) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" + (f" ({ends[0]:.1f} to {ends[1]:.1f})" if ends else "")


def _format_page(entries: Sequence[ZooEntry], synthetic: bool) -> str:
    parts = ["# Model zoo", f"Made by smallpose {__version__} from finished runs."]
    if synthetic:
        parts.append(
            "**Synthetic.** Trained and scored on people drawn by a program: these numbers show "
            "how the runs compare, and nothing about real pictures."
        )
    parts.append(build_zoo_table(entries).to_markdown().rstrip())
    parts += [_describe_entry(e) for e in entries]
    return "\n\n".join(parts) + "\n"


def _describe_entry(e: ZooEntry) -> str:
    run = e.run
    setting = f" --setting {run.setting}" if run.setting else ""
    use = (
        f"smallpose predict {run.method} --weights {e.weights.name if e.weights else 'FILE'} "
        "--data TRUTH.json --images DIR --out found.json"
    )
    again = f"smallpose train {run.method} --data SET --out RUN{setting} --recipe {run.recipe}"
    again += f" --seed {run.seed}" if run.seed is not None else ""
    # What is changed most often; other changes are seen in the recipe's line.
    changed = {name: run.recipe_fields.get(name) for name in ("epochs", "steps", "batch_size")}
    again += "".join(
        f" {name}={value}"
        for name, value in changed.items()
        if value or (name, value) == ("epochs", 0)
    )
    lines = [
        f"## {run.folder.name}",
        f"{paper_values.format_method_label(run.method)} (`{run.method}`), setting {run.setting}.",
        f"- weights: `{e.weights.name if e.weights else 'not there'}`, SHA-256 `{e.digest}`",
        *(
            f"- {title}: {_format_facts(facts)}"
            for title, facts in (
                ("recipe", {"name": run.recipe, **run.recipe_fields}),
                (
                    "training",
                    {
                        "seed": run.seed,
                        "epochs": run.epochs,
                        "steps": run.steps,
                        "seconds": run.seconds,
                    },
                ),
                ("environment", run.environment),
                ("evaluation", run.evaluation.get("settings") or {}),
            )
            if facts
        ),
    ]
    return "\n\n".join([*lines[:2], "\n".join(lines[2:]), f"```sh\n{use}\n{again}\n```"])


def _format_facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} `{value}`" for key, value in flatten_facts(facts))
