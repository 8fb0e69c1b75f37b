"""Read what a report is made of: the runs, the data set they share, and their predictions.

Runs share a built set. Result files, and runs beside them, are scored by the ground truth given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataset.image_folder import ImageFolder, open_image_folder
from smallpose.dataset.meant_folder import suggest_image_folder
from smallpose.evaluation.analysis.common_joints import CommonJoints, choose_common_joints
from smallpose.evaluation.run_sigmas import set_known_sigmas
from smallpose.evaluation.sigma_file import select_sigma_notes
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.io.frame_groups import group_listed_frames
from smallpose.io.unknown_images import UnknownImages
from smallpose.report.dataset_report import SPLITS, DatasetReport, count_datasets
from smallpose.report.inputs.arguments import ReportArguments, sort_arguments
from smallpose.report.inputs.best_run import compute_seed_mean, find_seeds, rank_runs
from smallpose.report.inputs.different_sigmas import describe_different_sigmas
from smallpose.report.inputs.person_matching import RunPredictions, match_people
from smallpose.report.inputs.result_files import (
    check_run_fits_truth,
    describe_result_file,
    format_model_words,
)
from smallpose.report.inputs.run_labels import (
    describe_own_sets,
    describe_runs_on_others,
    label_run,
)
from smallpose.report.inputs.runs import (
    Run,
    describe_changed_code,
    find_shared_dataset,
    read_run,
    read_runs,
)
from smallpose.report.inputs.scores import (
    RunScore,
    choose_num_resamples,
    group_scores,
    score_run,
    score_run_on_both,
)
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status, show_progress


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
        data: the built set, or the file of the ground truth; None when the set is missing, and then
            the fields below are empty.
        dataset: the counts of its splits, or of the ground truth.
        test: the ground truth.
        results: the predictions of each run on this set that has a result file.
        scores: of the same runs, on the same resamples of images.
        images: folder of the images of the ground truth; None without them.
        notes: what a reader should know, as plain sentences.
    """

    runs: Sequence[Run]
    data: Path | None
    manifest: Manifest
    dataset: DatasetReport | None
    test: Instances | None
    results: Mapping[int, RunPredictions]
    scores: Mapping[int, RunScore] = field(default_factory=dict)
    images: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_own_runs(self) -> bool:
        """Return whether any of the runs was trained here, and is no result file alone."""
        return any(not run.is_result_file for run in self.runs)

    @property
    def has_runs_of_paper(self) -> bool:
        """Return whether the paper's tables have a place for any of the runs."""
        return any(not run.is_result_file and not run.own_set for run in self.runs)

    @property
    def is_built(self) -> bool:
        """Return whether the runs share a set that `smallpose build` made."""
        return self.data is not None and (self.data / "manifest.json").is_file()

    @property
    def is_of_file(self) -> bool:
        """Return whether the ground truth is a file that was given, and no set that runs share."""
        return self.data is not None and not self.data.is_dir()

    @property
    def best(self) -> int:
        """Return the best run: of highest AP on small people, in the mean over its seeds.

        One with a result file on the set, if there is any.
        """
        if self.ranked:
            return self.ranked[0]
        sets = [run.test_set for run in self.runs]
        shared = self.data or max(dict.fromkeys(sets), key=sets.count)
        return rank_runs(self.runs, [n for n, one in enumerate(sets) if one == shared])[0]

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


def read_report_data(
    paths: Sequence[Path],
    *,
    names: Sequence[str] = (),
    images: Path | None = None,
    category: Sequence[str] = (),
    sigmas: Path | None = None,
    unknown_images: UnknownImages = "refuse",
) -> ReportData:
    """Read folders of runs with the set that most of them share, or a ground truth and results.

    Args:
        paths: folders of runs; or a ground truth, result files and folders of runs.
        names: of the results, in their order; by default the names of their files.
        images: folder of the images (default: that of the built set which has the ground truth).
        category: of the ground truth to read as people, as for `read_coco`.
        sigmas: file of OKS sigmas, which joints that are none of the 21 need.
        unknown_images: as for `read_results`; for the results of a ground truth that is given.

    Raises: InputError when a path is none of these, or the results are for other images.
    """
    arguments = sort_arguments(paths, names)
    if arguments.truth is not None:
        truth = set_known_sigmas(
            read_coco(arguments.truth, category=category), sigmas, arguments.entries
        )
        truth = group_listed_frames(truth, arguments.entries)
        return _read_results_of_truth(arguments, arguments.truth, truth, images, unknown_images)
    runs = read_runs(arguments.entries)
    runs = [replace(run, name=name) for run, name in zip(runs, arguments.names, strict=True)]
    return _read_runs_of_set(runs, images, sigmas)


