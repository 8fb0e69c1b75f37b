"""Measure the costs of runs, each in a process of its own, where nothing else holds memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.instances import Instances
from smallpose.report.cost.costs import (
    CHECKED_CELLS,
    SHOWN_CELLS,
    CostCell,
    MethodCost,
    create_method_cost,
)
from smallpose.report.cost.crowds import build_crowd, cut_people
from smallpose.report.images.contact_sheet import ReadImage
from smallpose.report.inputs.runs import Run
from smallpose.system.progress import print_status, show_progress

WEIGHTS = "model.safetensors"


def measure_costs(runs: Sequence[Run], people: Instances, read: ReadImage) -> dict[str, MethodCost]:
    """Measure each method of the runs once, by its name; runs without weights are left out.

    Args:
        people: whose images the people of the measured images are cut from.
    """
    measurable: dict[str, Run] = {}
    for run in runs:
        if not run.is_result_file and (run.folder / WEIGHTS).is_file():
            measurable.setdefault(run.method, run)
    if not measurable:
        print_status("--cost: no run has its weights, so none is measured")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        cells = sorted((*SHOWN_CELLS, *CHECKED_CELLS), key=lambda cell: (cell[1], cell[0]))
        _write_crowds(people, read, cells, Path(folder))
        costs = {}
        for name, run in show_progress(list(measurable.items()), "costs"):
            cost = _measure_run(name, run, Path(folder))
            if cost is not None:
                costs[name] = cost
    return costs


def _write_crowds(
    people: Instances, read: ReadImage, cells: Sequence[tuple[int, int]], folder: Path
) -> None:
    cutouts = cut_people(people, read, max(number for number, _ in cells))
    for index, (number, side) in enumerate(cells):
        crowd = build_crowd(cutouts, number, side)
        np.savez(folder / f"{index}.npz", image=crowd.image, boxes=crowd.boxes_xywh)
    (folder / "cells.json").write_text(json.dumps(cells))


def _measure_run(name: str, run: Run, folder: Path) -> MethodCost | None:
    """Measure a run in a new process; None where that fails, which is printed."""
    command = [sys.executable, "-m", "smallpose.report.cost.process"]
    command += [str(run.folder.absolute()), run.method, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        print_status(f"{run.title}: its costs were not measured ({lines[-1]})")
        return None
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    cells = [CostCell(**cell) for cell in answer["cells"]]
    return create_method_cost(name, answer["device"], cells)
