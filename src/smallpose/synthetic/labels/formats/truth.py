"""truth.json and exact.json: what a perfect reader recovers, and what was rendered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import clip_boxes
from smallpose.core.skeleton import SMALLPOSE
from smallpose.synthetic.labels.annotators import ANNOTATORS
from smallpose.synthetic.labels.formats.dump import write_json
from smallpose.synthetic.labels.records import Person, Picture

DIGITS = 4  # of a px


def write_truth(root: Path, pictures: Sequence[Picture]) -> None:
    """Both files below `root`, with the same ids for the same people."""
    images: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    exact: list[dict[str, Any]] = []
    for picture in pictures:
        if not picture.labelled:
            continue
        number = len(images) + 1
        images.append(_image(picture, number))
        for person in picture.people:
            has_points = bool((person.keypoints[:, 2] > 0).any())
            if picture.source == "mpii" and not has_points:
                continue  # without a point there is no box by MPII's rule
            one = len(truth) + 1
            truth.append(
                _annotation(person, picture, number, one, person.keypoints, person.box_xywh)
            )
            exact.append(
                _annotation(person, picture, number, one, person.exact, person.exact_box_xywh)
            )
    for name, annotations in (("truth", truth), ("exact", exact)):
        content = {
            "info": {"description": f"smallpose synthetic world: {name}"},
            "images": images,
            "annotations": annotations,
            "categories": [
                {
                    "id": 1,
                    "name": "person",
                    "supercategory": "person",
                    "keypoints": list(SMALLPOSE.joints),
                    "skeleton": [[a + 1, b + 1] for a, b in SMALLPOSE.edges],
                }
            ],
        }
        write_json(root / f"{name}.json", content)


def _image(picture: Picture, number: int) -> dict[str, Any]:
    image = {
        "id": number,
        "file_name": picture.file_name,
        "width": picture.width,
        "height": picture.height,
        "source": picture.source,
        "source_id": picture.source_id,
        "split": picture.split,
    }
    return image | ({"group": picture.group} if picture.group else {})


def _annotation(
    person: Person,
    picture: Picture,
    image: int,
    number: int,
    keypoints: np.ndarray[Any, np.dtype[np.float64]],
    box_xywh: np.ndarray[Any, np.dtype[np.float64]],
) -> dict[str, Any]:
    size = np.array([picture.width], dtype=float), np.array([picture.height], dtype=float)
    box = [round(c, DIGITS) for c in clip_boxes(box_xywh[None], *size)[0].tolist()]
    seen = keypoints[:, 2] > 0
    flat: list[float] = []
    for x, y, v in np.where(seen[:, None], keypoints, 0.0).tolist():
        flat += [round(x, DIGITS), round(y, DIGITS), int(v)]
    annotation = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": int(person.iscrowd),
        "num_keypoints": int(seen.sum()),
        "keypoints": flat,
        "source": picture.source,
        "box_rule": ANNOTATORS[picture.source].box_rule,
    }
    if person.segmentation_area is not None:
        annotation["segmentation_area"] = person.segmentation_area
    return annotation
