"""An index of a set: enough to make the same set again from somebody else's copies of the sources.

It holds the choices, and names, sizes and hashes of pictures, but no picture, no label and no path
of the machine it was made on, so it may be passed on where the set may not.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataset.builder.select_images import Selection, describe_selection
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.splits import SPLITS
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status

INDEX_FILE = "index.json"
INDEX_KIND = "smallpose index 1"
ANNOTATION_FILES = tuple(f"annotations/{split}.json" for split in SPLITS)
_MAX_PRINTED = 10


def build_index(
    manifest: Mapping[str, Any], leaks: Mapping[str, Any] | None, sides: Mapping[str, str]
) -> dict[str, Any]:
    """The index that goes with a manifest.

    Args:
        leaks: what `leaks.json` holds; None where nobody looked.
        sides: file name to "train" or "test".
    """
    pictures = {}
    for name, record in manifest["pictures"].items():
        kept = {key: record[key] for key in ("frame", "bytes", "sha256") if key in record}
        pictures[name] = {"split": sides[name]} | kept
    return {
        "kind": INDEX_KIND,
        "smallpose": manifest["smallpose"],
        "sources": list(manifest["sources"]),
        "seed": manifest["seed"],
        "split": manifest["split"],
        "derive": manifest["derive"],
        "trust": manifest["trust"],
        "pool": {split: s["pool"] for split, s in manifest["selection"].items()},
        "leaks": manifest["leaks"],
        "leaks_found": leaks,
        "annotations": {name: manifest["files"][name] for name in ANNOTATION_FILES},
        "pictures": pictures,
    }


def read_index(path: Path) -> dict[str, Any]:
    """An index that `build` wrote.

    Raises: InputError when it is none.
    """
    index = read_json(path, dict)
    try:
        whole = index["kind"] == INDEX_KIND and {*ANNOTATION_FILES} == {*index["annotations"]}
        whole &= all(r["split"] in SPLITS for r in index["pictures"].values())
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise InputError(str(path), "is no index", "give the index.json of a set that build made")
    return index


def apply_index_options(index: Mapping[str, Any], options: BuildOptions) -> BuildOptions:
    """The options with the choices of the index in place of the user's."""
    return replace(
        options,
        seed=index["seed"],
        split=index["split"],
        derive=tuple(index["derive"]),
        trust_file=index["trust"] == "file",
        leaks="off",  # the sides are given
        missing_images="keep",  # what is not there, or differs, is named by its hash
        max_unreadable=0.0,
    )


def select_indexed_images(index: Mapping[str, Any], people: Instances) -> dict[str, Selection]:
    """The images of each split.

    Raises: InputError when some are in none of the sources that were given.
    """
    pictures = index["pictures"]
    row_of = {name: row for row, name in enumerate(people.images.file_names)}
    lost = [name for name in pictures if name not in row_of]
    if lost:
        raise InputError(
            "--from-index",
            f"{len(lost):,} of {len(pictures):,} images are in none of the sources given "
            f"(first: {lost[0]})",
            f"it wants {', '.join('--' + s for s in index['sources'])}, whole",
        )
    chosen = {}
    for split in SPLITS:
        rows = np.array(
            sorted(row_of[n] for n, r in pictures.items() if r["split"] == split), dtype=np.intp
        )
        chosen[split] = replace(describe_selection(people, rows, split), pool=index["pool"][split])
    return chosen


def compare_with_index(index: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Is what was built what the index says?

    Frames of videos are compressed anew, so that their bytes depend on the machine's codecs; of
    them it is only asked that they are there.

    Raises: InputError naming pictures that are missing or differ, or annotations that differ.
    """
    wrong = []
    for name, wanted in index["pictures"].items():
        if "sha256" not in wanted:
            continue
        found = manifest["pictures"][name]
        if "sha256" not in found:
            wrong.append(f"{name} is missing (SHA-256 {wanted['sha256'][:16]}…)")
        elif "frame" not in wanted and found["sha256"] != wanted["sha256"]:
            wrong.append(
                f"{name} differs (SHA-256 {found['sha256'][:16]}…, not {wanted['sha256'][:16]}…)"
            )
    for line in wrong[:_MAX_PRINTED]:
        print_status(line)
    if wrong:
        raise InputError(
            "--from-index",
            f"{len(wrong):,} of {len(index['pictures']):,} pictures are missing or differ "
            f"(first: {wrong[0]})",
            "fetch the publisher's files",
        )
    for name, wanted in index["annotations"].items():
        if manifest["files"][name]["sha256"] != wanted["sha256"]:
            raise InputError(
                f"--from-index: {name}",
                "differs from the index although the pictures are the same",
                f"the sources' annotations are other ones, or use smallpose {index['smallpose']}",
            )
