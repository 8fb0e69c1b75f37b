"""FiftyOne's COCO layout: per split a folder `data/` of pictures and a `labels.json`."""

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
    """Fill `out` with `train/` and `test/`; annotations are the set's own."""
    written = ExportResult("FiftyOne (COCO layout)", usage=_USAGE)
    for split, people in built.parts.items():
        data = out / split / "data"
        data.mkdir(parents=True)
        copy_labels(built, split, out / split / "labels.json")
        targets = {name: data / name for name in people.images.file_names}
        export_images(built, targets, image_mode, written)
        written.images += len(people.images)
        written.people += len(people)
    written.losses = [
        "the file loses nothing; FiftyOne's importer does not keep whether a keypoint is hidden "
        "(v = 1) or seen (v = 2)",
        *built.describe_dropped_joints(),
    ]
    return written
