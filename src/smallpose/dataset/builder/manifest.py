"""The manifest of a built data set: its sources, the selection, and the hashes of its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose._version import __version__
from smallpose.core.instances import Images, Instances
from smallpose.dataset.builder.read_sources import SourceSummary
from smallpose.dataset.builder.select_images import Selection
from smallpose.dataset.options import BuildOptions
from smallpose.system.files import hash_file


def build_manifest(
    summaries: Sequence[SourceSummary],
    parts: Mapping[str, Instances],
    selections: Mapping[str, Selection],
    options: BuildOptions,
) -> dict[str, Any]:
    """Build the manifest without what is known only at the end: images and files."""
    return {
        "smallpose": __version__,
        "synthetic": all(is_synthetic(s.root) for s in summaries),
        "seed": options.seed,
        "split": options.split,
        "images": options.images,
        "missing_images": options.missing_images,
        "max_bad": options.max_unreadable,
        "trust": "file" if options.trust_file else "refuse",
        "exif": "apply" if options.apply_exif else "ignore",
        "select": options.select,
        "hieve_step": options.hieve_step,
        "derive": list(options.derive),
        "sources": {s.name: _describe_source(s, parts) for s in summaries},
        "selection": {
            split: {
                "images": len(s.rows),
                "with_small": s.num_with_small,
                "drawn": len(s.rows) - s.num_with_small,
                "pool": s.pool,
                "small_medium_large": list(s.mix),
                "note": s.note,
                "without_people": s.num_without_people,
                "without": _count_images_without(parts[split].images),
            }
            for split, s in selections.items()
        },
    }


def hash_files(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the size and the SHA-256 of the named files."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": hash_file(folder / name)}
        for name in names
    }


def is_synthetic(root: Path) -> bool:
    """Return whether `smallpose synth` made this source, which writes `exact.json` beside it."""
    return any((folder / "exact.json").is_file() for folder in root.resolve().parents[:2])


def _count_images_without(images: Images) -> dict[str, int]:
    """Count the images whose records lack a field, which some readers of tables refuse."""
    is_missing = {
        "width": (images.width <= 0) | (images.height <= 0),
        "source": images.source == 0,
    }
    return {field: int(mask.sum()) for field, mask in is_missing.items() if mask.any()}


def _describe_source(summary: SourceSummary, parts: Mapping[str, Instances]) -> dict[str, Any]:
    # File names begin with the source's name. The code in `images.source` does not tell custom
    # sources apart.
    in_source = [
        np.array([n.startswith(f"{summary.name}/") for n in p.images.file_names], dtype=bool)
        for p in parts.values()
    ]
    return {
        "root": str(summary.root.resolve()),
        "images_read": summary.images_read,
        "people_read": summary.people_read,
        "images": sum(int(mask.sum()) for mask in in_source),
        "people": sum(
            int((mask[part.image_rows] & part.is_counted).sum())
            for part, mask in zip(parts.values(), in_source, strict=True)
        ),
        "missing": list(summary.missing),
        "notes": list(summary.notes),
        "images_missing": summary.images_missing,
        "unreadable": dict(summary.unreadable),
        "link_roots": list(summary.link_roots),
    }
