"""The torchmetrics metric equals the evaluator, batch by batch and rank by rank."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")

from smallpose.core.errors import InputError  # noqa: E402
from smallpose.core.instances import make_images, make_instances  # noqa: E402
from smallpose.core.predictions import make_predictions  # noqa: E402
from smallpose.core.skeleton import COCO17  # noqa: E402
from smallpose.evaluation.evaluate import evaluate  # noqa: E402
from smallpose.training.torchmetrics_metric import KeypointAP  # noqa: E402


def make_lists(seed, num_images=12):
    """Make lists of predictions and targets of crowded images, as torchmetrics takes them."""
    rng = np.random.default_rng(seed)
    preds, target = [], []
    for _ in range(num_images):
        g = int(rng.integers(0, 5))
        corner = rng.random((g, 2)) * 300
        side = rng.integers(40, 400, (g, 2)).astype(float)
        points = corner[:, None] + rng.random((g, 17, 2)) * side[:, None]
        v = rng.integers(0, 3, (g, 17, 1)).astype(float)
        truth = np.concatenate([points, v], axis=2)
        d = np.repeat(np.arange(g), rng.integers(0, 3, g))
        keypoints = points[d] + rng.normal(0, 6, (len(d), 17, 2))
        keypoints = np.concatenate([keypoints, rng.random((len(d), 17, 1))], axis=2)
        boxes = np.concatenate([corner, corner + side], axis=1)
        preds.append({"keypoints": keypoints, "scores": rng.random(len(d)), "boxes": boxes[d]})
        target.append({"keypoints": truth, "boxes": boxes, "iscrowd": rng.random(g) < 0.1})
    return to_tensors(preds), to_tensors(target)


def to_tensors(lists):
    return [{k: torch.from_numpy(np.asarray(v)) for k, v in one.items()} for one in lists]


def evaluate_lists(preds, target):
    n = range(1, len(preds) + 1)
    images = make_images(n, [str(i) for i in n])

    def column(lists, key, width):
        return np.concatenate([np.asarray(one[key]).reshape(-1, *width) for one in lists])

    def xywh(boxes):
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)

    people = np.repeat(np.arange(len(target)), [len(t["boxes"]) for t in target])
    image_ids = np.repeat(np.arange(1, len(preds) + 1), [len(p["scores"]) for p in preds])
    truth = make_instances(
        COCO17,
        images,
        people,
        xywh(column(target, "boxes", (4,))),
        column(target, "keypoints", (17, 3)),
        iscrowd=column(target, "iscrowd", ()),
    )
    predictions = make_predictions(
        COCO17,
        image_ids,
        column(preds, "keypoints", (17, 3)),
        column(preds, "scores", ()),
        xywh(column(preds, "boxes", (4,))),
    )
    return evaluate(truth, predictions)["coco"]


@pytest.mark.parametrize("seed", range(5))
def test_updates_in_batches_equal_the_evaluator(seed):
    preds, target = make_lists(seed)
    metric = KeypointAP("coco17")
    for start in range(0, len(preds), 5):
        metric.update(preds[start : start + 5], target[start : start + 5])
    for name, value in evaluate_lists(preds, target).items():
        got = metric.compute()[name].item()
        assert math.isnan(got) if value is None else got == pytest.approx(value, abs=1e-7)


def _rank(rank, port, folder):
    import json
    import os

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    preds, target = make_lists(9)
    half = slice(0, 6) if rank == 0 else slice(6, None)
    metric = KeypointAP("coco17")
    metric.update(preds[half], target[half])
    scores = {n: v.item() for n, v in metric.compute().items()}
    (folder / f"{rank}.json").write_text(json.dumps(scores))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_give_the_scores_of_one(tmp_path):
    import json
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = torch.multiprocessing.start_processes  # forks have imported all packages
    start(_rank, args=(port, tmp_path), nprocs=2, start_method="fork")
    one = KeypointAP("coco17")
    one.update(*make_lists(9))
    expected = {n: v.item() for n, v in one.compute().items()}
    for rank in range(2):
        got = json.loads((tmp_path / f"{rank}.json").read_text())
        assert got == pytest.approx(expected, nan_ok=True, abs=0)


def test_no_updates_and_classes_without_people_are_nan():
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert math.isnan(KeypointAP("coco17").compute()["AP"].item())


def test_areas_scale_oks_as_in_the_evaluator():
    preds, target = make_lists(3)
    target = [t | {"area": 0.4 * (t["boxes"][:, 2:] - t["boxes"][:, :2]).prod(1)} for t in target]
    scores = {}
    for rule in ("file", "box", "0.53box"):
        metric = KeypointAP("coco17", oks_area=rule)
        metric.update(preds, target)
        scores[rule] = metric.compute()["AP"].item()
    assert scores["file"] < scores["0.53box"] < scores["box"]
    plain = KeypointAP("coco17")
    plain.update(preds, target)
    assert plain.compute()["AP"].item() == scores["file"]


def test_lists_that_do_not_fit_are_refused():
    preds, target = make_lists(0)
    with pytest.raises(InputError, match="11 predictions, 12 targets"):
        KeypointAP("coco17").update(preds[1:], target)
    with pytest.raises(InputError, match=r"preds\[0\]: keypoints are .* \(\d, 21, 3\)"):
        KeypointAP("smallpose21").update(preds, target)
