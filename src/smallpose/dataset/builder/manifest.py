"""What a built set says of itself: where it came from, what was chosen, hashes of its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose._version import __version__
from smallpose.core.instances import Instances
from smallpose.dataset.builder.read_sources import SourceSummary
from smallpose.dataset.builder.select_images import Selection
from smallpose.dataset.options import BuildOptions
from smallpose.system.files import hash_file


def build_manifest(
    origins: Sequence[SourceSummary],
    parts: Mapping[str, Instances],
    chosen: Mapping[str, Selection],
    options: BuildOptions,
) -> dict[str, Any]:
    """The manifest without what is only known at the end: pictures and files."""
    return {
        "smallpose": __version__,
        # Worlds made by `smallpose synth` hold the exact answers beside the five layouts.
        "synthetic": all(is_synthetic(o.root) for o in origins),
        "seed": options.seed,
        "split": options.split,
        "images": options.images,
        "missing_images": options.missing_images,
        "max_bad": options.max_unreadable,
        "trust": "file" if options.trust_file else "refuse",
        "derive": list(options.derive),
        "sources": {o.name: _describe_source(o, parts) for o in origins},
        "selection": {
            split: {
                "images": len(s.rows),
                "with_small": s.with_small,
                "drawn": len(s.rows) - s.with_small,
                "pool": s.pool,
                "small_medium_large": list(s.mix),
                "note": s.note,
            }
            for split, s in chosen.items()
        },
    }


def hash_files(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of the files with these names."""
    return {
        n: {"bytes": (folder / n).stat().st_size, "sha256": hash_file(folder / n)} for n in names
    }


def is_synthetic(root: Path) -> bool:
    """Whether `smallpose synth` drew this source: the exact answers lie beside it."""
    return any((folder / "exact.json").is_file() for folder in root.resolve().parents[:2])


def _describe_source(origin: SourceSummary, parts: Mapping[str, Instances]) -> dict[str, Any]:
    # File names begin with the source's name; own sources share the words for what they label.
    of = [
        np.array([n.startswith(f"{origin.name}/") for n in p.images.file_names], dtype=bool)
        for p in parts.values()
    ]
    return {
        "root": str(origin.root.resolve()),
        "images_read": origin.images_read,
        "people_read": origin.people_read,
        "images": sum(int(of_source.sum()) for of_source in of),
        "people": sum(
            int((of_source[p.image_rows] & p.is_counted).sum())
            for p, of_source in zip(parts.values(), of, strict=True)
        ),
        "missing": list(origin.missing),
        "notes": list(origin.notes),
        "images_missing": origin.images_missing,
        "unreadable": dict(origin.unreadable),
        "link_roots": list(origin.link_roots),
    }
