"""COCO keypoints: polygons, crowds as run lengths, whole px, no keypoints on small masks (6.4)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.synthetic.labels.formats.dump import whole, write_json
from smallpose.synthetic.labels.records import Person, Picture

_ORDER = SMALLPOSE.index(COCO17.joints)


def write_coco(root: Path, pictures: Sequence[Picture]) -> None:
    """`annotations/person_keypoints_{train,val}2017.json` below `root`."""
    for split in ("train", "val"):
        own = [p for p in pictures if p.split == split]
        images = [_image(p) for p in own]
        annotations: list[dict[str, Any]] = []
        for picture in own:
            for person in picture.people:
                # COCO's numbers are large and far apart, crowds have a range of their own.
                number = (
                    900_100_000_000 if person.iscrowd else 183_000 + 4_000_000 * (split == "val")
                )
                number += 7 * (len(annotations) + 1)
                annotations.append(_annotation(person, int(picture.source_id), number, picture))
        content = {
            "info": {
                "description": "smallpose synthetic world, in the layout of COCO 2017",
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


def _image(picture: Picture) -> dict[str, Any]:
    return {
        "license": 1,
        "file_name": Path(picture.file_name).name,
        "coco_url": "",
        "height": picture.height,
        "width": picture.width,
        "date_captured": "2013-11-14 17:02:52",
        "flickr_url": "",
        "id": int(picture.source_id),
    }


def _annotation(person: Person, image: int, number: int, picture: Picture) -> dict[str, Any]:
    flat: list[int] = []
    for x, y, v in person.keypoints[_ORDER].tolist():
        flat += [whole(x), whole(y), int(v)] if v else [0, 0, 0]
    segmentation: Any = person.extra.get("polygons")
    if person.iscrowd:
        segmentation = {
            "counts": person.extra["counts"],
            "size": [picture.height, picture.width],
        }
    return {
        "segmentation": segmentation,
        "num_keypoints": int((person.keypoints[_ORDER, 2] > 0).sum()),
        "area": person.segmentation_area,
        "iscrowd": int(person.iscrowd),
        "keypoints": flat,
        "image_id": image,
        "bbox": [round(c, 2) for c in person.box_xywh.tolist()],
        "category_id": 1,
        "id": number,
    }
