"""Train tiny variants on 9,000 photographs of LSP-extended, and rank them on 1,000 others.

    OMP_NUM_THREADS=1 python bench/real_people.py --lsp DIR --work WORK [--synthetic BENCH]
        [--methods LIST] [--seeds LIST] [--hold-out]

DIR has `joints.mat` and `images/` of the Leeds Sports Pose Extended Training Dataset (Johnson and
Everingham 2011; 10,000 photographs of 14 joints, labelled by crowd workers; for research). Its
labels become a source of one's own, WORK/lspet, as docs/custom-source.md describes; the images are
linked. Then run, as printed: `smallpose build` (WORK/set), `benchmark` with the recipe `quick`
(WORK/bench) and `resolution` of the first seed's runs on the test people (WORK/resolution). Printed
last are AP by method with the heights at which half of it is left, and Kendall's tau of the order
with that of `--synthetic`, a benchmark of the same methods on synthetic people. What WORK has is
not repeated. With `--hold-out` only WORK/set is built, and WORK/held_out from its training part: a
set whose test part are a tenth of the training photographs, to choose recipes on.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
from scipy.io import loadmat
from scipy.stats import kendalltau

from smallpose.core.boxes import box_around_keypoints

METHODS = "simple_baseline_r18_tiny,hrnet_w16_tiny,simcc_r18_tiny,expected_oks_tiny"
# LSP's joints in its order; its neck is the lower end of the head.
JOINTS = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow"),
    *("left_wrist", "head_bottom", "head_top"),
)
MARGIN = 0.15  # of the joints' extent, at every side
HEIGHTS = "8,12,16,24,32,48,64,96,128"  # px; 604 of the test people are as tall
MIN_JOINTS = 2  # fewer have no box


def convert_person(number, keypoints, width, height):
    """Return the COCO annotation of one image's person."""
    x, y, w, h = box_around_keypoints(keypoints[None])[0]
    low = np.clip([x - MARGIN * w, y - MARGIN * h], 0, [width, height])
    high = np.clip([x + (1 + MARGIN) * w, y + (1 + MARGIN) * h], 0, [width, height])
    size = high - low
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": keypoints.reshape(-1).tolist(),
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "bbox": [*low.tolist(), *size.tolist()],
        "area": float(size.prod()),  # as the builder writes it
    }


def read_joints(path):
    """Return (n, 14, 3) x, y, v, with zeros for joints that are not labelled."""
    joints = loadmat(path)["joints"].transpose(2, 0, 1).astype(float)
    joints[:, :, :2] -= 1  # MATLAB counts pixels from 1
    joints[:, :, 2] = np.where(joints[:, :, 2] > 0, 2, 0)
    joints[joints[:, :, 2] == 0] = 0
    return joints


def write_source(lsp, folder):
    """Write `train.json` and `test.json` in COCO's form, a tenth for tests, and link the images."""
    joints = read_joints(lsp / "joints.mat")
    num_test = len(joints) // 10  # before near-duplicates of training images are moved to them
    order = np.random.default_rng(0).permutation(len(joints))
    category = {"id": 1, "name": "person", "keypoints": JOINTS, "skeleton": []}
    folder.mkdir(parents=True)
    (folder / "images").symlink_to((lsp / "images").resolve())
    for part, rows in (("test", order[:num_test]), ("train", order[num_test:])):
        images, people = [], []
        for row in sorted(rows.tolist()):
            number = row + 1
            name = f"im{number:05d}.jpg"
            image = cv2.imread(str(lsp / "images" / name))
            if image is None:  # a copy may have some of the images
                continue
            height, width = image.shape[:2]
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            if (joints[row, :, 2] > 0).sum() >= MIN_JOINTS:
                people.append(convert_person(number, joints[row], width, height))
        content = {"images": images, "annotations": people, "categories": [category]}
        (folder / f"{part}.json").write_bytes(msgspec.json.encode(content))


