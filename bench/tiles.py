"""Tiles and second looks of full-image methods, on frames in which people are small.

    OMP_NUM_THREADS=1 python bench/tiles.py --data SET --work WORK RUN [RUN ...]
        [--looks "none;--tile 320;--zoom auto"] [--frames N | --as-is] [--max-people all]

SET is a built set, whose test images RUN was not trained on. Sixteen of them fill a grey frame of
1280 × 960 px, each reduced by area averages until the median height of its people is drawn from 12
to 48 px (log-uniform), and further where it would not fit; the labels are reduced with it. With
`--as-is` the test images themselves are searched. Each look is one `smallpose predict`. Printed:

- AP and AP_S of protocol `coco` with all detections of an image, and the differences to the first
  look with 95 % intervals over the frames;
- the shares of people below 24 and below 48 px, and of the others, with a pose of OKS .5 or more;
- wrong: of as many detections of the highest scores as there are people, how many match nobody;
- twice: the share of people with a pose who have a second one of OKS .5 that is nearest to them;
- processor seconds a frame of the whole command without its start, whose time is that of one frame.

What WORK has is not predicted again.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.matching.oks import compute_oks
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results

FRAME_WH = np.array([1280, 960])
GRID = np.array([4, 4])
GREY = 114
HEIGHTS = (12.0, 48.0)  # px, of the median person of an image
LOOKS = "none;--tile 640;--tile 320;--tile 160;--tile auto --smallest 12;--zoom auto"
NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Look:
    """What one call of `predict` has found, and its processor seconds an image."""

    predictions: Predictions
    seconds: float


def choose_factor(heights, image_wh, rng):
    """Return by how much an image is reduced, so that its people are small and it fits."""
    drawn = np.exp(rng.uniform(*np.log(HEIGHTS)))
    wanted = np.median(heights) / drawn if len(heights) else 4.0
    return max(wanted, 1.0, *(np.array(image_wh) / (FRAME_WH // GRID)))


def reduce_annotation(annotation, scale, corner):
    """Return an annotation in px of the frame; pixel centres are at integers.

    Args:
        scale: (2,) of both axes.
        corner: (2,) of the reduced image in the frame.
    """
    keypoints = np.array(annotation["keypoints"], float).reshape(-1, 3)
    is_labelled = keypoints[:, 2] > 0
    keypoints[is_labelled, :2] = (keypoints[is_labelled, :2] + 0.5) * scale - 0.5 + corner
    box = np.array(annotation["bbox"], float)
    low = (box[:2] + 0.5) * scale - 0.5 + corner
    kept = {k: annotation[k] for k in ("id", "category_id", "iscrowd", "num_keypoints", "source")}
    return kept | {
        "bbox": [*low.tolist(), *(box[2:] * scale).tolist()],
        "area": annotation["area"] * float(scale.prod()),
        "keypoints": keypoints.reshape(-1).tolist(),
    }


def write_frames(data, work, num_frames):
    """Write frames and their labels; return the path of the labels."""
    truth = json.loads((data / "annotations" / "test.json").read_text())
    people: dict[int, list[dict]] = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        people[annotation["image_id"]].append(annotation)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(truth["images"]))
    num_cells = int(GRID.prod())
    cell_wh = FRAME_WH // GRID
    images, annotations = [], []
    (work / "images").mkdir(parents=True)
    for frame in range(min(num_frames, len(order) // num_cells)):
        pixels = np.full((FRAME_WH[1], FRAME_WH[0], 3), GREY, np.uint8)
        for cell in range(num_cells):
            image = truth["images"][order[frame * num_cells + cell]]
            labelled = [a for a in people[image["id"]] if a["num_keypoints"]]
            wh = np.array([image["width"], image["height"]])
            factor = choose_factor([a["bbox"][3] for a in labelled], wh, rng)
            small_wh = np.maximum(np.round(wh / factor), 1).astype(int)
            column_row = np.array([cell % GRID[0], cell // GRID[0]])
            corner = column_row * cell_wh + rng.integers(0, cell_wh - small_wh + 1)
            full = cv2.imread(str(data / "images" / image["file_name"]))
            small = cv2.resize(full, small_wh.tolist(), interpolation=cv2.INTER_AREA)
            x, y = corner.tolist()
            pixels[y : y + small_wh[1], x : x + small_wh[0]] = small
            annotations += [
                reduce_annotation(a, small_wh / wh, corner) | {"image_id": frame + 1}
                for a in people[image["id"]]
            ]
        name = f"{frame + 1:03d}.png"
        cv2.imwrite(str(work / "images" / name), pixels)
        size = {"width": int(FRAME_WH[0]), "height": int(FRAME_WH[1])}
        images.append({"id": frame + 1, "file_name": name, **size})
    content = {"images": images, "annotations": annotations, "categories": truth["categories"]}
    path = work / "truth.json"
    path.write_bytes(msgspec.json.encode(content))
    return path


def predict(run, truth, images, look, out, max_people):
    """Predict all images once; return the processor seconds, kept beside the results."""
    times = out.with_suffix(".cpu")
    if not times.is_file():
        flags = [] if look == "none" else look.split()
        command = [sys.executable, "-m", "smallpose", "predict", str(run), "--data", str(truth)]
        command += ["--images", str(images), "--out", str(out), *flags]
        command += ["--max-people", max_people] if max_people else []
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        used = after.children_user + after.children_system
        times.write_text(str(used - before.children_user - before.children_system))
    return float(times.read_text())


def count_start(run, work, truth, images, max_people):
    """Return the processor seconds of a call for one image, of which next to all are its start."""
    content = json.loads(truth.read_text())
    one = content["images"][:1]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] == one[0]["id"]]
    path = work / "one.json"
    path.write_text(json.dumps({**content, "images": one}))
    out = work / f"one_{run.name}.json"
    return predict(run, path, images, "none", out, max_people)


def share_found_twice(people: Instances, predictions: Predictions) -> float:
    """Return the share of people with a pose who have more than one."""
    people = people.to_skeleton(predictions.skeleton)
    rows = np.flatnonzero(people.is_counted & (people.num_labelled > 0))
    counts = []
    for row, image in enumerate(people.images.ids.tolist()):
        present = rows[people.image_rows[rows] == row]
        detections = np.flatnonzero(predictions.image_ids == image)
        if not len(present) or not len(detections):
            continue
        oks = compute_oks(
            predictions.keypoints[detections],
            people.keypoints[present],
            people.boxes_xywh[present],
            people.area[present],
            predictions.skeleton.sigmas,
        )
        nearest = oks.argmax(axis=1)[oks.max(axis=1) >= 0.5]
        counts.append(np.bincount(nearest, minlength=len(present)))
    all_counts = np.concatenate(counts)
    return float((all_counts > 1).sum() / max((all_counts > 0).sum(), 1))


def describe_look(evaluation, twice, seconds):
    """Return the row of one look."""
    detected = evaluation.detected
    counts = evaluation.match_counts
    is_wrong = (counts.false_positives["coco"][0] & 1).astype(bool)
    is_right = (counts.true_positives[0] & 1).astype(bool)
    counted = np.flatnonzero(is_wrong | is_right)
    num_people = len(detected.height)
    best = counted[np.argsort(-counts.scores[counted], kind="stable")][:num_people]
    cells = [f"{100 * evaluation['coco'][name]:.1f}" for name in ("AP", "AP_S")]
    for low, high in ((0, 24), (24, 48), (0, 48), (48, 1e9)):
        is_member = (detected.height >= low) & (detected.height < high)
        share = detected.is_detected[is_member].mean() if is_member.any() else np.nan
        cells.append(f"{share:.3f} of {is_member.sum()}")
    wrong = is_wrong[best].sum()
    cells += [f"{wrong} of {len(best)}", f"{len(is_wrong)}", f"{100 * twice:.1f} %"]
    return [*cells, f"{seconds:.2f}"]


def print_run(run, people, looks):
    """Print the rows of all looks of a run, and the differences to the first."""
    print(f"\n{run.name}, {len(people.images)} images")
    print("look | AP | AP_S | < 24 px | 24-48 px | < 48 px | others | wrong | all | twice | CPU s")
    predictions = {name: look.predictions for name, look in looks.items()}
    result = compare(people, predictions, max_detections=None, num_resamples=NUM_RESAMPLES)
    for name, look in looks.items():
        twice = share_found_twice(people, look.predictions)
        print(name, *describe_look(result.evaluations[name], twice, look.seconds), sep=" | ")
    for one in result.differences:
        if one.name in ("AP", "AP50", "AP_S") and one.interval is not None:
            ends = f"{100 * one.interval.low:+.1f} to {100 * one.interval.high:+.1f}"
            print(f"{one.other} - {one.base}: {one.name} {100 * one.difference:+.1f} ({ends})")


def main():
    """Write the frames, predict them and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="Folders of runs.")
    parser.add_argument("--data", type=Path, required=True, help="Built set.")
    parser.add_argument("--work", type=Path, required=True, help="Folder of all that is written.")
    parser.add_argument("--looks", default=LOOKS, help="Options of predict, with ; between.")
    parser.add_argument("--frames", type=int, default=1000, help="Number of frames at most.")
    parser.add_argument("--as-is", action="store_true", help="Search the test images themselves.")
    parser.add_argument("--max-people", default="", help="As of predict.")
    args = parser.parse_args()
    truth, images = args.data / "annotations" / "test.json", args.data / "images"
    if not args.as_is:
        truth, images = args.work / "truth.json", args.work / "images"
        if not truth.is_file():
            write_frames(args.data, args.work, args.frames)
    args.work.mkdir(exist_ok=True)
    people = read_coco(truth)
    heights = people.boxes_xywh[people.is_counted, 3]
    parts = np.percentile(heights, [5, 50, 95]).round(1).tolist()
    print(f"{len(heights)} people; 5, 50 and 95 % of the heights: {parts} px")
    for run in args.runs:
        start = count_start(run, args.work, truth, images, args.max_people)
        looks = {}
        for index, look in enumerate(args.looks.split(";")):
            name = f"{run.name}_{index}_{look.replace('-', '').replace(' ', '_')}"
            out = args.work / f"{name}.json"
            used = predict(run, truth, images, look, out, args.max_people)
            predictions = read_results(out, people)
            looks[look] = Look(predictions, (used - start) / (len(people.images) - 1))
        print_run(run, people, looks)


if __name__ == "__main__":
    main()
