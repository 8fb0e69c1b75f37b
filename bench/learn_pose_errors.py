"""Learn the small network of the label audit: which label error, if any, a pose shows.

    python bench/learn_pose_errors.py person_keypoints_train2017.json [MPII.json …] --out FILE.npz

Errors of known kinds are planted into people of the given COCO files and a network learns to name
them. It needs PyTorch; the audit itself computes the network with NumPy. The network in
`src/smallpose/dataset/label_audit/` was learned on COCO train2017 and MPII's training people, which
share no image with the files that bench/label_audit.py measures.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, scale_boxes
from smallpose.core.skeleton import SMALLPOSE, map_joints
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES, NEIGHBOURS, PARTS
from smallpose.dataset.label_audit.pose_features import describe_poses
from smallpose.io.coco_annotations import read_coco

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

MIN_JOINTS = 5
# Shares of the planted errors by kind; the rest is left as it is.
SHARES = {
    "sides": 0.09,
    "arms": 0.04,
    "legs": 0.09,
    "face": 0.02,
    "neighbours": 0.11,
    "moved": 0.10,
    "two_people": 0.09,
}
# Limb ends are exchanged and misplaced more often than joints of the trunk.
NEIGHBOUR_WEIGHTS = {"wrist": 4.0, "ankle": 1.5}
MOVED_WEIGHTS = {"wrist": 3.0, "elbow": 2.0, "ankle": 2.0, "knee": 1.5, "chest": 0.0, "pelvis": 0.0}
INDEX = {hypothesis: n for n, hypothesis in enumerate(HYPOTHESES)}
JOINT = {name: n for n, name in enumerate(SMALLPOSE.joints)}
FLIP = SMALLPOSE.flip_indices
SWAPS = {
    "arms": (("elbow", "wrist"), ("shoulder", "elbow", "wrist"), ("wrist",), ("elbow",)),
    "legs": (("knee", "ankle"), ("hip", "knee", "ankle"), ("ankle",), ("knee",)),
    "face": (("eye", "ear"), ("eye",), ("ear",)),
}


@dataclass(frozen=True)
class People:
    """Poses of 21 joints (n, 21, 3), boxes (n, 4), and (n,) rows of a neighbour in the image."""

    keypoints: Floats
    boxes: Floats
    neighbours: Ints

    def take(self, rows: Ints) -> "People":
        """Return some rows; neighbours stay rows of the whole table."""
        return People(self.keypoints[rows], self.boxes[rows], self.neighbours[rows])


def read_people(paths: list[Path]) -> People:
    """Read all people with enough joints, and for each the nearest other person of the image."""
    keypoints, boxes, neighbours = [], [], []
    first = 0
    for path in paths:
        people = read_coco(path)
        people = people.take(
            np.flatnonzero(people.is_counted & (people.num_labelled >= MIN_JOINTS))
        )
        keypoints.append(map_joints(people.keypoints, people.skeleton, SMALLPOSE))
        boxes.append(people.boxes_xywh)
        neighbours.append(find_neighbours(people.image_rows, people.boxes_xywh) + first)
        first += len(people)
    return People(np.concatenate(keypoints), np.concatenate(boxes), np.concatenate(neighbours))


def find_neighbours(images: Ints, boxes: Floats) -> Ints:
    """Return the row of the nearest other person of the image; a person alone is their own."""
    neighbours = np.arange(len(images))
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    order = np.argsort(images, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(images[order])) + 1):
        if len(rows) > 1:
            distance = np.linalg.norm(centres[rows][:, None] - centres[rows][None], axis=2)
            np.fill_diagonal(distance, np.inf)
            neighbours[rows] = rows[distance.argmin(axis=1)]
    return neighbours


def plant_errors(
    people: People, all_people: People, rng: np.random.Generator
) -> tuple[People, Ints]:
    """Plant an error into half of the people; return them and the index of each hypothesis."""
    people = vary_poses(people, rng)
    keypoints = people.keypoints
    labels = np.zeros(len(keypoints), dtype=np.intp)
    kinds = rng.choice(
        len(SHARES) + 1, len(keypoints), p=[1 - sum(SHARES.values()), *SHARES.values()]
    )
    for number, kind in enumerate(SHARES, 1):
        rows = np.flatnonzero(kinds == number)
        if kind == "sides":
            changed = keypoints[rows][:, FLIP]
            differs = (changed != keypoints[rows]).any(axis=(1, 2))
            keypoints[rows] = changed
            labels[rows[differs]] = INDEX["sides", ()]
        elif kind in SWAPS:
            swap_sides(keypoints, labels, rows, kind, rng)
        elif kind == "neighbours":
            exchange_neighbours(keypoints, labels, rows, rng)
        elif kind == "moved":
            move_joints(keypoints, labels, rows, rng)
        else:
            mix_people(people, all_people, labels, rows, rng)
    boxes = vary_boxes(keypoints, people.boxes, rng)
    return People(keypoints, boxes, people.neighbours), labels


def vary_poses(people: People, rng: np.random.Generator) -> People:
    """Mirror half of the people, rotate a little, and hide parts of the skeleton."""
    keypoints, boxes = people.keypoints.copy(), people.boxes.copy()
    is_mirrored = rng.random(len(keypoints)) < 0.5
    keypoints[is_mirrored] = keypoints[is_mirrored][:, FLIP]
    keypoints[is_mirrored, :, 0] *= -1
    boxes[is_mirrored, 0] = -boxes[is_mirrored, 0] - boxes[is_mirrored, 2]
    # Data sets without a face, without hidden joints, and people cut off by the image.
    face = [JOINT[n] for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
    no_face = np.flatnonzero(rng.random(len(keypoints)) < 0.15)
    keypoints[np.ix_(no_face, face)] = 0
    only_nose = np.flatnonzero(rng.random(len(keypoints)) < 0.05)
    keypoints[np.ix_(only_nose, face[1:])] = 0
    no_hidden = rng.random(len(keypoints)) < 0.15
    v = keypoints[:, :, 2]
    v[no_hidden] = np.where(v[no_hidden] > 0, 2, 0)
    end_boxes_at_tables(keypoints, boxes, rng)
    is_dropped = (rng.random(v.shape) < 0.1) & (rng.random(len(v)) < 0.3)[:, None]
    keypoints[is_dropped] = 0
    return People(keypoints, boxes, people.neighbours)


def end_boxes_at_tables(keypoints: Floats, boxes: Floats, rng: np.random.Generator) -> None:
    """Hide the legs of some people and let their boxes end at the visible joints.

    AI Challenger guesses legs below tables and draws boxes around what can be seen.
    """
    rows = np.flatnonzero(rng.random(len(keypoints)) < 0.08)
    parts = ("knee", "ankle") if rng.random() < 0.5 else ("hip", "knee", "ankle")
    legs = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in parts]
    v = keypoints[np.ix_(rows, legs)][:, :, 2]
    keypoints[np.ix_(rows, legs, [2])] = np.where(v > 0, 1.0, 0.0)[:, :, None]
    visible = np.where(keypoints[rows][:, :, 2:] == 2, keypoints[rows], 0.0)
    has_box = (visible[:, :, 2] > 0).sum(axis=1) >= 3
    boxes[rows[has_box]] = scale_boxes(box_around_keypoints(visible[has_box]), 1.15)


def vary_boxes(keypoints: Floats, boxes: Floats, rng: np.random.Generator) -> Floats:
    """Replace some boxes by none, some by the extent of the pose with its errors."""
    boxes = boxes.copy()
    how = rng.random(len(boxes))
    around = scale_boxes(box_around_keypoints(keypoints), 1.0)
    factor = rng.uniform(1.0, 1.4, len(boxes))[:, None]
    centre = around[:, :2] + around[:, 2:] / 2
    around = np.concatenate([centre - around[:, 2:] * factor / 2, around[:, 2:] * factor], axis=1)
    boxes[how < 0.3] = around[how < 0.3]
    boxes[how > 0.7] = 0
    return boxes


def swap_sides(
    keypoints: Floats, labels: Ints, rows: Ints, kind: str, rng: np.random.Generator
) -> None:
    """Exchange left and right of the arms, the legs or the face."""
    variants = SWAPS[kind]
    chosen = rng.choice(
        len(variants), len(rows), p=[0.55, *[0.45 / (len(variants) - 1)] * (len(variants) - 1)]
    )
    for number, parts in enumerate(variants):
        some = rows[chosen == number]
        columns = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in parts]
        some = some[(keypoints[np.ix_(some, columns)][:, :, 2] > 0).sum(axis=1) >= 2]
        keypoints[np.ix_(some, columns)] = keypoints[np.ix_(some, FLIP[columns])]
        labels[some] = INDEX[kind, ()]


def exchange_neighbours(
    keypoints: Floats, labels: Ints, rows: Ints, rng: np.random.Generator
) -> None:
    """Exchange two joints that a limb connects, such as an elbow and its wrist."""
    weights = np.array([weigh_joint(NEIGHBOUR_WEIGHTS, pair[1]) for pair in NEIGHBOURS])
    chosen = rng.choice(len(NEIGHBOURS), len(rows), p=weights / weights.sum())
    for number, pair in enumerate(NEIGHBOURS):
        columns = [JOINT[name] for name in pair]
        some = rows[chosen == number]
        some = some[(keypoints[np.ix_(some, columns)][:, :, 2] > 0).all(axis=1)]
        keypoints[np.ix_(some, columns)] = keypoints[np.ix_(some, columns[::-1])]
        labels[some] = INDEX["neighbours", pair]


def move_joints(keypoints: Floats, labels: Ints, rows: Ints, rng: np.random.Generator) -> None:
    """Move one joint by .3 to 4 times the root mean square distance from the centre."""
    weights = np.array([weigh_joint(MOVED_WEIGHTS, joint) for joint in SMALLPOSE.joints])
    waiting = rng.exponential(size=(len(rows), len(weights))) / np.maximum(weights, 1e-9)
    waiting[keypoints[rows, :, 2] == 0] = np.inf
    joints = waiting.argmin(axis=1)
    scale = measure_spread(keypoints[rows])
    distance = scale * np.exp(rng.uniform(np.log(0.3), np.log(4.0), len(rows)))
    angle = rng.uniform(0, 2 * np.pi, len(rows))
    keypoints[rows, joints, 0] += distance * np.cos(angle)
    keypoints[rows, joints, 1] += distance * np.sin(angle)
    labels[rows] = [INDEX["moved", (SMALLPOSE.joints[j],)] for j in joints]


def weigh_joint(weights: dict[str, float], joint: str) -> float:
    """Return the weight of a joint by its name without its side; 1 where it has none."""
    return weights.get(joint.rpartition("_")[2], 1.0)


def measure_spread(keypoints: Floats) -> Floats:
    """Return the root mean square distance of the joints from their centre, px."""
    weight = keypoints[:, :, 2:] > 0
    count = np.maximum(weight.sum(axis=1), 1)
    centre = (keypoints[:, :, :2] * weight).sum(axis=1) / count
    offset = (keypoints[:, :, :2] - centre[:, None]) * weight
    return np.asarray(np.sqrt((offset**2).sum(axis=(1, 2)) / count[:, 0]))


def mix_people(
    people: People, all_people: People, labels: Ints, rows: Ints, rng: np.random.Generator
) -> None:
    """Take some joints from another person: the neighbour, or one who is set beside them."""
    keypoints = people.keypoints
    groups = list(PARTS.values())
    for row in rows:
        other = all_people.keypoints[people.neighbours[row]].copy()
        own = keypoints[row]
        if not (own[:, 2] > 0).any():
            continue
        # A mirrored person has a negative position, so the neighbour is mirrored with them.
        if people.boxes[row, 0] + people.boxes[row, 2] <= 0:
            other = other[FLIP]
            other[:, 0] *= -1
        is_alone = (
            (other[:, 2] == 0).all()
            or np.array_equal(other[:, :2], own[:, :2])
            or rng.random() < 0.3
        )
        if is_alone:
            other = all_people.keypoints[rng.integers(len(all_people.keypoints))].copy()
            size = measure_spread(np.stack([own, other]))
            other[:, :2] *= size[0] / max(size[1], 1e-6) * np.exp(rng.normal(0, 0.3))
            side = rng.choice([-1, 1]) * rng.uniform(0.5, 4.0) * size[0]
            centres = [p[p[:, 2] > 0, :2].mean(axis=0) for p in (own, other)]
            other[:, :2] += centres[0] - centres[1] + [side, rng.normal(0, 0.7) * size[0]]
            other[other[:, 2] == 0] = 0
        columns = [JOINT[name] for name in groups[rng.integers(len(groups))]]
        columns = [c for c in columns if own[c, 2] > 0 or other[c, 2] > 0]
        is_mixed = (other[columns, 2] > 0).sum() >= 2
        rest = np.delete(own[:, 2], columns)
        if is_mixed and (rest > 0).sum() >= 2 and not np.array_equal(own[columns], other[columns]):
            own[columns] = other[columns]
            labels[row] = INDEX["two_people", ()]


def train_network(
    people: People, epochs: int, width: int, seed: int, start: Path | None
) -> torch.nn.Sequential:
    """Train the network on errors that are planted anew in every epoch.

    Args:
        start: a network to continue from; None to begin anew.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    size = describe_poses(people.keypoints[:2], people.boxes[:2]).shape[1]
    network = torch.nn.Sequential(
        torch.nn.Linear(size, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, len(HYPOTHESES)),
    )
    if start is not None:
        load_weights(network, start)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    max_rate = 3e-3 if start is None else 1.5e-3
    steps = epochs * (len(people.keypoints) // 512)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_rate, total_steps=steps)
    for epoch in range(epochs):
        begin = time.process_time()
        planted, labels = plant_errors(
            people.take(rng.permutation(len(people.keypoints))), people, rng
        )
        inputs = torch.from_numpy(describe_poses(planted.keypoints, planted.boxes)).float()
        targets = torch.from_numpy(labels)
        total = 0.0
        for start in range(0, len(inputs) // 512 * 512, 512):
            loss = torch.nn.functional.cross_entropy(
                network(inputs[start : start + 512]), targets[start : start + 512]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * 512
        spent = time.process_time() - begin
        print(f"epoch {epoch + 1}: loss {total / len(inputs):.4f}, {spent:.1f} CPU s", flush=True)
    return network


def load_weights(network: torch.nn.Sequential, path: Path) -> None:
    """Load the weights that `save_network` wrote."""
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    with np.load(path) as arrays, torch.no_grad():
        for number, layer in enumerate(layers):
            layer.weight.copy_(torch.from_numpy(arrays[f"weight{number}"].T.astype(np.float32)))
            layer.bias.copy_(torch.from_numpy(arrays[f"bias{number}"].astype(np.float32)))


def save_network(network: torch.nn.Sequential, path: Path) -> None:
    """Write weights as half precision."""
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    arrays = {}
    for number, layer in enumerate(layers):
        arrays[f"weight{number}"] = layer.weight.detach().numpy().T.astype(np.float16)
        arrays[f"bias{number}"] = layer.bias.detach().numpy().astype(np.float16)
    np.savez_compressed(path, **arrays)


def main() -> None:
    """Read the files, train and write the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="COCO keypoint files.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="File to write.")
    parser.add_argument("--epochs", type=int, default=60, metavar="N", help="Epochs.")
    parser.add_argument("--width", type=int, default=256, metavar="N", help="Hidden units.")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="Seed.")
    parser.add_argument("--start", type=Path, metavar="FILE", help="Network to continue from.")
    args = parser.parse_args()
    people = read_people(args.files)
    print(f"{len(people.keypoints):,} people")
    save_network(train_network(people, args.epochs, args.width, args.seed, args.start), args.out)


if __name__ == "__main__":
    main()
