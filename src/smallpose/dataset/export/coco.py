"""Export to COCO's own layout, which CVAT, datumaro, sleap-io and most other tools import."""

from pathlib import Path

from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, copy_labels, export_images

_SPLIT_NAMES = {"train": "train", "test": "val"}
_USAGE = """`annotations/person_keypoints_{train,val}.json` beside `images/{train,val}/`. What tools
do with it (versions in docs/tools.md):

- datumaro: `datumaro.Dataset.import_from(DIR, "coco_person_keypoints")`. It needs the images
  (`--images link` or `copy`) and rounds positions to 0.01 px; when it exports again, areas become
  those of the boxes and crowd regions without a mask become people.
- CVAT: upload a zip of this folder, exported with `--images copy`, as *COCO Keypoints 1.0*.
- sleap-io: `sleap_io.load_coco(FILE, dataset_root="images/train")`. Hidden joints become visible
  ones; crowd regions and people without keypoints become instances without points.
- FiftyOne: use `smallpose export --to fiftyone`, which has the folders that it expects.
- `smallpose build SET --source NAME=DIR` reads it back with its splits."""


def export_coco(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with the annotation files of the data set and its images; test is COCO's val."""
    result = ExportResult("COCO layout", usage=_USAGE)
    for split, people in built.parts.items():
        name = _SPLIT_NAMES[split]
        copy_labels(built, split, out / "annotations" / f"person_keypoints_{name}.json")
        folder = out / "images" / name
        folder.mkdir(parents=True)
        targets = {file_name: folder / file_name for file_name in people.images.file_names}
        export_images(built, targets, image_mode, result)
        result.images += len(people.images)
        result.people += len(people)
    result.losses = built.describe_dropped_joints()
    return result
