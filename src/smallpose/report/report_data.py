"""Read what a report is made of: the runs, the data set they share, and their predictions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.report.dataset_report import SPLITS, DatasetReport, count_datasets
from smallpose.report.inputs.person_matching import RunPredictions, match_people
from smallpose.report.inputs.runs import Run, find_shared_dataset, group_seeds, read_runs
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
        return (self.ranked or self._rank_runs(range(len(self.runs))))[0]

    @property
    def ranked(self) -> list[int]:
        """Return the runs with a result file, the best one first, the untrained last.

        Of runs that differ in nothing but their seed only the middle one is listed, so that no
        lucky seed stands for its method, and no method is compared with itself.
        """
        return self._rank_runs(self.results)

    def seeds_of(self, index: int) -> list[int]:
        """Return a run and those that differ from it in nothing but their seed."""
        return next(group for group in group_seeds(self.runs) if index in group)

    def mean(self, index: int, metric: str) -> float | None:
        """Return the points of a run, in the mean over its seeds, as in the tables."""
        values = [self.runs[seed].metric(metric) for seed in self.seeds_of(index)]
        known = [v for v in values if v is not None]
        return sum(known) / len(known) if len(known) == len(values) else None

    def _rank_runs(self, indices: Collection[int]) -> list[int]:
        middles = []
        for group in group_seeds(self.runs):
            seeds = sorted((n for n in group if n in indices), key=self._single_points)
            middles += seeds[len(seeds) // 2 : len(seeds) // 2 + 1]
        return sorted(
            middles,
            key=lambda n: (self.runs[n].is_untrained, *(-v for v in self._mean_points(n)), n),
        )

    def _mean_points(self, index: int) -> tuple[float, float]:
        return _order_points(self.mean(index, "AP_S"), self.mean(index, "AP"))

    def _single_points(self, index: int) -> tuple[float, float]:
        run = self.runs[index]
        return _order_points(run.metric("AP_S"), run.metric("AP"))


def _order_points(ap_small: float | None, ap: float | None) -> tuple[float, float]:
    """Return points that can be sorted; unknown ones are below all others."""
    return ap_small if ap_small is not None else -1.0, ap if ap is not None else -1.0


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
