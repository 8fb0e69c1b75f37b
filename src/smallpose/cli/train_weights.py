"""`smallpose weights train NAME`: train a tiny method on synthetic people and keep its weights.

Each step runs as the verb that a user would type, in a folder of the cache, which is removed at the
end. An interrupted step is repeated; the training resumes from its last checkpoint.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from smallpose.catalog.trained_weights import (
    TRAINED,
    TRAINING_TIME,
    get_trained_folder,
    has_trained_weights,
)
from smallpose.cli.verb_processes import run_verb
from smallpose.core.errors import InputError
from smallpose.system.files import write_atomically, write_atomically_with
from smallpose.system.lock import hold_lock
from smallpose.system.progress import print_status

SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")
SEED = 0
_MODEL = "model.safetensors"
_RESULT = "result.json"


def refuse_other_method(name: str) -> None:
    """Raise InputError for a method whose weights are not trained here."""
    if name not in TRAINED:
        what = "is for a method that nobody publishes weights of and that two cores can train"
        remedy = f"name {', '.join(TRAINED)}, or train on a set of your own by 'smallpose train'"
        raise InputError(f"smallpose weights train {name}", what, remedy)


def train_weights(name: str, size: str = "small", overrides: Sequence[str] = ()) -> Path:
    """Train a method on synthetic people, unless that was done before, and return its folder.

    Args:
        size: of the synthetic data, as for `smallpose synth`.
        overrides: fields of the recipe `quick`, such as "steps=2".

    Raises: RunError when a step fails; the next call continues there.
    """
    refuse_other_method(name)
    folder = get_trained_folder(name)
    if has_trained_weights(name):
        return folder
    work = folder / "work"
    print_status(
        f"{name}: training on synthetic people takes {TRAINING_TIME}; after an interruption the "
        "same command continues"
    )
    work.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / ".lock"):
        _run_steps(name, work, size, overrides)
        _keep_run(name, work / "run", folder)
        shutil.rmtree(work)
    return folder


def _run_steps(name: str, work: Path, size: str, overrides: Sequence[str]) -> None:
    synthetic, data, run = work / "synthetic", work / "set", work / "run"
    seed = ("--seed", SEED)
    num_workers = min(os.cpu_count() or 1, 8)

    def synth() -> None:
        run_verb("synth", synthetic, "--size", size, "--workers", num_workers, *seed)

    def build() -> None:
        sources = [word for source in SOURCES for word in (f"--{source}", synthetic / source)]
        run_verb("build", data, *sources, *seed)

    _run_once(synthetic, synth)
    _run_once(data, build)
    if (run / _RESULT).exists():
        return
    options = ("--setting", "B", "--recipe", "quick", *seed, "--out", run)
    fields = ("validate_every=1000", *overrides)  # the test at the end tells enough
    run_verb("train", name, "--data", data, *options, "--resume", *fields, one_thread=False)


def _run_once(folder: Path, make: Callable[[], None]) -> None:
    """Make a folder, unless that was done to the end; what a killed process left is removed."""
    marker = folder.with_suffix(".done")
    if marker.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    make()
    write_atomically(marker, "")


def _keep_run(name: str, run: Path, folder: Path) -> None:
    """Keep a run's weights, the file last, with what they were made of."""
    result = json.loads((run / _RESULT).read_text())
    scores = result["evaluation"]["protocols"]["coco"]
    record = {
        "name": name,
        "data": f"images drawn by smallpose synth, seed {SEED}; no photographs and no real people",
        "licence": "that of smallpose, Apache-2.0; nothing of others is in the data",
        "recipe": "smallpose train --recipe quick --setting B",
        "steps": result["steps"],
        "test": {key: scores[key] for key in ("AP", "AP_S", "AP_M", "AP_L")},
        "sha256": result["weights"]["sha256"],
    }
    write_atomically(folder / "source.json", json.dumps(record, indent=1) + "\n")
    shutil.copyfile(run / "model.json", folder / "model.json")
    content = (run / _MODEL).read_bytes()
    write_atomically_with(folder / _MODEL, lambda file: file.write(content))
