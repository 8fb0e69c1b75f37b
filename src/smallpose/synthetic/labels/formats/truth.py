"""Write truth.json, which a perfect reader recovers, and exact.json, which was rendered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.boxes import clip_boxes
from smallpose.core.skeleton import SMALLPOSE
from smallpose.synthetic.labels.annotators import ANNOTATORS
from smallpose.synthetic.labels.formats.dump import write_json
from smallpose.synthetic.labels.records import ImageRecord, Person

DIGITS = 4  # of a px


def write_truth(root: Path, records: Sequence[ImageRecord]) -> None:
    """Write both files below `root`, with the same ids for the same people."""
    images: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    exact: list[dict[str, Any]] = []
    for record in records:
        if not record.labelled:
            continue
        image_id = len(images) + 1
        images.append(_make_image(record, image_id))
        for person in record.people:
            has_points = bool((person.keypoints[:, 2] > 0).any())
            if record.source == "mpii" and not has_points:
                continue  # MPII's box rule needs at least one keypoint
            annotation_id = len(truth) + 1
            truth.append(
                _make_annotation(
                    person, record, image_id, annotation_id, person.keypoints, person.box_xywh
                )
            )
            exact.append(
                _make_annotation(
                    person, record, image_id, annotation_id, person.exact, person.exact_box_xywh
                )
            )
    for name, annotations in (("truth", truth), ("exact", exact)):
        content = {
            "info": {"description": f"smallpose synthetic data set: {name}"},
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


def _make_image(record: ImageRecord, image_id: int) -> dict[str, Any]:
    image = {
        "id": image_id,
        "file_name": record.file_name,
        "width": record.width,
        "height": record.height,
        "source": record.source,
        "source_id": record.source_id,
        "split": record.split,
    }
    return image | ({"group": record.group} if record.group else {})


def _make_annotation(
    person: Person,
    record: ImageRecord,
    image_id: int,
    annotation_id: int,
    keypoints: np.ndarray[Any, np.dtype[np.float64]],
    box_xywh: np.ndarray[Any, np.dtype[np.float64]],
) -> dict[str, Any]:
    size = np.array([record.width], dtype=float), np.array([record.height], dtype=float)
    box = [round(c, DIGITS) for c in clip_boxes(box_xywh[None], *size)[0].tolist()]
    seen = keypoints[:, 2] > 0
    flat: list[float] = []
    for x, y, v in np.where(seen[:, None], keypoints, 0.0).tolist():
        flat += [round(x, DIGITS), round(y, DIGITS), int(v)]
    annotation = {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": int(person.iscrowd),
        "num_keypoints": int(seen.sum()),
        "keypoints": flat,
        "source": record.source,
        "box_rule": ANNOTATORS[record.source].box_rule,
    }
    if person.segmentation_area is not None:
        annotation["segmentation_area"] = person.segmentation_area
    return annotation
