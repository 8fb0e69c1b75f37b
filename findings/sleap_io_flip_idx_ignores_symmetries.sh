#!/bin/bash
# Surprising: sleap-io's Ultralytics export of a skeleton with symmetries says that no joint changes
#   its name in a mirrored image.
# A good guess: flip_idx of data.yaml exchanges the joints that the skeleton pairs, as the
#   skeleton's own get_flipped_node_inds() does.
# What happens: flip_idx is 0, 1, 2, ... always. Ultralytics mirrors half of the training images by
#   default (fliplr 0.5) and takes flip_idx for the new order, so left joints are learned as right
#   ones. Without the key it does not mirror. The names are below node_names, where Ultralytics has
#   kpt_names.
# Versions: sleap-io 0.9.5. Date: 29 November 2026. Source: this script; a flip_idx in sequence is
#   answered in github.com/ultralytics/ultralytics/issues/19619: "It should be swapping symmetrical
#   points."
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check sleap-io==0.9.5 2>/dev/null
cat > show.py <<'PY'
import sys
from pathlib import Path

import numpy as np
import sleap_io
import yaml
from PIL import Image

skeleton = sleap_io.Skeleton(
    ["nose", "left_eye", "right_eye"],
    edges=[("nose", "left_eye"), ("nose", "right_eye")],
    symmetries=[("left_eye", "right_eye")],
)
files = ["a.png", "b.png"]
for file in files:
    Image.new("RGB", (64, 48)).save(file)
video = sleap_io.Video.from_filename(files)
points = np.array([[30.0, 20.0], [34.0, 16.0], [26.0, 16.0]])
frames = []
for number in range(2):
    pose = sleap_io.Instance.from_numpy(points, skeleton=skeleton)
    frames.append(sleap_io.LabeledFrame(video=video, frame_idx=number, instances=[pose]))
sleap_io.Labels(frames).save("export", format="ultralytics")
data = yaml.safe_load(Path("export/data.yaml").read_text())
mirrored = [int(index) for index in skeleton.get_flipped_node_inds()]
print(f"joints: {data.get('node_names')}")
print(f"the skeleton's get_flipped_node_inds(): {mirrored}; flip_idx: {data['flip_idx']}")
print(f"kpt_names in data.yaml: {data.get('kpt_names')}")
sys.exit(mirrored != [0, 2, 1] or data["flip_idx"] != [0, 1, 2] or "kpt_names" in data)
PY
echo "flip_idx of sleap-io's Ultralytics export is the identity:"
env/bin/pip list 2>/dev/null | grep -E "^sleap-io "
env/bin/python show.py 2>/dev/null
