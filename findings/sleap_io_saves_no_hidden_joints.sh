#!/bin/bash
# Surprising: save_coco of sleap-io, whose visibility_encoding is "ternary" (0/1/2) by default,
#   writes a hidden joint as one that was never labelled.
# A good guess: a point with coordinates that is marked as not visible becomes x, y, 1, which COCO
#   has for labelled joints that cannot be seen, and counts in num_keypoints.
# What happens: it becomes 0, 0, 0, its place is lost, and the box shrinks to the other joints.
#   save_coco takes the points from Instance.numpy(), which puts NaN at invisible ones unless told
#   otherwise, before it makes visibilities from them, so that "ternary" never has a 1.
# Versions: sleap-io 0.9.5. Date: 29 November 2026. Source: this script; the docstring of save_coco
#   names the encodings.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check sleap-io==0.9.5 2>/dev/null
cat > show.py <<'PY'
import json
import sys
from pathlib import Path

import numpy as np
import sleap_io
from PIL import Image

Image.new("RGB", (64, 48)).save("a.png")
skeleton = sleap_io.Skeleton(["nose", "left_wrist", "right_wrist"])
pose = sleap_io.Instance.from_numpy(np.array([[30.0, 20], [34, 26], [50, 40]]), skeleton=skeleton)
pose.points["visible"][2] = False
video = sleap_io.Video.from_filename(["a.png"])
labels = sleap_io.Labels([sleap_io.LabeledFrame(video=video, frame_idx=0, instances=[pose])])
print(f"right_wrist: xy {pose.points['xy'][2].tolist()}, visible {pose.points['visible'][2]}")


def save_person(encoding):
    sleap_io.save_coco(labels, "saved.json", visibility_encoding=encoding)
    person = json.loads(Path("saved.json").read_text())["annotations"][0]
    print(f"{encoding}: keypoints {person['keypoints']}, num_keypoints {person['num_keypoints']}, "
          f"bbox {person['bbox']}")
    return person


ternary = save_person("ternary")
binary = save_person("binary")
lost = [person["keypoints"][6:] == [0, 0, 0] for person in (ternary, binary)]
sys.exit(lost != [True, True] or ternary["bbox"] != [30, 20, 4, 6])
PY
echo "A hidden joint is saved as not labelled:"
env/bin/pip list 2>/dev/null | grep -E "^sleap-io "
env/bin/python show.py 2>/dev/null
