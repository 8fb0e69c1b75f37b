"""FiftyOne's COCO layout: per split a folder `data/` of pictures and a `labels.json`."""

from pathlib import Path

from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.export.export_result import Written, labels_only, put_pictures

_USAGE = """```python
import fiftyone as fo

test = fo.Dataset.from_dir(
    dataset_dir="test",
    dataset_type=fo.types.COCODetectionDataset,
    label_types=["detections", "keypoints"],
)
fo.launch_app(test)
```"""


def export_fiftyone(built: BuiltSet, out: Path, pictures: str) -> Written:
    """Fill `out` with `train/` and `test/`; annotations are the set's own."""
    written = Written("FiftyOne (COCO layout)", usage=_USAGE)
    for split, people in built.parts.items():
        data = out / split / "data"
        data.mkdir(parents=True)
        labels_only(built, split, out / split / "labels.json")
        targets = {name: data / name for name in people.images.file_names}
        put_pictures(built, targets, pictures, written)
        written.images += len(people.images)
        written.people += len(people)
    written.losses = [
        "the file loses nothing; FiftyOne's importer does not keep whether a keypoint is hidden "
        "(v = 1) or seen (v = 2)",
        *built.lost_derived(),
    ]
    return written
