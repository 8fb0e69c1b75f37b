"""Measure the curves: make the images of each height, run every model on them, score the results.

Heights rise, so that the first results come soon. While models run, the images of the next height
are made in the background.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.images import ImageReader
from smallpose.evaluation.ceiling.whole_pixels import predict_whole_pixels
from smallpose.evaluation.sigma_file import describe_borrowed_sigmas
from smallpose.io.coco_results import read_results
from smallpose.resolution.command import CommandModel
from smallpose.resolution.common_joints import describe_common_joints
from smallpose.resolution.curves import LEVEL, Study
from smallpose.resolution.frame import Frame
from smallpose.resolution.matched_results import MatchedResults, match_results, set_aside_refused
from smallpose.resolution.models import Model
from smallpose.resolution.parts import PeoplePart, find_cut_people
from smallpose.resolution.people import ChosenPeople
from smallpose.resolution.reduced_set import ImageReducer, ReducedSet
from smallpose.resolution.results_folder import ResultsFolder, open_results
from smallpose.resolution.scores import Resamples, draw_resamples, match_height
from smallpose.resolution.sensor import Sensor
from smallpose.resolution.silent_models import describe_silent_models
from smallpose.system.files import write_atomically
from smallpose.system.lock import hold_lock
from smallpose.system.progress import print_status

NUM_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """What a study measures.

    Args:
        out: folder of its files.
        sensors: sensor models.
        seed: of the noise and of the resamples.
        num_resamples: of the bootstrap.
        keep_images: keep the reduced images.
        num_threads: that make images.
        level: the AP, 0 to 1, whose height is given beside that of half the AP.
        frame: around each reduced image, or None.
    """

    out: Path
    sensors: Sequence[Sensor]
    seed: int = 0
    num_resamples: int = NUM_RESAMPLES
    keep_images: bool = False
    num_threads: int = 2
    level: float = LEVEL
    frame: Frame | None = None


@dataclass
class _Clock:
    """Seconds of the study, and those in which models ran."""

    start: float = field(default_factory=time.perf_counter)
    model_s: float = 0.0

    @property
    def total_s(self) -> float:
        return time.perf_counter() - self.start


def measure_curves(
    people: ChosenPeople, reader: ImageReader, models: Sequence[Model], config: StudyConfig
) -> Study:
    """Run the models at every height and score them; finished heights are not run again.

    Raises: RunError when a program fails; what was finished before is kept.
    """
    clock = _Clock()
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise InputError(f"--out {config.out}", what, "name a folder that can be written") from None
    with hold_lock(config.out / ".lock"):
        has_programs = any(isinstance(model, CommandModel) for model in models)
        lossless = ".png" if has_programs else ".bmp"
        reducer = ImageReducer(
            people, reader, config.seed, config.num_threads, lossless, config.frame
        )
        sets = _describe_sets(reducer, config)
        folders = {
            m.name: open_results(config.out, m, people, config.seed, config.frame) for m in models
        }
        _write_people(people, config.out)
        _run_models(reducer, sets, models, folders, config, clock)
        resamples = draw_resamples(people.groups, config.num_resamples, config.seed)
        matched = match_results(sets, folders)
        curves = matched.score(resamples)
        parts = _score_parts(matched, resamples, find_cut_people(people, reducer.sizes_wh))
        first = matched.skeletons[models[0].name]
        skeleton = (
            first.take(first.joint_indices(matched.joints).tolist()) if matched.joints else first
        )
        ceiling = _score_whole_pixels(sets, skeleton)
    return Study(
        people=people,
        sensors=tuple(config.sensors),
        curves=curves,
        num_resamples=config.num_resamples,
        seed=config.seed,
        model_s=clock.model_s,
        total_s=clock.total_s,
        ceiling=ceiling,
        level=config.level,
        parts=parts,
        frame=config.frame,
        joints_note=describe_common_joints(matched.skeletons, matched.joints),
        sigmas_note=_describe_sigmas(people.truth.skeleton, skeleton),
        whole_image_models=tuple(model.name for model in models if not model.takes_boxes),
        silent_models=tuple(describe_silent_models(matched.count_detections(sets, folders))),
    )


def _describe_sigmas(truth: Skeleton, scored: Skeleton) -> str:
    """Say which sigmas of the scored joints were not measured; "" where all were."""
    indices = [i for i, joint in enumerate(truth.joints) if joint in scored.joints]
    return "".join(describe_borrowed_sigmas(truth.take(indices)))


def _describe_sets(reducer: ImageReducer, config: StudyConfig) -> list[ReducedSet]:
    root = config.out / "sets"
    return [
        reducer.describe_set(root, sensor, px)
        for px in reducer.people.heights
        for sensor in config.sensors
    ]


def _run_models(
    reducer: ImageReducer,
    sets: Sequence[ReducedSet],
    models: Sequence[Model],
    folders: dict[str, ResultsFolder],
    config: StudyConfig,
    clock: _Clock,
) -> None:
    """Run each model on each set for which it has no results yet."""
    due = {
        reduced.name: [m for m in models if not folders[m.name].has(reduced)] for reduced in sets
    }
    pending = [reduced for reduced in sets if due[reduced.name]]
    num_finished = len(sets) * len(models) - sum(map(len, due.values()))
    if num_finished:
        print_status(
            f"{config.out}: "
            f"{format_count(num_finished, 'finished height is', 'finished heights are')} kept"
        )
    with ExitStack() as stack:
        for model in models:
            if any(model in models_due for models_due in due.values()):
                stack.enter_context(model.stay_ready())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        upcoming: Future[None] | None = None
        for index, reduced in enumerate(pending):
            if upcoming is None:
                upcoming = pool.submit(_prepare_set, reducer, reduced)
            upcoming.result()
            upcoming = None
            if index + 1 < len(pending):
                upcoming = pool.submit(_prepare_set, reducer, pending[index + 1])
            # Programs first: where one is refused, the others need not have run.
            programs_first = sorted(
                due[reduced.name], key=lambda m: not isinstance(m, CommandModel)
            )
            for model in programs_first:
                start = time.perf_counter()
                folders[model.name].record(model, reduced)
                # What cannot be read is refused at the first height, before all others are run.
                path = folders[model.name].get_path(reduced)
                with set_aside_refused(path):
                    num_detections = len(read_results(path, reduced.truth))
                seconds = time.perf_counter() - start
                clock.model_s += seconds
                print_status(
                    f"{reduced.sensor.name}, {reduced.px} px: {model.name}, "
                    f"{format_count(num_detections, 'detection')} in "
                    f"{format_count(len(reducer.people), 'image')}, {seconds:.1f} s ({index + 1} "
                    f"of {len(pending)})"
                )
            if not config.keep_images:
                reduced.remove_images()


def _prepare_set(reducer: ImageReducer, reduced: ReducedSet) -> None:
    if not reduced.is_complete:
        reducer.write_set(reduced)


def _score_parts(
    matched: MatchedResults, resamples: Resamples, is_cut: NDArray[np.bool_]
) -> tuple[PeoplePart, ...]:
    """Score the people whom the frame cuts off, and the others; none where all are of one kind."""
    if is_cut.all() or not is_cut.any():
        return ()
    masks = {"cut off by the frame": is_cut, "whole": ~is_cut}
    return tuple(
        PeoplePart(name, int(mask.sum()), matched.score(resamples, mask))
        for name, mask in masks.items()
    )


def _score_whole_pixels(sets: Sequence[ReducedSet], skeleton: Skeleton) -> dict[int, float]:
    """Return the best AP that joints in whole pixels leave, by height."""
    ceiling: dict[int, float] = {}
    for reduced in sets:
        if reduced.px not in ceiling:
            best = predict_whole_pixels(reduced.truth, skeleton)
            ceiling[reduced.px] = match_height(reduced.truth, best, reduced.px).compute_ap()
    return ceiling


def _write_people(people: ChosenPeople, out: Path) -> None:
    """Write who is seen in which of the reduced images."""
    truth, rows = people.truth, people.rows
    file_ids, image_ids = truth.file_ids, truth.images.file_ids
    records = [
        {
            "image_id": index + 1,
            "person": file_ids[row],
            "source_image_id": image_ids[image_row],
            "source_file_name": truth.images.file_names[image_row],
            "source_px": float(np.round(truth.boxes_xywh[row, 3], 2)),
        }
        for index, (row, image_row) in enumerate(
            zip(rows.tolist(), truth.image_rows[rows].tolist(), strict=True)
        )
    ]
    write_atomically(out / "people.json", msgspec.json.format(msgspec.json.encode(records)))
