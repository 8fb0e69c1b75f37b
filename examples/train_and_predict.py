"""Train a tiny variant on a built set, then predict the people of one of its test images.

python examples/train_and_predict.py SET RUN [epochs]
"""

import sys
from pathlib import Path

import smallpose
from smallpose.dataloading.images import open_set_images

data = Path(sys.argv[1])
run = Path(sys.argv[2])
epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 6

result = smallpose.train(
    smallpose.TrainingConfig(
        method="simple_baseline_r18_tiny",
        data=data,
        out=run,
        setting="B",
        recipe="quick",
        overrides={"epochs": epochs},
    )
)
scores = result["evaluation"]["protocols"]["coco"]
print(f"AP of small people {100 * scores['AP_S']:.1f}, of all {100 * scores['AP']:.1f}")

truth = smallpose.read_coco(data / "annotations" / "test.json")
method = smallpose.create_method("simple_baseline_r18_tiny", weights=run)
boxes = truth.boxes_xywh[truth.image_rows == 0]
image = open_set_images(data).read(truth.images.file_names[0])  # (h, w, 3) RGB
predictions = method.predict([image], [boxes])
nose = predictions.skeleton.joints.index("nose")
for score, keypoints in zip(predictions.scores, predictions.keypoints, strict=True):
    x, y, nose_score = keypoints[nose]
    print(f"a person, score {score:.2f}: nose at ({x:.0f}, {y:.0f}), score {nose_score:.2f}")
