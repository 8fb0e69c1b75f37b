"""Read the result forms of other tools: images by name instead of id, one file per image.

- Ultralytics writes COCO results whose `image_id` is the image's name without its suffix, as a
  number where it is one, and the name beside it; see `image_lookup`.
- MMPose's inferencer writes a folder with one file per image, `<name>.json`, each a list of
  `{keypoints [[x, y] …], keypoint_scores, bbox [[x1, y1, x2, y2]], bbox_score}`.
- MMPose's `DumpResults` writes a pickle, which would run code when it is read; it is refused.
"""

from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Images
from smallpose.io.image_lookup import ImageLookup
from smallpose.system.json_decode import read_json

MIN_KEYPOINT_SCORE = 0.2  # MMPose counts keypoints above this in a detection's score


class _Person(Struct):
    keypoints: list[tuple[float, float]]
    keypoint_scores: list[float]
    bbox: list[list[float]] | None = None
    bbox_score: float = 1.0


def read_mmpose_folder(folder: Path, images: Images) -> bytes:
    """Convert a folder of MMPose's files per image to the text of one COCO result file.

    A detection's score is that of the box times the mean of the keypoint scores above 0.2, as in
    MMPose's own COCO results.

    Raises: InputError naming the file that is broken or of an image that is not in the truth.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(
            str(folder), "contains no .json file", "give a result file or such a folder"
        )
    lookup = ImageLookup(images)
    records = []
    for file in files:
        image_id = lookup.find_id_if_known(None, file.stem, str(file))
        if image_id is None:
            image_id = lookup.find_id(file.stem, None, str(file))
        for person in read_json(file, list[_Person]):
            _check_lengths(file, person)
            points = np.column_stack(
                [np.reshape(person.keypoints, (-1, 2)), person.keypoint_scores]
            )
            confident = points[points[:, 2] > MIN_KEYPOINT_SCORE, 2]
            score = float(person.bbox_score * (confident.mean() if len(confident) else 0.0))
            file_id = images.file_id_of[image_id]
            record = {"image_id": file_id, "keypoints": points.ravel().tolist(), "score": score}
            if person.bbox:
                x1, y1, x2, y2 = person.bbox[0]
                record["bbox"] = [x1, y1, x2 - x1, y2 - y1]
            records.append(record)
    return msgspec.json.encode(records)


def _check_lengths(file: Path, person: _Person) -> None:
    has_pairs = len(person.keypoints) == len(person.keypoint_scores)
    if not has_pairs or (person.bbox and len(person.bbox[0]) != 4):
        raise InputError(
            str(file),
            "the lengths of keypoints, keypoint_scores or bbox are wrong",
            "write the file again with MMPose",
        )


def refuse_pickle(path: Path | str, data: bytes) -> None:
    """Raise RefusedError for a pickle, whatever its name."""
    if data[:1] == b"\x80" and data[1:2] <= b"\x05":
        raise RefusedError(
            str(path),
            "is a pickle, which runs code when it is read",
            "let MMPose write JSON (CocoMetric with outfile_prefix)",
        )
