"""Read what a report is made of: the runs, the data set they share, and their predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.report.dataset_report import SPLITS, DatasetReport, count_datasets
from smallpose.report.inputs.best_run import compute_seed_mean, find_seeds, rank_runs
from smallpose.report.inputs.person_matching import RunPredictions, match_people
from smallpose.report.inputs.runs import Run, find_shared_dataset, read_runs
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status


class Manifest(msgspec.Struct):
    """What the page needs of a built set's manifest."""

    synthetic: bool = False
    split: str = ""
    seed: int | None = None
    smallpose: str = ""


@dataclass(frozen=True)
class ReportData:
    """The inputs of the page, read and counted.

    Runs are referred to by their index in `runs`.

    Args:
        data: the built set; None when it is missing, and then the fields below are empty.
        dataset: the counts of its splits.
        test: the ground truth of its test split.
        results: the predictions of each run on this set that has a result file.
    """

    runs: Sequence[Run]
    data: Path | None
    manifest: Manifest
    dataset: DatasetReport | None
    test: Instances | None
    results: Mapping[int, RunPredictions]

    @property
    def best(self) -> int:
        """Return the best run: of highest AP on small people, in the mean over its seeds.

        One with a result file on the set, if there is any.
        """
        return (self.ranked or rank_runs(self.runs, range(len(self.runs))))[0]

    @property
    def ranked(self) -> list[int]:
        """Return the runs with a result file, the best one first, the untrained last.

        See `best_run.rank_runs`.
        """
        return rank_runs(self.runs, self.results)

    def seeds_of(self, index: int) -> list[int]:
        """Return a run and those that differ from it in nothing but their seed."""
        return find_seeds(self.runs, index)

    def mean(self, index: int, metric: str) -> float | None:
        """Return the points of a run in the mean over its seeds, as in the tables."""
        return compute_seed_mean(self.runs, index, metric)


def read_report_data(folders: Sequence[Path]) -> ReportData:
    """Read the runs, the set that most of them share, and their predictions for it."""
    if not folders:
        raise InputError("report", "no run was given", "pass the folders of finished runs")
    runs = read_runs(folders)
    data = find_shared_dataset(runs)
    if data is None:
        print_status("the data set of these runs is missing: the report will show no people")
        return ReportData(runs, None, Manifest(), None, None, {})
    sets = {
        split: read_coco(data / "annotations" / f"{split}.json")
        for split in SPLITS
        if (data / "annotations" / f"{split}.json").is_file()
    }
    other = [run.folder.name for run in runs if run.data != data]
    if other:
        print_status(f"not on the data set {data}, so only in tables: {', '.join(other)}")
    manifest = Manifest()
    if (data / "manifest.json").is_file():
        manifest = read_json(data / "manifest.json", Manifest)
    results = {}
    for index, run in enumerate(runs):
        if run.data == data and run.predictions_path is not None:
            predictions = read_results(run.predictions_path, sets["test"])
            matches = match_people(sets["test"], predictions)
            results[index] = RunPredictions(run.folder.name, predictions, matches)
    return ReportData(runs, data, manifest, count_datasets(sets), sets["test"], results)
