"""Read runs and data sets for the claims."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from smallpose.core.concat_instances import concat_instances
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.report.claims.datasets import NAMES, OWN, DatasetSource
from smallpose.report.claims.left_out import describe_left_out
from smallpose.report.claims.our_runs import OurResults, collect_our_results
from smallpose.report.inputs.runs import find_shared_dataset, read_runs
from smallpose.stats.scene_entropy import read_probabilities, summarize_scenes


class OurRuns(NamedTuple):
    """What the runs say.

    Args:
        results: their scores; None where no run is evidence for the claims.
        people: all of the data set that most of them share.
        left_out: how many runs are not among the results, and why; "" where all are.
    """

    results: OurResults | None = None
    people: Instances | None = None
    left_out: str = ""


def read_our_runs(folders: Sequence[Path]) -> OurRuns:
    """Score the runs on the data set that most of them share.

    Runs on sets of their own are left out: they are no evidence for the paper's claims.

    Raises: InputError when a folder is no finished run, or the set cannot be found.
    """
    runs = [run for run in read_runs(folders) if not run.own_set]
    if not runs:
        return OurRuns()
    data = find_shared_dataset(runs)
    if data is None:
        raise InputError(
            str(folders[0]),
            "the data set of these runs does not exist any more",
            "put it beside them: verdicts need its test.json",
        )
    test = read_coco(data / "annotations" / "test.json")
    predictions = {
        n: read_results(run.predictions_path, test)
        for n, run in enumerate(runs)
        if run.data == data and run.predictions_path is not None
    }
    train = data / "annotations" / "train.json"
    people = concat_instances([read_coco(train), test]) if train.is_file() else test
    left_out = describe_left_out(runs, data, predictions)
    return OurRuns(collect_our_results(runs, test, predictions), people, left_out)


def read_datasets(
    files: Mapping[str, Path], entropies: Mapping[str, Path], our_people: Instances | None
) -> DatasetSource:
    """Read the data sets to count.

    Args:
        files: COCO files by the name of the set.
        entropies: files of scene probabilities, likewise.
        our_people: of our runs' own set.
    Raises: InputError for a name that no claim is about.
    """
    for name in (*files, *entropies):
        if name not in NAMES:
            names = ", ".join(NAMES)
            raise InputError(name, "no claim is about a set of that name", f"use one of {names}")
    people = {} if our_people is None else {OWN: our_people}
    people |= {name: read_coco(file) for name, file in files.items()}
    scenes = {}
    for name, file in entropies.items():
        rows = read_probabilities(file)
        images = people[name].images if name in people else None
        has_groups = images is not None and len(images) == len(rows)
        scenes[name] = summarize_scenes(rows, images.groups if images and has_groups else None)
    return DatasetSource(people, scenes)
