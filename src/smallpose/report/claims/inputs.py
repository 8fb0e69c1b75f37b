"""Runs and data sets from their files, ready for the claims."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, concat_instances
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.report.claims.claims_datasets import COCO, CROWDPOSE, OWN, Sets
from smallpose.report.claims.our_runs import Ours, ours
from smallpose.report.inputs.runs import find_shared_dataset, read_runs
from smallpose.stats.scene_entropy import read_probabilities, summarize_scenes


def our_runs(folders: Sequence[Path]) -> tuple[Ours | None, Instances | None]:
    """The runs scored on the set most of them share, and all people of that set.

    Raises: InputError when a folder is no finished run, or the set cannot be found.
    """
    if not folders:
        return None, None
    runs = read_runs(folders)
    data = find_shared_dataset(runs)
    if data is None:
        raise InputError(
            str(folders[0]),
            "the data set of these runs is not there",
            "put it beside them: verdicts need its test.json",
        )
    test = read_coco(data / "annotations" / "test.json")
    found = {
        n: read_results(run.predictions_path, test)
        for n, run in enumerate(runs)
        if run.data == data and run.predictions_path is not None
    }
    train = data / "annotations" / "train.json"
    people = concat_instances([read_coco(train), test]) if train.is_file() else test
    return ours(runs, test, found), people


def our_sets(
    files: Mapping[str, Path], entropies: Mapping[str, Path], trained_on: Instances | None
) -> Sets:
    """The data sets to count.

    Raises: InputError for a name the claims do not know.
    """
    for name in (*files, *entropies):
        if name not in (OWN, COCO, CROWDPOSE):
            raise InputError(
                name, "no claim is about a set of that name", "smallpose, coco, crowdpose"
            )
    people = {} if trained_on is None else {OWN: trained_on}
    people |= {name: read_coco(file) for name, file in files.items()}
    scored = {}
    for name, file in entropies.items():
        rows = read_probabilities(file)
        there = people.get(name)
        groups = there.images.groups if there and len(there.images) == len(rows) else None
        scored[name] = summarize_scenes(rows, groups)
    return Sets(people, scored)
