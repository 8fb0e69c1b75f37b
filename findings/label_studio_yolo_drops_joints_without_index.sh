#!/bin/bash
# Surprising: Label Studio's converter writes a YOLO data set without a single keypoint, and says
#   nothing, if the labels of the interface have no model_index.
# A good guess: joints take the order in which the interface lists them, or the export stops as that
#   to COCO does.
# What happens: each label line ends behind the box, while notes.json lists the joints by name. The
#   COCO export of the same task raises ValueError and names the remedy.
# Versions: label-studio-sdk 2.1.2. Date: 29 November 2026. Source: this script; the guide to
#   exports asks for a model_index on every label (github.com/HumanSignal/label-studio/pull/7537).
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check label-studio-sdk==2.1.2 2>/dev/null
cat > show.py <<'PY'
import json
import sys
from pathlib import Path

from label_studio_sdk.converter import Converter

JOINTS = {"nose": 15, "left_eye": 17}
PLACE = {"original_width": 640, "original_height": 480, "image_rotation": 0, "to_name": "image"}


def make_interface(indexed):
    labels = ""
    for index, name in enumerate(JOINTS):
        attribute = f' model_index="{index}"' if indexed else ""
        labels += f'<Label value="{name}"{attribute}/>'
    return (
        '<View><Image name="image" value="$image"/>'
        '<RectangleLabels name="box" toName="image"><Label value="person"/></RectangleLabels>'
        f'<KeyPointLabels name="joint" toName="image">{labels}</KeyPointLabels></View>'
    )


box = {"x": 10, "y": 10, "width": 20, "height": 40, "rotation": 0, "rectanglelabels": ["person"]}
regions = [PLACE | {"id": "p", "type": "rectanglelabels", "from_name": "box", "value": box}]
for name, x in JOINTS.items():
    point = {"x": x, "y": 15, "width": 0.5, "keypointlabels": [name]}
    regions.append(PLACE | {"id": name, "parentID": "p", "type": "keypointlabels",
                            "from_name": "joint", "value": point})
annotation = {"id": 1, "result": regions, "completed_by": 1}
task = {"id": 1, "data": {"image": "/data/upload/1/a.jpg"}, "annotations": [annotation]}
Path("tasks.json").write_text(json.dumps([task]))


def make_converter(indexed):
    return Converter(make_interface(indexed), project_dir=None, download_resources=False)


def export_yolo(indexed):
    folder = Path(f"yolo_{indexed}")
    make_converter(indexed).convert_to_yolo("tasks.json", str(folder), is_dir=False)
    joints = json.loads((folder / "notes.json").read_text())["categories"][0]["keypoints"]
    values = (folder / "labels/a.txt").read_text().split()
    print(f"YOLO, model_index {indexed}: notes.json has {joints}, a.txt {len(values)} values: "
          f"{' '.join(f'{float(value):g}' for value in values)}")
    return joints, len(values)


def export_coco(indexed):
    try:
        make_converter(indexed).convert_to_coco("tasks.json", f"coco_{indexed}", is_dir=False)
    except ValueError as error:
        return f"ValueError: {error}"
    return "written"


yolo = [export_yolo(indexed) for indexed in (True, False)]
coco = [export_coco(indexed).splitlines()[0][:75] for indexed in (True, False)]
print(f"COCO, model_index True: {coco[0]}\nCOCO, model_index False: {coco[1]}")
expected = [(list(JOINTS), 5 + 2 * 3), (list(JOINTS), 5)]
sys.exit(yolo != expected or coco[0] != "written" or not coco[1].startswith("ValueError"))
PY
echo "Without model_index the YOLO export has no keypoints:"
env/bin/pip list 2>/dev/null | grep -E "^label-studio-sdk "
env/bin/python show.py 2>/dev/null
