"""Build one data set from five sources: read, check images, merge, split, select, write.

The data set is built in a folder beside `out` and moved to its place by one rename, so a build
that is interrupted leaves nothing that looks like a data set, and the next one resumes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose._version import __version__
from smallpose.core.counts import format_count
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
    INDEX_FILE,
    apply_index_options,
    build_index,
    compare_with_index,
    read_index,
    select_indexed_images,
)
from smallpose.dataset.builder.leak_step import (
    LEAK_MODES,
    LEAKS_FILE,
    LeakSearch,
    find_and_fix_leaks,
)
from smallpose.dataset.builder.manifest import build_manifest, hash_files, is_synthetic
from smallpose.dataset.builder.read_sources import MergedSources, Reader, read_sources
from smallpose.dataset.builder.select_images import (
    SELECTIONS,
    Selection,
    select_all_images,
    select_images,
)
from smallpose.dataset.docs.croissant import format_croissant
from smallpose.dataset.docs.data_card import format_data_card
from smallpose.dataset.manifest_file import format_manifest
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.place_images import place_images, remove_unselected
from smallpose.dataset.splits import SPLITS, assign_splits
from smallpose.io.coco_annotations import write_coco
from smallpose.sources import READERS
from smallpose.sources.hieve import read_hieve
from smallpose.sources.source import Source
from smallpose.stats.counts import build_table1
from smallpose.system.files import (
    hash_file,
    resolve_inside,
    resolve_output_folder,
    write_atomically,
)
from smallpose.system.link_roots import remember_sources
from smallpose.system.memory import pause_garbage_collection
from smallpose.system.progress import print_status

__all__ = ["BuildOptions", "build_dataset"]


def build_dataset(
    roots: Mapping[str, Path],
    out: Path,
    options: BuildOptions,
    index: Path | None = None,
    custom_readers: Mapping[str, Callable[[Path], Source]] | None = None,
) -> dict[str, Any]:
    """Build a data set in `out`; the same sources and seed give the same bytes.

    Args:
        roots: source name to its folder.
        out: a folder that does not exist yet or is empty.
        index: `index.json` of a data set to build again; its choices replace `options`.
        custom_readers: name to reader of custom sources; see `sources/custom.py`.
    Returns: the manifest, as written to `out/manifest.json`.
    Raises: InputError for a source with errors, RefusedError for a path that leaves its root,
        RunError for a full disk. In these cases the build folder is removed.
    """
    if not roots:
        raise InputError("build", "no source is given", "give at least one, such as --coco DIR")
    index_content = None if index is None else read_index(index)
    if index_content is not None:
        options = apply_index_options(index_content, options)
    options = _complete_options(options, roots)
    check_derivable(options.derive)
    if options.leaks not in LEAK_MODES:
        raise InputError(
            f"--leaks {options.leaks}", "no such mode", f"choose {', '.join(LEAK_MODES)}"
        )
    out = resolve_output_folder(out)
    refuse_existing_output(out, options.overwrite)
    # An interrupted build is resumed if the options that affect the output are the same.
    output_options = replace(options, workers=1, overwrite=False)
    folders = {name: str(root) for name, root in roots.items()}
    key = json.dumps([__version__, asdict(output_options), folders, index and hash_file(index)])
    readers = {**READERS, **(custom_readers or {})}
    if options.hieve_step != BuildOptions.hieve_step:
        readers["hieve"] = partial(read_hieve, frame_step=options.hieve_step)
    try:
        # A search for garbage looks at each of a million names again, and there is none.
        with open_build_folder(out, key) as build, pause_garbage_collection():
            manifest = _build_into(build, readers, roots, options, index_content)
            move_into_place(build, out)
        remember_sources(f for s in manifest["sources"].values() for f in s["link_roots"])
    except OSError as error:
        raise RunError(
            str(out),
            f"{error.strerror or error}; unfinished files were removed",
            "free some space, or choose a folder that can be written",
        ) from None
    return manifest


def _complete_options(options: BuildOptions, roots: Mapping[str, Path]) -> BuildOptions:
    """Choose the selection where the user did not, and check the values."""
    select = options.select
    if not select:
        select = "paper" if any(name in READERS for name in roots) else "all"
    if select not in SELECTIONS:
        raise InputError(
            f"--select {select}", "no such selection", f"choose {' or '.join(SELECTIONS)}"
        )
    if options.hieve_step < 1:
        raise InputError(
            f"--hieve-step {options.hieve_step}", "is less than 1", "write --hieve-step 20"
        )
    return replace(options, select=select)


def _build_into(
    build: BuildFolder,
    readers: Mapping[str, Reader],
    roots: Mapping[str, Path],
    options: BuildOptions,
    index: dict[str, Any] | None,
) -> dict[str, Any]:
    work = build.data_set
    merged = read_sources(readers, roots, build, options, index and index["pictures"])
    people, images = merged.people, merged.people.images
    search: LeakSearch | None = None
    if index is not None:
        selections = select_indexed_images(index, people)
    else:
        rng = np.random.default_rng(options.seed)
        splits = assign_splits(images, merged.official, options.split, rng)
        selections = _select_by_split(people, splits, rng, options.select)
        _refuse_empty_set(people, selections)
        selections, search = _find_leaks(merged, selections, work / "images", options)
    parts = _assign_ids(people, selections)
    image_files, has_file = merged.image_files, merged.has_file
    summaries, notes = merged.summaries, merged.notes
    del merged, people  # almost a gigabyte at a million people
    print_status(f"writing {format_count(sum(map(len, parts.values())), 'annotation')}")
    derived = _write_annotations(parts, work / "annotations", options.derive)
    table = build_table1(parts["train"], parts["test"])
    manifest = build_manifest(summaries, parts, selections, options)
    del parts
    rows = np.sort(np.concatenate([s.rows for s in selections.values()])).tolist()
    placed = place_images(images, image_files, has_file, rows, work / "images", options)
    remove_unselected(work / "images", placed)
    num_turned = sum("orientation" in record for record in placed.values())
    manifest |= {"notes": notes, "derived": derived, "turned": num_turned, "pictures": placed}
    leaks, summary = _get_leaks(search, index, options)
    manifest["leaks"] = summary or {"how": "off"}
    manifest["files"] = hash_files(work, ANNOTATION_FILES)
    if index is not None:
        compare_with_index(index, manifest)
    names = images.file_names
    split_of = {names[r]: split for split, s in selections.items() for r in s.rows.tolist()}

    def write_and_hash(name: str, content: bytes | str) -> None:
        write_atomically(work / name, content)
        manifest["files"] |= hash_files(work, [name])

    write_and_hash(INDEX_FILE, _format_json(build_index(manifest, leaks, split_of)))
    if leaks is not None:
        write_and_hash(LEAKS_FILE, _format_json(leaks))
    write_and_hash("croissant.json", format_croissant(manifest))
    write_and_hash("README.md", format_data_card(manifest, table.to_markdown()))
    write_atomically(work / "manifest.json", format_manifest(manifest))
    return manifest


def _format_json(value: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"


def _select_by_split(
    people: Instances, splits: Sequence[str], rng: np.random.Generator, select: str
) -> dict[str, Selection]:
    split_of_image = np.array(splits)
    selections = {}
    for split in SPLITS:
        rows = np.flatnonzero(split_of_image == split)
        if select == "all":
            selections[split] = select_all_images(people, rows, split)
        else:
            selections[split] = select_images(people, rows, split, rng)
        left_out = selections[split].describe_left_out(split)
        if left_out:
            print_status(f"{left_out} (--select all keeps them)")
        if selections[split].note:
            print_status(selections[split].note)
        if not len(selections[split].rows):
            print_status(f"{split}: has no image")
    return selections


def _refuse_empty_set(people: Instances, selections: Mapping[str, Selection]) -> None:
    if any(sum(s.mix) for s in selections.values()):
        return
    num_images = len(people.images)
    if people.is_counted.any():
        raise InputError(
            "build",
            f"none of the {format_count(num_images, 'image')} has a small person, so the set would "
            "be empty",
            "add --select all to keep images with medium and large people",
        )
    raise InputError(
        "build",
        f"no person in the {format_count(num_images, 'image')} has keypoints, so the set would be "
        "empty",
        "check the annotation files and --category",
    )


def _find_leaks(
    merged: MergedSources, selections: dict[str, Selection], frames: Path, options: BuildOptions
) -> tuple[dict[str, Selection], LeakSearch | None]:
    """Search for near-duplicates unless it is off, and move leaks if the options say so.

    Args:
        frames: the folder of extracted frames and turned images.
    """
    if options.leaks == "off":
        return selections, None
    paths = {}
    for row in np.concatenate([s.rows for s in selections.values()]).tolist():
        if not merged.has_file[row]:
            continue
        image_file = merged.image_files[row]
        path = image_file.path
        if image_file.is_rendered:
            path = resolve_inside(frames, merged.people.images.file_names[row])
        if path.is_file():
            paths[row] = path
    # A separate generator, so that a search without moves does not change anything else.
    rng = np.random.default_rng([options.seed, 1])
    return find_and_fix_leaks(
        merged.people,
        selections,
        merged.official,
        paths,
        move=options.leaks == "move",
        rng=rng,
        workers=options.workers,
        is_synthetic=all(is_synthetic(summary.root) for summary in merged.summaries),
    )


def _get_leaks(
    search: LeakSearch | None, index: dict[str, Any] | None, options: BuildOptions
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the near-duplicates and their summary, from the search or from the index."""
    if search is not None:
        return search.to_json(), search.summary(options.leaks)
    if index is not None:
        return index.get("leaks_found"), index["leaks"]
    return None, None


