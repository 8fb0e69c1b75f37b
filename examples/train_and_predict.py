"""Train the tiny twin on a built set, then find the people of one of its test pictures.

python examples/train_and_predict.py SET RUN [epochs]
"""

import sys
from pathlib import Path

import smallpose
from smallpose.dataloading.images import pictures_of
from smallpose.training.run import Experiment, train

data, run = Path(sys.argv[1]), Path(sys.argv[2])
epochs = sys.argv[3] if len(sys.argv) > 3 else "6"

result = train(
    Experiment(
        method="simple_baseline_r18_tiny",
        data=data,
        out=run,
        setting="B",
        recipe="quick",
        overrides=(("epochs", epochs),),
    )
)
numbers = result["evaluation"]["protocols"]["coco"]
print(f"AP of small people {100 * numbers['AP_S']:.1f}, of all {100 * numbers['AP']:.1f}")

truth = smallpose.read_coco(data / "annotations" / "test.json")
method = smallpose.create_method("simple_baseline_r18_tiny", weights=run)
here = truth.boxes_xywh[truth.image_rows == 0]
picture = pictures_of(data).read(truth.images.file_names[0])  # (h, w, 3) RGB
found = method.predict([picture], [here])
for score, keypoints in zip(found.scores, found.keypoints, strict=True):
    x, y, sure = keypoints[found.skeleton.joints.index("nose")]
    print(f"a person, score {score:.2f}: nose at ({x:.0f}, {y:.0f}), keypoint score {sure:.2f}")
