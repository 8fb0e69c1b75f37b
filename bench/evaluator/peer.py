"""Run one evaluator in a separate process, from files to numbers, for bench/evaluator.py to time.

    python bench/evaluator/peer.py NAME DIR [--task paper|one-pass]

`paper`: AP, AP50, AP75, AP_S/M/L, the three density classes, AR. No peer knows the density of a
person, so each class needs a prepared truth and a separate run. `one-pass`: the seven of these
that a peer computes in a single run, its best case. Prints the metrics as JSON.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path

TINY, TOP = 5e-324, 1e10
RANGES = {
    "all": [0.0, TOP],
    "small": [TINY, 12287.999999999998],
    "medium": [12288.0, 49151.99999999999],
    "large": [49152.0, TOP],
}
DENSITY = ("sparse", "moderate", "dense")


def list_runs(task):
    """Yield the truth file and its classes for each run."""
    yield "gt_box.json", list(RANGES)
    if task == "paper":
        for name in DENSITY:
            yield f"gt_{name}.json", [name]


def list_ranges(names):
    return [RANGES.get(name, RANGES["small"]) for name in names]


def run_like_pycocotools(cocos, scorer, folder, sigmas, task):
    predictions = None
    for truth_name, names in list_runs(task):
        truth = cocos(str(folder / truth_name))
        predictions = predictions or truth.loadRes(str(folder / "dt.json"))
        e = scorer(truth, predictions)
        e.params.kpt_oks_sigmas = sigmas
        e.params.areaRng, e.params.areaRngLbl = list_ranges(names), names
        e.evaluate()
        e.accumulate()
        yield names, e.eval["precision"], e.eval["recall"]


def run_hotcoco(folder, sigmas, task):
    from hotcoco import COCO, COCOeval

    predictions = None
    for truth_name, names in list_runs(task):
        truth = COCO(str(folder / truth_name))
        predictions = predictions or truth.load_res(str(folder / "dt.json"))
        e = COCOeval(truth, predictions, "keypoints")
        e.params.kpt_oks_sigmas = list(sigmas)
        e.params.area_rng, e.params.area_rng_lbl = list_ranges(names), names
        e.evaluate()
        e.accumulate()
        yield names, e.eval["precision"], e.eval["recall"]


def run_peer(name, folder, task):
    import numpy as np

    sigmas = np.array(json.loads((folder / "meta.json").read_text())["sigmas"])
    if name == "hotcoco":
        results = run_hotcoco(folder, sigmas, task)
    elif name == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        results = run_like_pycocotools(
            COCO, lambda a, b: COCOeval(a, b, "keypoints"), folder, sigmas, task
        )
    elif name == "xtcocotools":
        from xtcocotools.coco import COCO
        from xtcocotools.cocoeval import COCOeval

        def scorer(a, b):
            return COCOeval(a, b, "keypoints", sigmas)

        results = run_like_pycocotools(COCO, scorer, folder, sigmas, task)
    elif name == "faster-coco-eval":
        from faster_coco_eval import COCO, COCOeval_faster

        def scorer(a, b):
            return COCOeval_faster(a, b, "keypoints", kpt_oks_sigmas=list(sigmas), extra_calc=False)

        results = run_like_pycocotools(COCO, scorer, folder, sigmas, task)
    elif name == "ultrafast-pycocotools":
        from ultrafast_pycocotools import COCO, COCOeval

        def scorer(a, b):
            return COCOeval(
                a, b, "keypoints", kpt_oks_sigmas=list(sigmas), print_function=lambda _: None
            )

        results = run_like_pycocotools(
            lambda path: COCO(path, verbose=False), scorer, folder, sigmas, task
        )
    else:
        raise SystemExit(f"no peer {name}")
    suffix = dict(zip(RANGES, ("", "_S", "_M", "_L"), strict=True))
    suffix |= {kind: f"_S_{kind}" for kind in DENSITY}
    metrics = {}

    def mean(values):
        valid = values[values > -1]
        return float(np.mean(valid)) if len(valid) else None

    for names, precision, recall in results:
        precision, recall = np.asarray(precision), np.asarray(recall)
        for a, one in enumerate(names):
            metrics[f"AP{suffix[one]}"] = mean(precision[:, :, 0, a, -1])
            if one == "all":
                metrics["AP50"] = mean(precision[0, :, 0, a, -1])
                metrics["AP75"] = mean(precision[5, :, 0, a, -1])
                metrics["AR"] = mean(recall[:, 0, a, -1])
    return metrics


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=("paper", "one-pass"), default="paper")
    args = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        metrics = run_peer(args.name, args.folder, args.task)
    print(json.dumps(metrics))
