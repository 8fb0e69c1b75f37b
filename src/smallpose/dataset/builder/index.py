"""The index of a data set, from which others build the same data set with their own sources.

The index records the choices of a build and the names, sizes and hashes of the images. It has no
image, no label and no path of the machine it was made on, so it may be published where the data
set may not.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataset.builder.select_images import (
    Selection,
    describe_selection,
    select_all_images,
)
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.set_schema import check_index
from smallpose.dataset.splits import SPLITS
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status

INDEX_FILE = "index.json"
INDEX_KIND = "smallpose index 1"
ANNOTATION_FILES = tuple(f"annotations/{split}.json" for split in SPLITS)
_MAX_PRINTED = 10
_RECORDED = ("frame", "orientation", "source_sha256", "bytes", "sha256")


def build_index(
    manifest: Mapping[str, Any], leaks: Mapping[str, Any] | None, splits: Mapping[str, str]
) -> dict[str, Any]:
    """Build the index that belongs to a manifest.

    Args:
        leaks: content of `leaks.json`; None if near-duplicates were not searched for.
        splits: file name to "train" or "test".
    """
    # Images without a file have one record by split, which takes less memory.
    without_file = {split: {"split": split} for split in SPLITS}
    images = {}
    for name, record in manifest["pictures"].items():
        split = splits[name]
        images[name] = without_file[split]
        if len(record) > 1:  # than the path
            kept = {key: record[key] for key in _RECORDED if key in record}
            images[name] = {"split": split} | kept
    return {
        "kind": INDEX_KIND,
        "smallpose": manifest["smallpose"],
        "sources": list(manifest["sources"]),
        "seed": manifest["seed"],
        "split": manifest["split"],
        "derive": manifest["derive"],
        "trust": manifest["trust"],
        "exif": manifest["exif"],
        "select": manifest["select"],
        "hieve_step": manifest["hieve_step"],
        "without_people": {
            split: s["without_people"] for split, s in manifest["selection"].items()
        },
        "pool": {split: s["pool"] for split, s in manifest["selection"].items()},
        "leaks": manifest["leaks"],
        "leaks_found": leaks,
        "annotations": {name: manifest["files"][name] for name in ANNOTATION_FILES},
        "pictures": images,
    }


def read_index(path: Path) -> dict[str, Any]:
    """Read an index that `build` wrote.

    Raises: InputError when the file is no index.
    """
    index = read_json(path, dict)
    check_index(path, index)
    return index


def apply_index_options(index: Mapping[str, Any], options: BuildOptions) -> BuildOptions:
    """Replace the user's options by the choices of the index."""
    return replace(
        options,
        seed=index["seed"],
        split=index["split"],
        derive=tuple(index["derive"]),
        trust_file=index["trust"] == "file",
        apply_exif=index.get("exif") == "apply",
        select=index.get("select", "paper"),
        hieve_step=index.get("hieve_step", BuildOptions.hieve_step),
        leaks="off",  # the index says which split each image belongs to
        missing_images="keep",  # missing and different images are reported by their hashes
        max_unreadable=0.0,
    )


def select_indexed_images(index: Mapping[str, Any], people: Instances) -> dict[str, Selection]:
    """Select the images of each split.

    Raises: InputError when the sources do not contain some of them.
    """
    records = index["pictures"]
    row_of = {name: row for row, name in enumerate(people.images.file_names)}
    lacking = [name for name in records if name not in row_of]
    if lacking:
        flags = ", ".join(f"--{source}" for source in index["sources"])
        raise InputError(
            "--from-index",
            f"the sources lack {len(lacking):,} of {format_count(len(records), 'image')} (first: "
            f"{lacking[0]})",
            f"pass all its sources, complete: {flags}",
        )
    leaks = index["leaks"]
    was_moved = leaks["how"] == "move" and leaks["moved_to_test"] + leaks["moved_to_train"] > 0
    num_without_people = index.get("without_people", {})
    selections = {}
    for split in SPLITS:
        rows = sorted(row_of[name] for name, r in records.items() if r["split"] == split)
        row_array = np.array(rows, dtype=np.intp)
        if index.get("select") == "all":
            selections[split] = select_all_images(people, row_array, split)
            continue
        selection = describe_selection(
            people, row_array, split, pool=index["pool"][split], was_moved=was_moved
        )
        selections[split] = replace(selection, num_without_people=num_without_people.get(split, 0))
    return selections


def compare_with_index(index: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Compare the data set that was built with the index.

    The bytes of video frames depend on the codecs of the machine, so frames must only exist. Of a
    turned image the file in the source is compared.

    Raises: InputError naming images that are missing or differ, or annotations that differ.
    """
    problems = []
    for name, expected in index["pictures"].items():
        if "sha256" not in expected:
            continue
        actual = manifest["pictures"][name]
        if "sha256" not in actual:
            problems.append(f"{name} is missing (SHA-256 {expected['sha256'][:16]}…)")
        elif "frame" not in expected:
            key = "source_sha256" if "source_sha256" in expected else "sha256"
            if actual.get(key) != expected[key]:
                problems.append(
                    f"{name} differs (SHA-256 {actual.get(key, '')[:16]}…, "
                    f"not {expected[key][:16]}…)"
                )
    for problem in problems[:_MAX_PRINTED]:
        print_status(problem)
    if problems:
        raise InputError(
            "--from-index",
            f"{format_share(len(problems), len(index['pictures']), 'image is', 'images are')} "
            f"missing or differ (first: {problems[0]})",
            "download the files of the publisher",
        )
    for name, expected in index["annotations"].items():
        if manifest["files"][name]["sha256"] != expected["sha256"]:
            raise InputError(
                f"--from-index: {name}",
                "differs from the index although the images are the same",
                f"use the original annotations of the sources and smallpose {index['smallpose']}",
            )
