"""Name the sets that weights were trained on, so that nobody scores them on the same images."""

from pathlib import Path
from typing import Any

from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.mmpose_zoo import list_training_sets
from smallpose.methods.checkpoints.read import Weights
from smallpose.system.files import hash_file

UNKNOWN = "unknown"


def describe_initial_sets(method: PoseMethod, initial: Weights | None) -> list[dict[str, Any]]:
    """Describe the sets that initial weights were trained on, by `name`; [] for random weights.

    The name is "unknown", beside that of the file, where weights do not declare their sets.
    """
    if initial is None:
        return []
    published = list_training_sets(method.card)
    if published and initial.path.name == method.card.checkpoint:
        return [{"name": name} for name in published]
    declared = initial.metadata.get("trained_on")
    if isinstance(declared, list):
        return [dict(one) for one in declared if isinstance(one, dict)]
    return [{"name": UNKNOWN, "weights": initial.path.name}]


def describe_built_set(data: Path) -> dict[str, Any]:
    """Describe a built set by its folder's name and the SHA-256 of manifest and training labels."""
    files = {
        "manifest_sha256": data / "manifest.json",
        "labels_sha256": data / "annotations" / "train.json",
    }
    hashes = {name: hash_file(path) for name, path in files.items() if path.is_file()}
    return {"name": data.resolve().name, **hashes}
