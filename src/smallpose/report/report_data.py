"""What a report is made of, read once: the runs, the set they share, and what they found in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.report.dataset_report import SPLITS, DatasetReport, count_datasets
from smallpose.report.inputs.person_matching import PersonMatches, match_people
from smallpose.report.inputs.runs import Run, find_shared_dataset, group_seeds, read_runs
from smallpose.system.json_decode import read_json
from smallpose.system.progress import say


class Manifest(msgspec.Struct):
    """What the page needs of a built set's manifest."""

    synthetic: bool = False
    split: str = ""
    seed: int | None = None
    smallpose: str = ""


@dataclass(frozen=True)
class ReportData:
    """All that the page shows, read and counted.

    Args:
        data: the built set; None when it cannot be found, and then nothing below is there.
        found: the result file of each run that is about this set, by its place among the runs.
    """

    runs: Sequence[Run]
    data: Path | None
    manifest: Manifest
    picture: DatasetReport | None
    test: Instances | None
    found: Mapping[int, tuple[Predictions, PersonMatches]]

    @property
    def best(self) -> int:
        """The number of the best run: of highest AP on small people, in the mean over its seeds.

        One that has a result file about the set, where there is one.
        """
        return (self.ranked or self._in_order(range(len(self.runs))))[0]

    @property
    def ranked(self) -> list[int]:
        """Numbers of the runs with a result file, the best one first, the untrained last.

        Of runs that differ in nothing but their seed only the middle one, so that no lucky seed
        speaks for its method, and no method is its own rival.
        """
        return self._in_order(self.found)

    def seeds_of(self, number: int) -> list[int]:
        """The numbers of a run and those that differ from it in nothing but their seed."""
        return next(group for group in group_seeds(self.runs) if number in group)

    def mean(self, number: int, metric: str) -> float | None:
        """Points of a run, in the mean over its seeds, as the tables have it."""
        values = [self.runs[n].metric(metric) for n in self.seeds_of(number)]
        known = [v for v in values if v is not None]
        return sum(known) / len(known) if len(known) == len(values) else None

    def _in_order(self, numbers: Collection[int]) -> list[int]:
        middles = []
        for group in group_seeds(self.runs):
            there = sorted((n for n in group if n in numbers), key=self._standing_alone)
            middles += there[len(there) // 2 : len(there) // 2 + 1]
        return sorted(
            middles,
            key=lambda n: (self.runs[n].is_untrained, *(-v for v in self._standing(n)), n),
        )

    def _standing(self, number: int) -> tuple[float, float]:
        return _rank_values(self.mean(number, "AP_S"), self.mean(number, "AP"))

    def _standing_alone(self, number: int) -> tuple[float, float]:
        run = self.runs[number]
        return _rank_values(run.metric("AP_S"), run.metric("AP"))


def _rank_values(small: float | None, everybody: float | None) -> tuple[float, float]:
    return small if small is not None else -1.0, everybody if everybody is not None else -1.0


def read_report_data(folders: Sequence[Path]) -> ReportData:
    """Read the runs, the set that most of them share, and what they found in it."""
    if not folders:
        raise InputError("report", "no run is given", "name the folders of finished runs")
    runs = read_runs(folders)
    data = find_shared_dataset(runs)
    if data is None:
        say("the data set of these runs is not there any more: a report without people")
        return ReportData(runs, None, Manifest(), None, None, {})
    sets = {
        split: read_coco(data / "annotations" / f"{split}.json")
        for split in SPLITS
        if (data / "annotations" / f"{split}.json").is_file()
    }
    elsewhere = [run.folder.name for run in runs if run.data != data]
    if elsewhere:
        say(f"not of the set {data}, and so only in tables: {', '.join(elsewhere)}")
    manifest = Manifest()
    if (data / "manifest.json").is_file():
        manifest = read_json(data / "manifest.json", Manifest)
    found = {}
    for number, run in enumerate(runs):
        if run.data == data and run.found is not None:
            predictions = read_results(run.found, sets["test"])
            found[number] = predictions, match_people(sets["test"], predictions)
    return ReportData(runs, data, manifest, count_datasets(sets), sets["test"], found)
