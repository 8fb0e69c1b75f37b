"""What a report is made of, read once: the runs, the set they share, and what they found in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.json_text import read_json
from smallpose.core.progress import say
from smallpose.report.data import SPLITS, Portrait, portrait
from smallpose.report.people import Pairing, pair_people
from smallpose.report.results import Run, read_runs, same_data
from smallpose.table.coco_json import read_coco
from smallpose.table.instances import Instances
from smallpose.table.predictions import Predictions
from smallpose.table.results_json import read_results


class Manifest(msgspec.Struct):
    """What the page needs of a built set's manifest."""

    synthetic: bool = False
    split: str = ""
    seed: int | None = None
    smallpose: str = ""


@dataclass(frozen=True)
class Material:
    """All that the page shows, read and counted.

    Args:
        data: the built set; None when it cannot be found, and then nothing below is there.
        found: the result file of each run that is about this set, by its place among the runs.
    """

    runs: Sequence[Run]
    data: Path | None
    manifest: Manifest
    picture: Portrait | None
    test: Instances | None
    found: Mapping[int, tuple[Predictions, Pairing]]

    @property
    def trained(self) -> list[Run]:
        """Without those that learned nothing."""
        return [run for run in self.runs if not run.untrained]

    @property
    def best(self) -> Run:
        """The run of highest AP on small people; of highest AP where that is not known."""
        runs = self.trained or list(self.runs)
        return max(runs, key=_standing)

    @property
    def ranked(self) -> list[int]:
        """Numbers of the runs with a result file, the best one first, the untrained last."""
        return sorted(
            self.found,
            key=lambda n: (self.runs[n].untrained, *(-v for v in _standing(self.runs[n]))),
        )


def _standing(run: Run) -> tuple[float, float]:
    small, everybody = run.metric("AP_S"), run.metric("AP")
    return small if small is not None else -1.0, everybody if everybody is not None else -1.0


def gather(folders: Sequence[Path]) -> Material:
    """Read the runs, the set that most of them share, and what they found in it."""
    if not folders:
        raise InputError("report", "no run is given", "name the folders of finished runs")
    runs = read_runs(folders)
    data = same_data(runs)
    if data is None:
        say("the data set of these runs is not there any more: a report without people")
        return Material(runs, None, Manifest(), None, None, {})
    sets = {split: read_coco(data / "annotations" / f"{split}.json") for split in SPLITS
            if (data / "annotations" / f"{split}.json").is_file()}  # fmt: skip
    manifest = Manifest()
    if (data / "manifest.json").is_file():
        manifest = read_json(data / "manifest.json", Manifest)
    found = {}
    for number, run in enumerate(runs):
        if run.data == data and run.found is not None:
            predictions = read_results(run.found, sets["test"])
            found[number] = predictions, pair_people(sets["test"], predictions)
    return Material(runs, data, manifest, portrait(sets), sets["test"], found)
