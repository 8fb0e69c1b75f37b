"""Why `coco` and `owned` differ: three people found perfectly, and one person found twice.

python examples/protocols.py [FIGURE.svg]     prints the numbers, and draws the scene
"""

import sys
from pathlib import Path

import numpy as np

import smallpose
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17

# A standing person in a unit box, COCO's 17 joints.
POSE = np.array(
    [
        (0.50, 0.08),
        (0.54, 0.06),
        (0.46, 0.06),
        (0.58, 0.08),
        (0.42, 0.08),
        (0.72, 0.24),
        (0.28, 0.24),
        (0.82, 0.40),
        (0.18, 0.40),
        (0.86, 0.55),
        (0.14, 0.55),
        (0.64, 0.54),
        (0.36, 0.54),
        (0.66, 0.76),
        (0.34, 0.76),
        (0.66, 0.97),
        (0.34, 0.97),
    ]
)
# Name, box, how many joints are labelled: few in a large box, all in a middling, all in a tiny one.
PEOPLE = (
    ("sparse", (20.0, 20.0, 75.0, 150.0), 4),
    ("moderate", (140.0, 50.0, 50.0, 110.0), 17),
    ("dense", (250.0, 110.0, 22.0, 50.0), 17),
)
SCORES = (0.6, 0.9, 0.5)
SECOND = (150.0, 46.0, 50.0, 110.0, 0.8)  # the moderate person once more, 10 px beside, score .8


def placed(box: tuple[float, ...]) -> np.ndarray:
    """(17, 3) the pose in a box."""
    xy = POSE * np.array(box[2:4]) + np.array(box[:2])
    return np.concatenate([xy, np.ones((17, 1))], axis=1)


def scene() -> tuple[smallpose.Instances, smallpose.Predictions]:
    """The truth, and four detections."""
    keypoints = np.stack([placed(box) for _, box, _ in PEOPLE])
    found = np.concatenate([keypoints, placed(SECOND)[None]])
    keypoints[:, :, 2] = 2
    for row, (_, _, labelled) in enumerate(PEOPLE):
        keypoints[row, labelled:] = 0
    boxes = [box for _, box, _ in PEOPLE]
    truth = make_instances(
        COCO17, make_images([1], ["a.jpg"], [320], [200]), [0] * 3, boxes, keypoints
    )
    predictions = make_predictions(
        COCO17, [1] * 4, found, [*SCORES, SECOND[4]], [*boxes, SECOND[:4]]
    )
    return truth, predictions


def draw(truth: smallpose.Instances, found: smallpose.Predictions, path: Path) -> None:
    """The scene as a picture: labels in grey, detections in colour with their scores."""
    from smallpose.report.figures import LIGHT, SERIES, finished, new_axes, svg

    figure, axes = new_axes(6.4, 3.8)
    for row, (name, (x, y, w, h), labelled) in enumerate(PEOPLE):
        axes.add_patch(_box(x, y, w, h, LIGHT.quiet))
        seen = truth.keypoints[row][truth.keypoints[row, :, 2] > 0]
        axes.plot(seen[:, 0], seen[:, 1], "o", ms=3, color=LIGHT.quiet)
        what = f"{name}\n{labelled} joints labelled\nfound, score {SCORES[row]}"
        axes.text(x, y + h + 4, what, va="top", fontsize=8, color=LIGHT.ink)
    x, y, w, h, score = SECOND
    axes.add_patch(_box(x, y, w, h, SERIES[1]))
    axes.plot(found.keypoints[3, :, 0], found.keypoints[3, :, 1], "o", ms=3, color=SERIES[1])
    axes.text(
        x + w + 3, y + 4, f"found twice,\nscore {score}", fontsize=8, color=SERIES[1], va="top"
    )
    axes.set(xlim=(0, 320), ylim=(205, 10), xticks=[], yticks=[], aspect="equal")
    axes.grid(visible=False)
    path.write_bytes(svg(finished(figure)))


def _box(x: float, y: float, w: float, h: float, colour: str) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), w, h, fill=False, lw=1.5, color=colour)


def main() -> None:
    truth, found = scene()
    result = smallpose.evaluate(truth, found, protocols=("coco", "owned", "recall"))
    print(result)
    if len(sys.argv) > 1:
        draw(truth, found, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