def hold_out(data, folder):
    """Write the training part of a set as a set whose test part are a tenth of the images."""
    content = json.loads((data / "annotations" / "train.json").read_text())
    numbers = sorted(image["id"] for image in content["images"])
    held_out = set(np.random.default_rng(1).permutation(numbers)[: len(numbers) // 10].tolist())
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").symlink_to((data / "images").resolve())
    for part in ("train", "test"):
        chosen = {number for number in numbers if (number in held_out) == (part == "test")}
        images = [image for image in content["images"] if image["id"] in chosen]
        people = [person for person in content["annotations"] if person["image_id"] in chosen]
        written = {**content, "images": images, "annotations": people}
        (folder / "annotations" / f"{part}.json").write_bytes(msgspec.json.encode(written))


def run_smallpose(*arguments):
    """Print a command of the package and run it."""
    words = [str(argument) for argument in arguments]
    print("smallpose", *words, flush=True)
    subprocess.run([sys.executable, "-m", "smallpose", *words], check=True)


def read_points(run):
    """Return the scores of a run under the protocol `coco`."""
    result = json.loads((run / "result.json").read_text())
    return result["evaluation"]["protocols"]["coco"], result.get("seconds")


def print_table(bench, methods, seeds):
    """Print AP, AP50, AP75 and seconds of each run."""
    for method, seed in itertools.product(methods, seeds):
        points, seconds = read_points(bench / "runs" / f"{method}-B-{seed}")
        cells = " ".join(f"{name} {100 * points[name]:.2f}" for name in ("AP", "AP50", "AP75"))
        print(f"{method} seed {seed}: {cells}, {seconds:.0f} s")


def print_order(bench, other, methods, seeds):
    """Print Kendall's tau between the mean AP here and there, of the methods that both have."""
    methods = [m for m in methods if (other / "runs" / f"{m}-B-{seeds[0]}").is_dir()]
    means = [
        [
            np.mean([read_points(part / "runs" / f"{method}-B-{seed}")[0]["AP"] for seed in seeds])
            for method in methods
        ]
        for part in (bench, other)
    ]
    tau = kendalltau(*means)
    for place, values in zip(("here", "synthetic"), means, strict=True):
        ranked = sorted(zip(values, methods, strict=True), reverse=True)
        print(f"{place}: " + " > ".join(f"{name} {100 * ap:.1f}" for ap, name in ranked))
    print(f"Kendall's tau {tau.statistic:.2f}, exact p {tau.pvalue:.2f}, {len(methods)} methods")


def main():
    """Build, train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lsp", type=Path, required=True, help="Folder of LSP-extended.")
    parser.add_argument("--work", type=Path, required=True, help="Folder of all that is written.")
    parser.add_argument("--methods", default=METHODS, help="Methods to train.")
    parser.add_argument("--seeds", default="0", help="Seeds of each.")
    parser.add_argument("--synthetic", type=Path, help="Folder of a benchmark to compare with.")
    parser.add_argument("--hold-out", action="store_true", help="Write WORK/held_out only.")
    args = parser.parse_args()
    methods, seeds = args.methods.split(","), args.seeds.split(",")
    data, bench = args.work / "set", args.work / "bench"
    source = args.work / "lspet"
    link = ("--link-root", args.lsp.resolve())
    if not source.is_dir():
        write_source(args.lsp, source)
    if not data.is_dir():
        run_smallpose("build", data, "--source", f"lspet={source}", "--leaks", "move", *link)
    if args.hold_out:
        if not (args.work / "held_out").is_dir():
            hold_out(data, args.work / "held_out")
        return
    wanted = ("--methods", args.methods, "--seeds", args.seeds, "--settings", "B")
    run_smallpose("benchmark", "--data", data, "--out", bench, *wanted, "--recipe", "quick", *link)
    truth, images = data / "annotations" / "test.json", data / "images"
    runs = [bench / "runs" / f"{method}-B-{seeds[0]}" for method in methods]
    curve = args.work / "resolution"
    out = ("--out", curve, "--heights", HEIGHTS)
    run_smallpose("resolution", truth, "--images", images, *out, *link, *runs)
    print_table(bench, methods, seeds)
    if args.synthetic is not None:
        print_order(bench, args.synthetic, methods, seeds)


if __name__ == "__main__":
    main()
