"""Train a tiny variant on a built set, then predict the people of one of its test images.

python examples/train_and_predict.py SET RUN [EPOCHS]
"""

import argparse
from pathlib import Path

import smallpose
from smallpose.dataloading.images import open_set_images

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", metavar="SET", type=Path, help="Folder of a built set.")
parser.add_argument("run", metavar="RUN", type=Path, help="Folder of the run, which is made.")
parser.add_argument(
    "epochs", metavar="EPOCHS", type=int, nargs="?", default=6, help="Epochs (default: 6)."
)
args = parser.parse_args()

result = smallpose.train(
    smallpose.TrainingConfig(
        method="simple_baseline_r18_tiny",
        data=args.data,
        out=args.run,
        setting="B",
        recipe="quick",
        overrides={"epochs": args.epochs},
    )
)
scores = result["evaluation"]["protocols"]["coco"]
print(f"AP of small people {100 * scores['AP_S']:.1f}, of all {100 * scores['AP']:.1f}")

truth = smallpose.read_coco(args.data)
method = smallpose.create_method("simple_baseline_r18_tiny", weights=args.run)
boxes = truth.boxes_xywh[truth.image_rows == 0]
image = open_set_images(args.data).read(truth.images.file_names[0])  # (h, w, 3) RGB
predictions = method.predict([image], [boxes])
nose = predictions.skeleton.joints.index("nose")
for score, keypoints in zip(predictions.scores, predictions.keypoints, strict=True):
    x, y, nose_score = keypoints[nose]
    print(f"a person, score {score:.2f}: nose at ({x:.0f}, {y:.0f}), score {nose_score:.2f}")