def _read_runs_of_set(runs: Sequence[Run], images: Path | None, sigmas: Path | None) -> ReportData:
    data = find_shared_dataset(runs)
    if data is None:
        print_status("the data set of these runs is missing: the report will show no people")
        return ReportData(runs, None, Manifest(), None, None, {}, notes=_list_run_notes(runs))
    sets = {
        split: read_coco(data / "annotations" / f"{split}.json")
        for split in SPLITS
        if (data / "annotations" / f"{split}.json").is_file()
    }
    if "test" in sets:
        folders = [run.folder for run in runs if run.data == data]
        sets["test"] = set_known_sigmas(sets["test"], sigmas, folders)
    test = sets["test"]
    on_others = describe_runs_on_others(runs, data)
    results = {}
    for index, run in enumerate(runs):
        if run.data == data and run.predictions_path is not None:
            predictions = read_results(run.predictions_path, test)
            matches = match_people(test, predictions)
            results[index] = RunPredictions(label_run(run, runs), predictions, matches)
    scores = {
        index: score_run_on_both(runs[index], test, result.predictions)
        for index, result in show_progress(list(results.items()), "intervals")
    }
    return ReportData(
        runs=runs,
        data=data,
        manifest=_read_manifest(data),
        dataset=count_datasets(sets),
        test=test,
        results=results,
        scores=scores,
        images=_find_images(test, images, data),
        notes=(
            *([on_others] if on_others else []),
            *_list_run_notes(runs, scores),
            *_list_sigma_notes(scores.values()),
        ),
    )


def _list_sigma_notes(scores: Iterable[RunScore]) -> list[str]:
    """Say which sigmas were not measured; runs of older versions did not record it."""
    every = [note for score in scores for note in select_sigma_notes(score.evaluation.notes)]
    return list(dict.fromkeys(every))


def _list_run_notes(
    runs: Sequence[Run], scores: Mapping[int, RunScore] | None = None
) -> tuple[str, ...]:
    """Say which runs are not in the paper's tables, have other sigmas, or another code by now."""
    notes = (
        describe_own_sets(runs),
        describe_different_sigmas(group_scores(runs, scores)),
        *map(describe_changed_code, runs),
    )
    return tuple(filter(None, notes))


def _read_results_of_truth(
    arguments: ReportArguments,
    truth_path: Path,
    truth: Instances,
    images: Path | None,
    unknown_images: UnknownImages,
) -> ReportData:
    if not truth.is_counted.any():
        raise InputError(
            str(truth_path),
            "has no person with labelled keypoints, so that nothing can be scored",
            "pass the file of the labels (for COCO: person_keypoints_val2017.json)",
        )
    folder = truth_path.resolve().parent.parent  # of the built set, if the file belongs to one
    is_of_set = (folder / "manifest.json").is_file() and truth_path.parent.name == "annotations"
    images = _find_images(truth, images, folder if is_of_set else None)
    described = [
        _read_entry(path, name, truth, truth_path, unknown_images)
        for path, name in zip(arguments.entries, arguments.names, strict=True)
    ]
    common = _choose_joints([run for run, _, _ in described], [one for _, one, _ in described])
    predictions = list(common.predictions.values())
    scores: dict[int, RunScore] = {}
    for index, (run, _, _) in show_progress(list(enumerate(described)), "scores"):
        one = predictions[index]
        num_resamples = choose_num_resamples(len(one))
        score = score_run(run, truth, one, keypoints=common.keypoints, num_resamples=num_resamples)
        # The ground truth may have no more joints than these, whatever the results have.
        is_on_17 = run.setting == "B" and score.evaluation.settings["keypoints"] == COCO17.name
        run = replace(
            run,
            data=truth_path,
            setting="B17" if is_on_17 else run.setting,
            evaluation=score.evaluation.to_dict(),
            evaluation_on_17=None,
        )
        scores[index] = replace(score, run=run)
    runs = [score.run for score in scores.values()]
    labels = [label_run(run, runs) for run in runs]
    results = {
        index: RunPredictions(labels[index], one, match_people(truth, one))
        for index, one in enumerate(predictions)
    }
    pairs = zip(labels, described, strict=True)
    notes = [f"{label}: {note}" for label, (_, _, note) in pairs if note]
    return ReportData(
        runs=runs,
        data=truth_path,
        manifest=_read_manifest(folder) if is_of_set else Manifest(),
        dataset=count_datasets({_name_truth(truth_path): truth}),
        test=truth,
        results=results,
        scores=scores,
        images=images,
        notes=(
            *_list_run_notes(runs, scores),
            *choose_common_joints(
                dict(zip(labels, (one for _, one, _ in described), strict=True))
            ).notes,
            *notes,
            *_list_sigma_notes(scores.values()),
        ),
    )


