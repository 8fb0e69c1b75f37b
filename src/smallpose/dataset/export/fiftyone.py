"""Export to FiftyOne's COCO layout: per split a folder `data/` of images and a `labels.json`."""

from pathlib import Path

from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import ExportResult, copy_labels, export_images

_USAGE = """```python
import fiftyone as fo

test = fo.Dataset.from_dir(
    dataset_dir="test",
    dataset_type=fo.types.COCODetectionDataset,
    label_types=["detections", "keypoints"],
)
fo.launch_app(test)
```"""


def export_fiftyone(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `train/` and `test/`; the annotation files are those of the data set."""
    result = ExportResult("FiftyOne (COCO layout)", usage=_USAGE)
    for split, people in built.parts.items():
        data = out / split / "data"
        data.mkdir(parents=True)
        copy_labels(built, split, out / split / "labels.json")
        targets = {name: data / name for name in people.images.file_names}
        export_images(built, targets, image_mode, result)
        result.images += len(people.images)
        result.people += len(people)
    result.losses = [
        "the file loses nothing, but FiftyOne's own exports do: whole pixels, and neither boxes "
        "nor names of joints beside keypoints",
        *built.describe_dropped_joints(),
    ]
    return result
