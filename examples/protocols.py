"""Why `coco` and `owned` differ: three people detected perfectly, and one of them twice.

python examples/protocols.py [FIGURE.svg]     prints the metrics, and draws the scene
"""

import argparse
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
# Name, box, number of labelled joints: few in a large box, all in a medium and in a tiny one.
PEOPLE = (
    ("sparse", (20.0, 20.0, 75.0, 150.0), 4),
    ("moderate", (140.0, 50.0, 50.0, 110.0), 17),
    ("dense", (250.0, 110.0, 22.0, 50.0), 17),
)
SCORES = (0.6, 0.9, 0.5)
SECOND = (150.0, 46.0, 50.0, 110.0, 0.8)  # the moderate person again, shifted by 10 px, score .8


def place_pose(box: tuple[float, ...]) -> np.ndarray:
    """Return the (17, 3) pose in a box."""
    xy = POSE * np.array(box[2:4]) + np.array(box[:2])
    return np.concatenate([xy, np.ones((17, 1))], axis=1)


def make_scene() -> tuple[smallpose.Instances, smallpose.Predictions]:
    """Return the truth, and four detections."""
    keypoints = np.stack([place_pose(box) for _, box, _ in PEOPLE])
    detections = np.concatenate([keypoints, place_pose(SECOND)[None]])
    keypoints[:, :, 2] = 2
    for row, (_, _, labelled) in enumerate(PEOPLE):
        keypoints[row, labelled:] = 0
    boxes = [box for _, box, _ in PEOPLE]
    truth = make_instances(
        COCO17, make_images([1], ["a.jpg"], [320], [200]), [0] * 3, boxes, keypoints
    )
    predictions = make_predictions(
        COCO17, [1] * 4, detections, [*SCORES, SECOND[4]], [*boxes, SECOND[:4]]
    )
    return truth, predictions


def draw_scene(truth: smallpose.Instances, predictions: smallpose.Predictions, path: Path) -> None:
    """Draw the scene: labels in grey, detections in colour with their scores."""
    from smallpose.report.figures import LIGHT, SERIES, apply_theme, create_axes, render_svg

    figure, axes = create_axes(6.4, 3.8)
    for row, (name, (x, y, w, h), labelled) in enumerate(PEOPLE):
        axes.add_patch(_make_box(x, y, w, h, LIGHT.muted))
        labelled_points = truth.keypoints[row][truth.keypoints[row, :, 2] > 0]
        axes.plot(labelled_points[:, 0], labelled_points[:, 1], "o", ms=3, color=LIGHT.muted)
        text = f"{name}\n{labelled} joints labelled\ndetected, score {SCORES[row]}"
        axes.text(x, y + h + 4, text, va="top", fontsize=8, color=LIGHT.ink)
    x, y, w, h, score = SECOND
    axes.add_patch(_make_box(x, y, w, h, SERIES[1]))
    axes.plot(
        predictions.keypoints[3, :, 0], predictions.keypoints[3, :, 1], "o", ms=3, color=SERIES[1]
    )
    axes.text(
        x + w + 3, y + 4, f"detected twice,\nscore {score}", fontsize=8, color=SERIES[1], va="top"
    )
    axes.set(xlim=(0, 320), ylim=(205, 10), xticks=[], yticks=[], aspect="equal")
    axes.grid(visible=False)
    path.write_bytes(render_svg(apply_theme(figure)))


def _make_box(x: float, y: float, w: float, h: float, colour: str) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), w, h, fill=False, lw=1.5, color=colour)


def main() -> None:
    """Print the metrics of the scene, and draw it when a file is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "figure",
        metavar="FIGURE.svg",
        type=Path,
        nargs="?",
        help="Draw the scene into this file (default: not drawn).",
    )
    args = parser.parse_args()
    truth, predictions = make_scene()
    result = smallpose.evaluate(truth, predictions, protocols=("coco", "owned", "recall"))
    print(result)
    if args.figure:
        draw_scene(truth, predictions, args.figure)


if __name__ == "__main__":
    main()
