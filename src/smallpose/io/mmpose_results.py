"""Results in other tools' words: images named instead of numbered, one file per image.

- Ultralytics writes COCO results whose `image_id` is the picture's name without its ending, where
  that name is no number.
- MMPose's inferencer writes a folder with one file per picture, `<name>.json`, each a list of
  `{keypoints [[x, y] …], keypoint_scores, bbox [[x1, y1, x2, y2]], bbox_score}`.
- MMPose's `DumpResults` writes a pickle, which would have to be run to be read; it is refused.
"""

from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from msgspec import Struct

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Images
from smallpose.system.json_decode import read_json

MIN_KEYPOINT_SCORE = 0.2  # MMPose counts keypoints above this in a person's score


class ImageNames:
    """Image ids by file name, or by file name without folders and ending.

    Args:
        images: of the truth.
    """

    def __init__(self, images: Images) -> None:
        self.ids: dict[str, int] = {}
        self.numbers = set(images.ids.tolist())
        self.twice: set[str] = set()
        for image, name in zip(images.ids.tolist(), images.file_names, strict=True):
            for word in {name, PurePosixPath(name).name, PurePosixPath(name).stem}:
                if self.ids.setdefault(word, image) != image:
                    self.twice.add(word)

    def find_id(self, word: str, where: str) -> int:
        """The id of the image with this name.

        Raises: InputError when there is none, or more than one.
        """
        if word in self.twice:
            raise InputError(where, f"several images are called {word!r}", "use image ids")
        if word not in self.ids and word.lstrip("-").isdecimal() and int(word) in self.numbers:
            return int(word)
        if word not in self.ids:
            raise InputError(where, f"image {word!r} is not in the truth", "leave the entry out")
        return self.ids[word]


class _Person(Struct):
    keypoints: list[tuple[float, float]]
    keypoint_scores: list[float]
    bbox: list[list[float]] | None = None
    bbox_score: float = 1.0


def read_mmpose_folder(folder: Path, images: Images) -> bytes:
    """A folder of MMPose's per-picture files as the text of one COCO result file.

    A person's score is the box's times the mean of the keypoint scores above 0.2, as MMPose has it
    in its own COCO results.

    Raises: InputError naming the file that is broken or of no image of the truth.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(str(folder), "holds no .json file", "name a result file or such a folder")
    names = ImageNames(images)
    records = []
    for file in files:
        image = names.find_id(file.stem, str(file))
        for person in read_json(file, list[_Person]):
            points = np.array([(*xy, s) for xy, s in _pair_keypoints(file, person)], dtype=float)
            sure = points[points[:, 2] > MIN_KEYPOINT_SCORE, 2]
            score = float(person.bbox_score * (sure.mean() if len(sure) else 0.0))
            record = {"image_id": image, "keypoints": points.ravel().tolist(), "score": score}
            if person.bbox:
                x1, y1, x2, y2 = person.bbox[0]
                record["bbox"] = [x1, y1, x2 - x1, y2 - y1]
            records.append(record)
    return msgspec.json.encode(records)


def _pair_keypoints(file: Path, person: _Person) -> list[tuple[tuple[float, float], float]]:
    fits = len(person.keypoints) == len(person.keypoint_scores)
    if not fits or (person.bbox and len(person.bbox[0]) != 4):
        raise InputError(
            str(file), "keypoints, keypoint_scores and bbox do not fit", "write the file again"
        )
    return list(zip(person.keypoints, person.keypoint_scores, strict=True))


def refuse_pickle(path: Path | str, data: bytes) -> None:
    """Raises RefusedError for a pickle, whatever it is called."""
    if data[:1] == b"\x80" and data[1:2] <= b"\x05":
        raise RefusedError(
            str(path),
            "is a pickle, which runs code when it is read",
            "let MMPose write JSON (CocoMetric with outfile_prefix)",
        )
