"""Joints that a source does not label: left out of the loss, or taught to be absent.

    OMP_NUM_THREADS=1 python bench/partial_labels.py --data SET --synthetic DIR [--out FILE]
        [--arms "masked;zero;..."] [--seeds 3] [--epochs 4]

`smallpose synth DIR` and `smallpose build SET` with its five sources make the data (*variants* in
bench/README.md). A tiny SimpleBaseline is trained by `quick`, once per arm and seed. In `masked`,
as in `smallpose train`, unlabelled joints have no weight; in `zero` the maps of the joints that a
person's source never labels are taught to be empty. With `embedding`, a learned vector of the
source is added to the backbone's features, and when predicting the mean of the vectors, weighted
by the sources' people.

Predicted are the test people whom their source labels, in their rendered boxes. Scored are all
joints that are visible in the image, by their rendered places, also those that the person's source
does not label: COCO's AP of all 21 joints and of groups of them, and of the labels themselves. The
mean over seeds and the difference to `masked`, paired by seed, have 95 % intervals (Student's t).
With --out, the line of each training goes to a file, and trainings with a line there are not
repeated.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from smallpose.core.instances import SOURCES, Instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.image_cache import CachedImageReader
from smallpose.dataloading.images import ImageReader, open_set_images
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader
from smallpose.evaluation.evaluate import evaluate
from smallpose.inference.boxes import select_true_boxes
from smallpose.inference.options import InferenceOptions
from smallpose.inference.top_down import predict_top_down
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method
from smallpose.methods.heatmap import HeatmapMethod
from smallpose.training.data import select_trainable
from smallpose.training.schedule import compute_learning_rate, create_optimizer
from smallpose.training.settings import SettingData, read_setting_data

METHOD = "simple_baseline_r18_tiny"
ARMS = ("masked", "zero", "masked, embedding", "zero, embedding")
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")  # not in all sources
TRUNK = ("head_top", "head_bottom", "chest", "pelvis")  # none of COCO
GROUPS = {
    "21 joints": SMALLPOSE.joints,
    "head, chest, pelvis": TRUNK,
    "face": FACE,
    "12 of all sources": tuple(j for j in SMALLPOSE.joints if j not in TRUNK + FACE),
}
IMAGE_BYTES = 2 * 2**30


def find_labelled_joints(people: Instances) -> Tensor:
    """Return (sources, k) whether a source labels a joint at all."""
    is_labelled = np.zeros((len(SOURCES), len(people.skeleton)), dtype=bool)
    np.logical_or.at(is_labelled, people.source, people.keypoints[:, :, 2] > 0)
    return torch.from_numpy(is_labelled)


def read_rendered(folder: Path, test: Instances) -> Instances:
    """Read the test people whom their source labels, with all their visible joints."""
    rendered, labels = (read_coco(folder / f"{name}.json") for name in ("exact", "truth"))
    assert np.array_equal(rendered.ids, labels.ids)
    names = np.array(labels.images.file_names)[labels.image_rows]
    is_chosen = (labels.keypoints[:, :, 2] > 0).any(axis=1) & ~labels.iscrowd
    is_chosen &= np.isin(names, test.images.file_names)
    keypoints = rendered.keypoints.copy()
    keypoints[keypoints[:, :, 2] < 2] = 0  # hidden ones
    images = np.unique(labels.image_rows[is_chosen])
    kept = replace(rendered, keypoints=keypoints).take(np.flatnonzero(is_chosen))
    return kept.take_images(images)


def select_joints(people: Instances, joints: tuple[str, ...]) -> Instances:
    """Return the people with the labels of some joints only."""
    is_other = ~np.isin(people.skeleton.joints, joints)
    keypoints = people.keypoints.copy()
    keypoints[:, is_other] = 0
    return replace(people, keypoints=keypoints)


def train_arm(
    people: Instances, reader: ImageReader, arm: str, seed: int, epochs: int
) -> HeatmapMethod:
    """Train one arm with one seed."""
    torch.manual_seed(seed)
    method = create_method(METHOD, SMALLPOSE)
    assert isinstance(method, HeatmapMethod)
    channels = method.backbone.out_channels
    vectors = nn.Embedding(len(SOURCES), channels)
    nn.init.zeros_(vectors.weight)
    if "embedding" in arm:
        method.source_vectors = vectors
    recipe = replace(method.recipes["quick"], epochs=epochs)
    rows = select_trainable(people)
    dataset = CropDataset(
        people, rows, reader, method.input_wh, recipe.augment, seed, method.udp_warp
    )
    loader = CropLoader(dataset, LoaderOptions(batch_size=recipe.batch_size))
    is_labelled = find_labelled_joints(people)
    source = torch.from_numpy(people.source.astype(np.int64))
    optimizer = create_optimizer(method, recipe)
    method.train()
    step = 0
    for epoch in range(epochs):
        for batch in loader.batches(epoch):
            rate = compute_learning_rate(step, loader.steps_per_epoch, recipe)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["rate_share"]
            sources = source[batch.rows]
            features = method.backbone(method.prepare(batch.crops))
            if "embedding" in arm:
                features = features + vectors(sources)[:, :, None, None]
            maps, weights = method.targets(batch.keypoints)
            if arm.startswith("zero"):
                is_absent = ~is_labelled[sources]
                weights = weights.masked_fill(is_absent, 1)
                maps = maps.masked_fill(is_absent[:, :, None, None], 0)
            loss = sum(method.loss(method.head(features), (maps, weights)).values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
    counts = torch.from_numpy(np.bincount(people.source[rows], minlength=len(SOURCES)))
    with torch.no_grad():
        mean = (vectors.weight * counts[:, None]).sum(dim=0) / counts.sum()
    method.network = lambda images: method.head(method.backbone(images) + mean[:, None, None])
    return method.eval()


def score_arm(
    method: HeatmapMethod, data: SettingData, rendered: Instances, reader: ImageReader
) -> dict[str, float | None]:
    """Score a trained network on the rendered places of joints and on the labels."""
    options = InferenceOptions(flip_test=False)
    boxes = select_true_boxes(rendered)
    predictions = predict_top_down(method, rendered, boxes, reader.read, options)
    scores = {
        group: evaluate(select_joints(rendered, joints), predictions)["coco"]["AP"]
        for group, joints in GROUPS.items()
    }
    boxes = select_true_boxes(data.test)
    predictions = predict_top_down(method, data.test, boxes, reader.read, options)
    return scores | {"labels": evaluate(data.test, predictions)["coco"]["AP"]}


def format_interval(values: np.ndarray) -> str:
    """Format a mean with its interval in points."""
    mean = values.mean()
    if len(values) < 2:
        return f"{mean:+.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def print_table(results: list[Mapping], arms: list[str]) -> None:
    """Print a table in Markdown of the seeds that all arms have."""
    result_of = {(r["arm"], r["seed"]): r for r in results}
    all_seeds = sorted({r["seed"] for r in results})
    seeds = [s for s in all_seeds if all((arm, s) in result_of for arm in arms)]
    columns = [*GROUPS, "labels"]
    print(f"\n| {len(seeds)} seeds | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for arm in arms:
        cells = []
        for name in columns:
            values = np.array([100 * result_of[arm, s][name] for s in seeds])
            cell = f"{values.mean():.1f}"
            if arm != "masked" and "masked" in arms:
                base = np.array([100 * result_of["masked", s][name] for s in seeds])
                cell += f", {format_interval(values - base)}"
            cells.append(cell)
        print(f"| {arm} | " + " | ".join(cells) + " |")


def main() -> None:
    """Train all arms and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="SET", help="Built set.")
    parser.add_argument(
        "--synthetic", type=Path, required=True, metavar="DIR", help="Folder of `smallpose synth`."
    )
    parser.add_argument(
        "--arms", default=";".join(ARMS), metavar="LIST", help="Arms, by semicolon (default: all)."
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="Number of seeds (default: 3)."
    )
    parser.add_argument(
        "--epochs", type=int, default=4, metavar="N", help="Number of epochs (default: 4)."
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="File for a line per training.")
    args = parser.parse_args()
    arms = args.arms.split(";")
    torch.set_num_threads(1)
    results = []
    if args.out and args.out.exists():
        results = [json.loads(line) for line in args.out.read_text().splitlines()]
    is_done = {(r["arm"], r["seed"]) for r in results}
    data = read_setting_data(args.data, "B")
    reader = CachedImageReader(open_set_images(args.data), IMAGE_BYTES)
    rendered = read_rendered(args.synthetic, data.test)
    print(f"{len(select_trainable(data.train)):,} people to train on, {len(rendered):,} to test on")
    for seed in range(args.seeds):
        for arm in arms:
            if (arm, seed) in is_done:
                continue
            start = time.process_time()
            method = train_arm(data.train, reader, arm, seed, args.epochs)
            trained = time.process_time()
            scores = score_arm(method, data, rendered, reader)
            seconds = {
                "train_s": round(trained - start, 1),
                "test_s": round(time.process_time() - trained, 1),
            }
            results.append({"arm": arm, "seed": seed, **scores, **seconds})
            print(json.dumps(results[-1]), flush=True)
            if args.out:
                with args.out.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
    print_table(results, arms)


if __name__ == "__main__":
    main()
