"""Export to Label Studio: tasks with a rectangle for each person and the keypoints nested in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.corrections.label_studio_form import build_config, build_regions
from smallpose.dataset.corrections.people import Id, ListedPerson
from smallpose.dataset.export.export_result import ExportResult, export_images
from smallpose.system.files import write_atomically

CROWD_LABEL = "crowd"
PERSON_LABEL = "person"
_SPLIT_NAMES = {"train": "train", "test": "val"}
_USAGE = """1. Create a project and paste `labeling_config.xml` into its labelling interface.
2. Let Label Studio serve this folder, before it starts:

```text
LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=(the full path of this folder)
```

3. In the project's *Cloud storage*, add *Local files* with the folder `images`.
4. Import `train.json` and `val.json`.

Export as **JSON**: its COCO export merges the people of an image. `smallpose build SET --source
NAME=DIR` reads that export, and this folder as it is."""


def export_label_studio(built: BuiltSet, out: Path, image_mode: str) -> ExportResult:
    """Fill `out` with `train.json`, `val.json`, the labelling interface and `images/`."""
    result = ExportResult("Label Studio tasks", usage=_USAGE)
    for split, people in built.parts.items():
        name = _SPLIT_NAMES[split]
        tasks = list(_build_tasks(people, name))
        write_atomically(out / f"{name}.json", msgspec.json.encode(tasks).decode())
        folder = out / "images" / name
        folder.mkdir(parents=True)
        targets = {file_name: folder / file_name for file_name in people.images.file_names}
        export_images(built, targets, image_mode, result)
        result.images += len(people.images)
        result.people += len(people)
    skeleton = next(iter(built.parts.values())).skeleton
    labels = [PERSON_LABEL, CROWD_LABEL]
    config = build_config(skeleton.spelled_joints, labels, with_remarks=False)
    write_atomically(out / "labeling_config.xml", config.decode())
    result.losses = [
        "positions are percentages of the image, so they come back with deviations below a "
        "millionth of a px",
        "sources, box rules, areas of masks, groups and tracks are not exported; ids are in the "
        "field data.people of each task",
        f"crowd regions are rectangles with the label {CROWD_LABEL!r}",
        *built.describe_dropped_joints(),
    ]
    return result


def _build_tasks(people: Instances, split: str) -> Iterator[dict[str, Any]]:
    """Build a task of each image, also of those without people."""
    images = people.images
    rows_of_image: list[list[int]] = [[] for _ in range(len(images))]
    for row, image in enumerate(people.image_rows.tolist()):
        rows_of_image[image].append(row)
    file_ids, image_ids = people.file_ids, images.file_ids
    joints = people.skeleton.spelled_joints
    for image, rows in enumerate(rows_of_image):
        regions: list[dict[str, Any]] = []
        ids = {}
        for number, row in enumerate(rows, 1):
            region = f"person{number}"
            ids[region] = file_ids[row]
            label = CROWD_LABEL if people.iscrowd[row] else PERSON_LABEL
            person = _describe_person(people, row, file_ids[row], image_ids[image])
            regions += build_regions(region, person, joints, label)
        path = quote(f"images/{split}/{images.file_names[image]}")
        yield {
            "data": {
                "image": f"/data/local-files/?d={path}",
                "image_id": image_ids[image],
                "people": ids,
            },
            "annotations": [{"result": regions}],
        }


def _describe_person(people: Instances, row: int, own_id: Id, image_id: Id) -> ListedPerson:
    image = int(people.image_rows[row])
    width, height = int(people.images.width[image]), int(people.images.height[image])
    if width <= 0 or height <= 0:
        raise InputError(
            f"image {people.images.file_names[image]}",
            "its width and height are unknown",
            "build the data set with its images",
        )
    x, y, w, h = people.boxes_xywh[row].tolist()
    return ListedPerson(
        id=own_id,
        image_id=image_id,
        file_name=people.images.file_names[image],
        width=width,
        height=height,
        box_xywh=(x, y, w, h),
        keypoints=people.keypoints[row],
        reason="",
        suspect_joints=(),
        score=0.0,
    )
