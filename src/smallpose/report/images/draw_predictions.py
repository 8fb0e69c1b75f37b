"""Draw predictions into full images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Images
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference.large_images import reduce_with_predictions
from smallpose.report.images.label_placement import Rectangle, place_labels
from smallpose.report.images.pose_drawing import MIDDLE, OUTLINE, choose_stroke_width, draw_pose
from smallpose.system.files import write_atomically
from smallpose.system.image_formats import is_image_name

MIN_SCORE_SHARE = 0.2  # of the best score; people and joints below it are not drawn
MIN_IMAGE_HEIGHT = 720  # px; smaller images are enlarged, so that strokes do not cover people
MIN_PERSON_HEIGHT = 64  # px; images whose median person is smaller are enlarged further
MAX_IMAGE_SIDE = 2560  # px; no image is enlarged beyond this longer side
_MIN_ENLARGEMENT = 1.1  # of a video; below it nobody sees that frames are larger
_LABEL_SCALE = 0.7  # of OpenCV's font
_LABEL_OUTLINE = 5  # px
_LABEL_GAP = 12  # px from a person to the text above


def draw_predictions(
    predictions: Predictions,
    images: Images,
    root: Path,
    read: Callable[[Path], ImageArray | LargeImage],
    out: Path,
    min_score: float | None = None,
    labels: Sequence[str] = (),
    num_digits: int = 1,
) -> int:
    """Draw a JPEG for each image, also of those without people; strokes scale with the person.

    Images that are read in parts are reduced. Drawings of a folder are sorted by their names as the
    images are by their ids, which have zeros before them.

    Args:
        root: the folder that file names are relative to.
        out: folder of the drawings, or the file of the only one.
        min_score: the lowest score of people drawn (default: a share of the image's best).
        labels: (d,) text above each person; empty for none.
        num_digits: of the ids in the names, or more where an image has a larger id.
    Returns: the number of images drawn; without those that cannot be read, which are not predicted.
    """
    num_drawn = 0
    ids = np.sort(images.ids)
    num_digits = max([num_digits, *(len(str(image_id)) for image_id in ids.tolist())])
    for image_id in ids.tolist():
        file_name = images.file_names[images.row_of[image_id]]
        detections = np.flatnonzero(predictions.image_ids == image_id)
        try:
            image = read(root / file_name)
        except (InputError, RefusedError):  # the prediction has named it
            continue
        num_drawn += 1
        shown = predictions
        if isinstance(image, LargeImage):
            image, shown = reduce_with_predictions(image, predictions)
        canvas = draw_image(
            image,
            shown,
            detections,
            labels=[labels[d] for d in detections.tolist()] if labels else (),
            min_score=min_score,
        )
        path = out
        if not is_file_of_drawing(out):
            path = out / f"{image_id:0{num_digits}}-{_build_stem(Path(file_name))}.jpg"
        is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
        how = [cv2.IMWRITE_JPEG_QUALITY, 92] if is_jpeg else []
        _, data = cv2.imencode(path.suffix, canvas[:, :, ::-1], how)
        write_atomically(path, data.tobytes())
    return num_drawn


def is_file_of_drawing(out: Path) -> bool:
    """Return whether a path means the file of one drawing, and not a folder of several."""
    return is_image_name(out) and not out.is_dir()


def _build_stem(name: Path) -> str:
    """Return the stem of a file with that of its folder, where it is relative."""
    return "-".join(name.with_suffix("").parts[-2:]) if not name.is_absolute() else name.stem


def draw_image(
    image: ImageArray,
    predictions: Predictions,
    detections: NDArray[np.intp],
    min_score_share: float = MIN_SCORE_SHARE,
    scale: float | None = None,
    labels: Sequence[str] = (),
    min_score: float | None = None,
) -> ImageArray:
    """Draw the given detections into a copy of the image, enlarged where people are small.

    Args:
        detections: rows of `predictions`.
        scale: factor by which the image is enlarged (default: by its size and people).
        labels: (d,) text above each of the given detections; empty for none.
        min_score: the lowest score of people drawn, in place of `min_score_share` for people.
    """
    masks = {d: _find_confident_joints(predictions, d, min_score_share) for d in detections}
    sizes = [np.ptp(predictions.keypoints[d, mask, :2], axis=0).max() for d, mask in masks.items()]
    height, width = image.shape[:2]
    person_px = float(np.median(sizes)) if sizes else float(MIN_PERSON_HEIGHT)
    if scale is None:
        scale = choose_scale((width, height), person_px)
    size = (round(width * scale), round(height * scale))
    canvas = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    scores = predictions.scores[detections]
    label_of = dict(zip(detections.tolist(), labels, strict=False))
    lowest = find_lowest_score(scores, min_score_share, min_score)
    tops: list[tuple[NDArray[np.float64], str]] = []
    # The most confident is drawn last, over the others.
    for d in detections[np.argsort(scores, kind="stable")]:
        if predictions.scores[d] < lowest:
            continue
        points = (predictions.keypoints[d, :, :2] + 0.5) * scale - 0.5
        height_px = float(np.ptp(points[masks[d]], axis=0).max())
        stroke = choose_stroke_width(height_px)
        draw_pose(canvas, points, predictions.skeleton, is_drawn=masks[d], stroke=stroke)
        if labels:
            top = points[masks[d]][points[masks[d], 1].argmin()]
            tops.append((top, label_of[d]))
    _draw_labels(canvas, [(top, text) for top, text in tops if text])
    return canvas


def find_lowest_score(
    scores: NDArray[np.float64],
    min_score_share: float = MIN_SCORE_SHARE,
    min_score: float | None = None,
) -> float:
    """Return the score from which on people of one image are drawn.

    Args:
        scores: of all people of the image.
        min_score_share, min_score: as in `draw_image`.
    """
    if min_score is not None:
        return min_score
    return min_score_share * float(scores.max()) if len(scores) else 0.0


class DrawnCounter:
    """Counts the people who are drawn, and remembers from which scores on, for a message.

    Args:
        min_score: as in `draw_image`.
    """

    def __init__(self, min_score: float | None = None) -> None:
        self._min_score = min_score
        self._num_people = 0
        self._num_drawn = 0
        self._lowest: list[float] = []  # of images whose people are not all drawn

    def add_predictions(self, predictions: Predictions) -> None:
        """Count the people of some images; an image is in one call alone."""
        for image_id in np.unique(predictions.image_ids).tolist():
            scores = predictions.scores[predictions.image_ids == image_id]
            lowest = find_lowest_score(scores, min_score=self._min_score)
            num_drawn = int((scores >= lowest).sum())
            self._num_people += len(scores)
            self._num_drawn += num_drawn
            if num_drawn < len(scores):
                self._lowest.append(lowest)

    def describe(self) -> str:
        """Say how many of the people are drawn, from which score on; "" where all are."""
        if not self._lowest:
            return ""
        people = format_count(self._num_people, "person", "people")
        low = f"{min(self._lowest):.2g}"
        high = f"{max(self._lowest):.2g}"
        if self._min_score is not None:
            why = "as by --draw-min-score"
        else:
            why = "a fifth of the best of the image; --draw-min-score sets the limit"
        ends = low if low == high else f"{low} to {high}"
        return f"{self._num_drawn:,} of {people} (scores from {ends} on, {why})"


def _draw_labels(canvas: ImageArray, labels: Sequence[tuple[NDArray[np.float64], str]]) -> None:
    """Write a short text above each point, light on dark, beside those of neighbours.

    A line leads from a text that had to make room to its point.
    """
    font = cv2.FONT_HERSHEY_SIMPLEX
    wanted = []
    for point, text in labels:
        (width, height), baseline = cv2.getTextSize(text, font, _LABEL_SCALE, _LABEL_OUTLINE)
        left = float(point[0]) - width / 2
        bottom = float(point[1]) - _LABEL_GAP + baseline
        wanted.append(Rectangle(left, bottom - height - baseline, left + width, bottom))
    places = place_labels(wanted, canvas.shape[1], canvas.shape[0])
    for (point, _), place, first in zip(labels, places, wanted, strict=True):
        if place.overlaps(first):
            continue
        end = (round((place.left + place.right) / 2), round(place.bottom))
        start = (round(float(point[0])), round(float(point[1])))
        cv2.line(canvas, start, end, MIDDLE, 1, cv2.LINE_AA)
    for (_, text), place in zip(labels, places, strict=True):
        _, baseline = cv2.getTextSize(text, font, _LABEL_SCALE, _LABEL_OUTLINE)
        corner = (round(place.left), round(place.bottom - baseline))
        for colour, width in ((OUTLINE, _LABEL_OUTLINE), (MIDDLE, 2)):
            cv2.putText(canvas, text, corner, font, _LABEL_SCALE, colour, width, cv2.LINE_AA)


def _find_confident_joints(
    predictions: Predictions, detection: int, min_score_share: float
) -> NDArray[np.bool_]:
    """Find the joints to draw, at least the best one: (k,)."""
    scores = predictions.keypoint_scores[detection]
    return np.asarray((scores >= min_score_share * scores.max()) | (scores == scores.max()))


def choose_scale(image_wh: tuple[int, int], person_px: float) -> float:
    """Choose the factor by which an image is enlarged, for people of that size."""
    wanted = max(MIN_IMAGE_HEIGHT / image_wh[1], MIN_PERSON_HEIGHT / max(person_px, 1.0), 1.0)
    return max(min(wanted, MAX_IMAGE_SIDE / max(image_wh)), 1.0)


def choose_video_scale(image_wh: tuple[int, int], sizes_px: Sequence[float]) -> float:
    """Choose the factor by which the frames of a video are enlarged: none, but for small people.

    Args:
        sizes_px: of the people who are drawn in some frames; see `measure_drawn_people`.
    """
    person_px = float(np.median(sizes_px)) if len(sizes_px) else float(MIN_PERSON_HEIGHT)
    wanted = MIN_PERSON_HEIGHT / max(person_px, 1.0)
    scale = min(wanted, MAX_IMAGE_SIDE / max(image_wh))
    return scale if scale >= _MIN_ENLARGEMENT else 1.0


def measure_drawn_people(predictions: Predictions, min_score: float | None = None) -> list[float]:
    """Measure the longer side of each person drawn, px, from the joints that are drawn.

    Args:
        min_score: as in `draw_image`.
    """
    sizes = []
    for image_id in np.unique(predictions.image_ids).tolist():
        rows = np.flatnonzero(predictions.image_ids == image_id)
        lowest = find_lowest_score(predictions.scores[rows], min_score=min_score)
        for row in rows[predictions.scores[rows] >= lowest].tolist():
            mask = _find_confident_joints(predictions, row, MIN_SCORE_SHARE)
            sizes.append(float(np.ptp(predictions.keypoints[row, mask, :2], axis=0).max()))
    return sizes
