"""Run one model's variants on the images of every height; finished heights are kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Images
from smallpose.core.predictions import Predictions
from smallpose.dataloading.full_image.letterbox import Letterbox
from smallpose.dataloading.images import ImageArray, ImageReader
from smallpose.external.movenet import MoveNet
from smallpose.external.openpose_thin import OpenPoseThin
from smallpose.external.posenet import PoseNet
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.boxes import convert_to_boxes
from smallpose.io.coco_results import read_results, write_results
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import Detections
from smallpose.resolution.frame import Frame, compute_offsets, place_in_frame
from smallpose.resolution.people import ChosenPeople, choose_people
from smallpose.resolution.reduced_set import ImageReducer, ReducedSet, find_existing_images
from smallpose.resolution.results_folder import open_results
from smallpose.resolution.sensor import parse_sensor
from study.people import PeopleSet
from study.plan import FRAME_WH, TILE_HEIGHTS, Variant

SEED = 0
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class VariantModel:
    """A variant as a model of `smallpose resolution`.

    Args:
        variant: what is called.
        method: the published model.
        is_shown: (n,) who of the chosen people is shown.
        detected: folder of MoveNet's results on the same images, for its boxes.
    """

    variant: Variant
    method: PoseMethod
    is_shown: Mask
    detected: Path

    @property
    def name(self) -> str:
        """Return the name of the variant."""
        return self.variant.name

    @property
    def identity(self) -> dict[str, Any]:
        """Return what must be the same for finished results to be kept."""
        if self.is_shown.all():
            return {"variant": self.name}
        return {"variant": self.name, "people": int(self.is_shown.sum())}

    def predict(self, reduced: ReducedSet, out: Path) -> None:
        """Predict the people of the images and write them with the names of their joints."""
        predictions = self.predict_set(reduced)
        write_results(predictions, out, reduced.truth.category_id, keypoint_names=True)

    def predict_set(self, reduced: ReducedSet) -> Predictions:
        """Predict the people of the images that are shown."""
        read = ImageReader(reduced.images).read
        people = reduced.truth.take_images(np.flatnonzero(self.is_shown))
        boxes = None
        options = InferenceOptions(crop_interpolation=self.variant.interpolation)
        if self.variant.image == "tiled frame":
            options = replace(options, tile=TILE_HEIGHTS * reduced.px)
        if self.variant.boxes == "movenet":
            detected = read_results(self.detected / f"{reduced.name}.json", reduced.truth)
            is_shown = np.isin(detected.image_ids, people.images.ids)
            boxes = convert_to_boxes(detected.take(is_shown), people.images)
        if not self.variant.image:
            return predict_people(self.method, people, boxes, read, options)
        is_native = self.variant.image == "native"
        method = NATIVE[self.variant.model]() if is_native else self.method
        prepare = PREPARE[self.variant.image]
        images: dict[str, PreparedImage] = {}
        for name in people.images.file_names:
            images[name] = prepare(read(name))
        prepared = replace(people, images=_replace_sizes(people.images, images))
        predictions = predict_people(
            method, prepared, None, lambda name: images[name].pixels, options
        )
        return map_back(predictions, people.images, images)


@dataclass(frozen=True)
class PreparedImage:
    """An image as a model is given it.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        offset: (2,) x, y of its corner in the frame, px.
    """

    pixels: ImageArray
    offset: tuple[int, int] = (0, 0)


def put_in_frame(image: ImageArray) -> PreparedImage:
    """Put an image in the middle of a grey frame of `FRAME_WH`, at least."""
    image_wh = np.array([image.shape[1::-1]])
    frame_wh = Frame(FRAME_WH).compute_sizes(image_wh, image_wh)
    ((x, y),) = compute_offsets(frame_wh, image_wh).tolist()
    ((width, height),) = frame_wh.tolist()
    return PreparedImage(place_in_frame(image, (width, height)), (x, y))


PREPARE: dict[str, Callable[[ImageArray], PreparedImage]] = {
    "native": PreparedImage,
    "frame": put_in_frame,
    "tiled frame": put_in_frame,
}


class NativeMoveNet(MoveNet):
    """MoveNet on the image as it is, in one pass, without enlarging it to its input size."""

    def detect_in_image(self, image: ImageArray) -> Detections:
        """Detect the people of an image."""
        return self._run_pass(image, max(image.shape[:2]))


class NativePoseNet(PoseNet):
    """PoseNet on the image as it is."""

    def fit_image(self, image_wh: tuple[int, int]) -> Letterbox:
        """Pad the image, at its own size."""
        self.input_wh = (max(image_wh), max(image_wh))
        return super().fit_image(image_wh)


class NativeOpenPoseThin(OpenPoseThin):
    """OpenPose on the image as it is."""

    def detect_in_image(self, image: ImageArray) -> Detections:
        """Detect the people of an image."""
        self.input_wh = (max(image.shape[:2]), max(image.shape[:2]))
        return super().detect_in_image(image)


NATIVE: dict[str, Callable[[], PoseMethod]] = {
    "movenet": NativeMoveNet,
    "posenet": NativePoseNet,
    "openpose-thin": NativeOpenPoseThin,
}


def map_back(
    predictions: Predictions, images: Images, prepared: dict[str, PreparedImage]
) -> Predictions:
    """Map predictions in prepared images back."""
    rows = [images.row_of[i] for i in predictions.image_ids.tolist()]
    of = [prepared[images.file_names[row]] for row in rows]
    offsets = np.array([one.offset for one in of], dtype=np.float64).reshape(-1, 2)
    keypoints = predictions.keypoints.copy()
    keypoints[:, :, :2] -= offsets[:, None]
    boxes = predictions.boxes_xywh.copy()
    boxes[:, :2] -= offsets
    return replace(predictions, keypoints=keypoints, boxes_xywh=boxes)


def _replace_sizes(images: Images, prepared: dict[str, PreparedImage]) -> Images:
    shapes = [prepared[name].pixels.shape for name in images.file_names]
    height, width = np.array([shape[:2] for shape in shapes], dtype=np.int64).T
    return replace(images, width=width, height=height)


@dataclass(frozen=True)
class StudySet:
    """The people of a set who were chosen, and the folder of their images and results.

    Args:
        people: the labels and images.
        chosen: those who are shown.
        has_image: (m,) images that exist.
        reducer: that writes the images.
        folder: of images and results.
    """

    people: PeopleSet
    chosen: ChosenPeople
    has_image: Mask
    reducer: ImageReducer
    folder: Path

    @property
    def results(self) -> Path:
        """Return the folder of the results of all variants."""
        return self.folder / "results"

    def select_shown(self, variant: Variant) -> Mask:
        """Return (n,) who of the chosen people a variant is shown: the first of the sample.

        Those of a smaller number are among those of a larger one.
        """
        if not variant.max_people:
            return np.ones(len(self.chosen), dtype=bool)
        first = choose_people(
            self.chosen.truth, self.chosen.heights, variant.max_people, SEED, self.has_image
        )
        return np.isin(self.chosen.rows, first.rows)

    def list_sets(self, sensors: Sequence[str], heights: Sequence[int] = ()) -> list[ReducedSet]:
        """List the sets of images of these sensors, heights rising."""
        return [
            self.reducer.describe_set(self.folder / "sets", sensor, px)
            for px in heights or self.chosen.heights
            for sensor in map(parse_sensor, sensors)
        ]

    def write_images(self, sets: Sequence[ReducedSet]) -> None:
        """Write the images that are missing."""
        for reduced in sets:
            if not reduced.is_complete:
                self.reducer.write_set(reduced)


def open_study_set(
    people: PeopleSet, heights: Sequence[int], max_people: int, work: Path
) -> StudySet:
    """Choose the people of a set."""
    has_image = find_existing_images(people.truth, people.reader)
    chosen = choose_people(people.truth, heights, max_people, SEED, has_image)
    folder = work / f"{people.name}-{len(chosen)}"
    folder.mkdir(parents=True, exist_ok=True)
    # PNG is read by any program, so that the images serve models outside of this package, too.
    return StudySet(people, chosen, has_image, ImageReducer(chosen, people.reader, SEED), folder)


def measure_variant(
    study_set: StudySet, variant: Variant, method: PoseMethod, deadline: float
) -> Iterator[str]:
    """Run a variant at the heights that have no results yet; yields a line for each.

    Args:
        deadline: of `time.monotonic`, after which no further height is begun.
    """
    shown = study_set.select_shown(variant)
    model = VariantModel(variant, method, shown, study_set.results / "movenet")
    folder = open_results(study_set.folder, model, study_set.chosen, SEED)
    num_waiting = 0
    for reduced in study_set.list_sets(variant.sensors, variant.heights):
        if folder.has(reduced) or time.monotonic() > deadline:
            continue
        if variant.boxes == "movenet" and not (model.detected / f"{reduced.name}.json").is_file():
            num_waiting += 1
            continue
        if not reduced.is_complete:
            study_set.reducer.write_set(reduced)
        start = time.perf_counter()
        folder.record(model, reduced)
        seconds = time.perf_counter() - start
        yield f"{study_set.people.name}, {variant.name}, {reduced.name}: {seconds:.1f} s"
    if num_waiting:
        where = format_count(num_waiting, "set")
        yield f"{variant.name}: {where} of images left out until movenet was measured there"