def _assign_ids(people: Instances, selections: Mapping[str, Selection]) -> dict[str, Instances]:
    """Sort the images of each split by source and name, and number them and their people from 1."""
    names, sources = people.images.file_names, people.images.source
    parts: dict[str, Instances] = {}
    num_images = num_people = 1
    for split, selection in selections.items():
        order: list[int] = []
        for source in np.unique(sources[selection.rows]):
            rows = selection.rows[sources[selection.rows] == source]
            order += sorted(rows.tolist(), key=names.__getitem__)
        part = people.take_images(np.array(order, dtype=np.intp))
        parts[split] = replace(
            part,
            images=replace(part.images, ids=np.arange(len(order)) + num_images),
            ids=np.arange(len(part)) + num_people,
        )
        num_images += len(order)
        num_people += len(part)
    return parts


def _write_annotations(
    parts: Mapping[str, Instances], folder: Path, joints: Sequence[str]
) -> dict[str, int]:
    """Write the annotations of each split; return how often each of `joints` was derived.

    `parts` do not change, so that counts never include a derived keypoint.
    """
    num_derived = dict.fromkeys(joints, 0)
    for split, part in parts.items():
        if not joints:
            write_coco(part, folder / f"{split}.json")
            continue
        people, is_derived = derive_joints(part, joints)
        write_coco(people, folder / f"{split}.json", is_derived)
        for joint in joints:
            num_derived[joint] += int(is_derived[:, part.skeleton.joints.index(joint)].sum())
    return num_derived
