"""Five sources become one data set: read, look for pictures, unify, split, select, write.

The set is made in a folder beside `out` and put in place with one rename, so a build that dies
leaves nothing that looks like a data set; the next one goes on where it stopped.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose._version import __version__
from smallpose.core.errors import InputError, RunError
from smallpose.core.instances import Instances
from smallpose.dataset.builder.build_folder import (
    BuildFolder,
    move_into_place,
    open_build_folder,
    refuse_existing_output,
)
from smallpose.dataset.builder.derived_joints import check_derivable, derive_joints
from smallpose.dataset.builder.index import (
    ANNOTATION_FILES,
    apply_index_options,
    build_index,
    compare_with_index,
    read_index,
    select_indexed_images,
)
from smallpose.dataset.builder.index import INDEX_FILE as INDEX_FILE
from smallpose.dataset.builder.leak_step import LEAK_MODES, LeakSearch, find_and_fix_leaks
from smallpose.dataset.builder.leak_step import LEAKS_FILE as LEAKS_FILE
from smallpose.dataset.builder.manifest import build_manifest, hash_files
from smallpose.dataset.builder.read_sources import MergedSources, read_sources
from smallpose.dataset.builder.select_images import Selection, select_images
from smallpose.dataset.docs.croissant import format_croissant
from smallpose.dataset.docs.data_card import format_data_card
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.place_images import place_images, remove_unselected
from smallpose.dataset.splits import SPLITS, assign_splits
from smallpose.io.coco_annotations import write_coco
from smallpose.sources import READERS
from smallpose.sources.source import Source
from smallpose.stats.counts import build_table1
from smallpose.system.files import (
    hash_file,
    resolve_inside,
    resolve_output_folder,
    write_atomically,
)
from smallpose.system.progress import print_status

__all__ = ["BuildOptions", "build_dataset"]

JOINTS_PER_PASS = 7  # of the 21, when people are put in order


def build_dataset(
    roots: Mapping[str, Path],
    out: Path,
    options: BuildOptions,
    index: Path | None = None,
    custom_readers: Mapping[str, Callable[[Path], Source]] | None = None,
) -> dict[str, Any]:
    """Make the data set of contracts in `out`; the same roots and seed give the same bytes.

    Args:
        roots: source name to its folder.
        out: a folder that does not exist yet or is empty.
        own: readers of sources beyond the published five, by name; see `sources/custom.py`.
        index: `index.json` of another set, which is made again; its choices come before `options`.
    Returns: the manifest, as written to `out/manifest.json`.
    Raises: InputError for a source at fault, RefusedError for a path that leaves its root,
        RunError for a full disk; nothing is left behind then.
    """
    if not roots:
        raise InputError("build", "no source is given", "give at least one, such as --coco DIR")
    given = None if index is None else read_index(index)
    if given is not None:
        options = apply_index_options(given, options)
    check_derivable(options.derive)
    if options.leaks not in LEAK_MODES:
        raise InputError(
            f"--leaks {options.leaks}", "no such way", f"choose {', '.join(LEAK_MODES)}"
        )
    out = resolve_output_folder(out)
    refuse_existing_output(out, options.overwrite)
    # What does not change the set does not keep a killed build from going on.
    kept = replace(options, workers=1, overwrite=False)
    where = {n: str(r) for n, r in roots.items()}
    key = json.dumps([__version__, asdict(kept), where, index and hash_file(index)])
    try:
        with open_build_folder(out, key) as place:
            readers = {**READERS, **(custom_readers or {})}
            manifest = _build_into(place, readers, roots, options, given)
            move_into_place(place, out)
    except OSError as error:
        raise RunError(
            str(out),
            f"{error.strerror or error}; nothing was left behind",
            "free some space, or choose a folder that can be written",
        ) from None
    return manifest


def _build_into(
    place: BuildFolder,
    readers: Mapping[str, Callable[[Path], Source]],
    roots: Mapping[str, Path],
    options: BuildOptions,
    index: dict[str, Any] | None,
) -> dict[str, Any]:
    work = place.data_set
    found = read_sources(readers, roots, place, options, index and index["pictures"])
    people, images = found.people, found.people.images
    search: LeakSearch | None = None
    if index is not None:
        chosen = select_indexed_images(index, people)
    else:
        rng = np.random.default_rng(options.seed)
        sides = assign_splits(images, found.official, options.split, rng)
        chosen = _select_by_split(people, sides, rng)
        chosen, search = _find_leaks(found, chosen, work / "images", options)
    parts = _assign_ids(people, chosen)
    origins, pictures, there, notes = found.origins, found.pictures, found.there, found.notes
    del found, people  # at a million people, most of a gigabyte
    print_status(f"writing {sum(map(len, parts.values())):,} annotations")
    derived = _write_annotations(parts, work / "annotations", options.derive)
    table = build_table1(parts["train"], parts["test"])
    manifest = build_manifest(origins, parts, chosen, options)
    del parts
    rows = np.sort(np.concatenate([s.rows for s in chosen.values()])).tolist()
    placed = place_images(images, pictures, there, rows, work / "images", options)
    remove_unselected(work / "images", placed)
    manifest |= {"notes": notes, "derived": derived, "pictures": placed}
    leaks = search.to_json() if search else index and index["leaks_found"]
    summary = search.summary(options.leaks) if search else index and index["leaks"]
    manifest["leaks"] = summary or {"how": "off"}
    manifest["files"] = hash_files(work, ANNOTATION_FILES)
    if index is not None:
        compare_with_index(index, manifest)
    sides_of = {images.file_names[r]: split for split, s in chosen.items() for r in s.rows}
    write_atomically(work / INDEX_FILE, _format_json(build_index(manifest, leaks, sides_of)))
    if leaks is not None:
        write_atomically(work / LEAKS_FILE, _format_json(leaks))
    manifest["files"] |= hash_files(work, [INDEX_FILE, *([LEAKS_FILE] if leaks else [])])
    write_atomically(work / "croissant.json", format_croissant(manifest))
    manifest["files"] |= hash_files(work, ["croissant.json"])
    write_atomically(work / "README.md", format_data_card(manifest, table.to_markdown()))
    manifest["files"] |= hash_files(work, ["README.md"])
    write_atomically(work / "manifest.json", _format_json(manifest))
    return manifest


def _format_json(value: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"


def _select_by_split(
    people: Instances, sides: Sequence[str], rng: np.random.Generator
) -> dict[str, Selection]:
    side = np.array(sides)
    chosen = {}
    for split in SPLITS:
        chosen[split] = select_images(people, np.flatnonzero(side == split), split, rng)
        if chosen[split].note:
            print_status(chosen[split].note)
    return chosen


def _find_leaks(
    found: MergedSources, chosen: dict[str, Selection], frames: Path, options: BuildOptions
) -> tuple[dict[str, Selection], LeakSearch | None]:
    """The selection, mended if asked, and what was found; None where nobody looked."""
    if options.leaks == "off":
        return chosen, None
    paths = {}
    for row in np.concatenate([s.rows for s in chosen.values()]).tolist():
        if not found.there[row]:
            continue
        picture = found.pictures[row]
        path = picture.path
        if picture.frame is not None:
            path = resolve_inside(frames, found.people.images.file_names[row])
        if path.is_file():
            paths[row] = path
    # A generator of its own: whether anybody looks for leaks changes nothing else.
    rng = np.random.default_rng([options.seed, 1])
    return find_and_fix_leaks(
        found.people,
        chosen,
        found.official,
        paths,
        move=options.leaks == "move",
        rng=rng,
        workers=options.workers,
    )


def _assign_ids(people: Instances, chosen: Mapping[str, Selection]) -> dict[str, Instances]:
    """Each split's table, images by source and name, ids from 1 on over both.

    The keypoints of `people` are moved within their own array and are not theirs afterwards: at a
    million people a second copy would be most of a gigabyte.
    """
    images, points = people.images, people.keypoints
    orders = {
        split: sorted(s.rows.tolist(), key=lambda r: (images.source[r], images.file_names[r]))
        for split, s in chosen.items()
    }
    bare = replace(people, keypoints=points[:, :0], ids=np.arange(len(people)))
    bare = bare.take_images(np.concatenate(list(orders.values())).astype(np.intp))
    for first in range(0, points.shape[1], JOINTS_PER_PASS):
        joints = slice(first, first + JOINTS_PER_PASS)
        points[: len(bare), joints] = points[bare.ids, joints]
    parts: dict[str, Instances] = {}
    start = 0
    for split, order in orders.items():
        ids = np.arange(start, start + len(order))
        begin, end = np.searchsorted(bare.image_rows, [start, start + len(order)])
        part = bare.take(np.arange(begin, end))
        parts[split] = replace(
            part,
            images=replace(bare.images.take(ids), ids=ids + 1),
            image_rows=part.image_rows - start,
            ids=np.arange(begin, end) + 1,
            keypoints=points[begin:end],
        )
        start += len(order)
    return parts


def _write_annotations(
    parts: Mapping[str, Instances], folder: Path, joints: Sequence[str]
) -> dict[str, int]:
    """Write each split; how many keypoints of each of `joints` were made up on the way.

    `parts` stay as labelled, so nothing that counts them meets a derived keypoint.
    """
    made = dict.fromkeys(joints, 0)
    for split, part in parts.items():
        if not joints:
            write_coco(part, folder / f"{split}.json")
            continue
        more, derived = derive_joints(part, joints)
        write_coco(more, folder / f"{split}.json", derived)
        for joint in joints:
            made[joint] += int(derived[:, part.skeleton.joints.index(joint)].sum())
    return made
