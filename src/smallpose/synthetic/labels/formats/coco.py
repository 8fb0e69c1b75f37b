"""Write COCO files: polygons, crowds as run lengths, no keypoints on small masks (6.4)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import round_half_up, write_json
from smallpose.synthetic.labels.records import ImageRecord, Person

_ORDER = SMALLPOSE.joint_indices(COCO17.joints)


def write_coco(root: Path, records: Sequence[ImageRecord]) -> None:
    """Write `annotations/person_keypoints_{train,val}2017.json` below `root`."""
    for split in ("train", "val"):
        in_split = [r for r in records if r.split == split]
        images = [_make_image(r) for r in in_split]
        annotations: list[dict[str, Any]] = []
        for record in in_split:
            for person in record.people:
                # COCO's ids are large and far apart, and crowds have a range of their own.
                annotation_id = (
                    900_100_000_000 if person.iscrowd else 183_000 + 4_000_000 * (split == "val")
                )
                annotation_id += 7 * (len(annotations) + 1)
                annotations.append(_make_annotation(person, annotation_id, record))
        content = {
            "info": {
                "description": "smallpose synthetic data set, in the layout of COCO 2017",
                "url": "",
                "version": "1.0",
                "year": 2017,
                "contributor": "smallpose",
                "date_created": "2017/09/01",
            },
            "licenses": [{"url": "", "id": 1, "name": "synthetic"}],
            "images": images,
            "annotations": annotations,
            "categories": [
                {
                    "supercategory": "person",
                    "id": 1,
                    "name": "person",
                    "keypoints": list(COCO17.joints),
                    "skeleton": [[a + 1, b + 1] for a, b in COCO17.edges],
                }
            ],
        }
        write_json(root / "annotations" / f"person_keypoints_{split}2017.json", content)


def _make_image(record: ImageRecord) -> dict[str, Any]:
    return {
        "license": 1,
        "file_name": Path(record.file_name).name,
        "coco_url": "",
        "height": record.height,
        "width": record.width,
        "date_captured": "2013-11-14 17:02:52",
        "flickr_url": "",
        "id": int(record.source_id),
    }


def _make_annotation(person: Person, annotation_id: int, record: ImageRecord) -> dict[str, Any]:
    flat: list[int] = []
    for x, y, v in person.keypoints[_ORDER].tolist():
        flat += [round_half_up(x), round_half_up(y), int(v)] if v else [0, 0, 0]
    segmentation: Any = person.extra.get("polygons")
    if person.iscrowd:
        segmentation = {
            "counts": person.extra["counts"],
            "size": [record.height, record.width],
        }
    return {
        "segmentation": segmentation,
        "num_keypoints": int((person.keypoints[_ORDER, 2] > 0).sum()),
        "area": person.segmentation_area,
        "iscrowd": int(person.iscrowd),
        "keypoints": flat,
        "image_id": int(record.source_id),
        "bbox": [round(c, 2) for c in person.box_xywh.tolist()],
        "category_id": 1,
        "id": annotation_id,
    }