def _read_entry(
    path: Path, name: str, truth: Instances, truth_path: Path, unknown_images: UnknownImages
) -> tuple[Run, Predictions, str | None]:
    """Read a result file or a run; return it with its predictions and a note, if there is one."""
    if not (path / "result.json").is_file():
        predictions = read_results(path, truth, unknown_images=unknown_images)
        return describe_result_file(path, name, predictions, truth_path), predictions, None
    run = replace(read_run(path), name=name)
    if run.predictions_path is None:
        raise InputError(
            str(path),
            "it has no found.json, the results of a run",
            f"run: smallpose predict {format_model_words(run)} --data {truth_path} --images "
            "DIR --out PREDICTIONS.json, and pass that file",
        )
    predictions = read_results(run.predictions_path, truth, unknown_images=unknown_images)
    return run, predictions, check_run_fits_truth(run, predictions, truth)


def _choose_joints(runs: Sequence[Run], predictions: Sequence[Predictions]) -> CommonJoints:
    """Choose the joints that all results are scored on; an error names the results' files."""
    titles = [run.title for run in runs]
    is_clear = len(set(titles)) == len(titles)
    names = titles if is_clear else [f"{run.folder}" for run in runs]
    return choose_common_joints(dict(zip(names, predictions, strict=True)))


def _find_images(truth: Instances, images: Path | None, built_set: Path | None) -> Path | None:
    """Return the folder of the images, if there is one, and say how many of them are missing.

    Raises: InputError when the folder given by the user has none of them.
    """
    folder = images
    if folder is None and built_set is not None and (built_set / "images").is_dir():
        folder = built_set / "images"
    if folder is None:
        return None
    if not folder.is_dir():
        raise InputError(f"--images {folder}", "no such folder", "pass the folder of the images")
    opened = open_image_folder(folder)
    names = [truth.images.file_names[row] for row in sorted(set(truth.image_rows.tolist()))]
    missing = [name for name in names if not _is_image_there(opened, name)]
    if images is not None and names and len(missing) == len(names):
        raise InputError(
            f"--images {folder}",
            f"has none of the {format_count(len(names), 'image')} with people (first: "
            f"{missing[0]})",
            suggest_image_folder(
                folder, names, "pass the folder that each file_name of the ground truth starts from"
            ),
        )
    if missing and len(missing) < len(names):
        print_status(
            f"{folder}: {len(missing):,} of {format_count(len(names), 'image')} with people are "
            f"missing (first: {missing[0]}); these people are drawn without their image"
        )
    return folder


def _is_image_there(folder: ImageFolder, name: str) -> bool:
    """Return whether the folder has the image; a name that leads out of it is not one of them."""
    try:
        return folder.resolve_path(name).is_file()
    except SmallposeError:
        return False


def _read_manifest(data: Path) -> Manifest:
    path = data / "manifest.json"
    return read_json(path, Manifest) if path.is_file() else Manifest()


def _name_truth(path: Path) -> str:
    """Return the name of the ground truth in tables: its file's, without suffixes."""
    return path.name.removesuffix(".gz").removesuffix(".json") or path.name
