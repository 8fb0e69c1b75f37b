"""Run poseaudit on COCO files and print its numbers and times as JSON.

    python peer.py TRUTH.json RESULTS.json [RESAMPLES]

It runs in an environment that has poseaudit. Keypoints 17 and 18 are the middles of the hips and of
the shoulders. Without RESAMPLES nothing is resampled.
"""

import json
import sys
import time

import poseaudit
from poseaudit.audit import audit
from poseaudit.io.coco import load_coco, load_coco_results
from poseaudit.measures import angle, length, tilt
from poseaudit.pairing import pair

MEASURES = {
    "angle:left_elbow": (angle(5, 7, 9), 15.0),
    "tilt:trunk": (tilt(17, 18), 15.0),
    "length:left_thigh": (length(11, 13), 10.0),
}


def list_numbers(result):
    """Return the numbers that smallpose has, too, under its names."""
    counts = result.not_read
    return {
        "read": result.n,
        "unlabelled": counts.unlabelled,
        "missed": counts.missed,
        "uncounted": counts.no_predicted_point,
        "unmeasurable": counts.unmeasurable,
        "bias": result.bias,
        "limits": result.limits,
        "percentile_limits": result.percentile_limits,
        "mean_abs_error": result.mean_abs_error,
        "median_abs_error": result.median_abs_error,
        "p95_abs_error": result.p95_abs_error,
        "rmse": result.rmse,
        "share_beyond": result.big_error_rate,
        "slope": result.slope,
        "intercept": result.offset,
        "icc": result.icc,
        "ccc": result.ccc,
        "pearson": result.pearson,
    }


def main():
    """Pair, audit and print."""
    truth, results, *more = sys.argv[1:]
    resamples = int(more[0]) if more else 1
    labelled = load_coco(truth)
    predicted = load_coco_results(results, truth)
    start = time.perf_counter()
    pairs = pair(labelled, predicted)
    numbers = {}
    for name, (measure, limit) in MEASURES.items():
        settings = {"resamples": resamples, "jitter_repeats": 0}
        numbers[name] = list_numbers(audit(pairs, measure, limit, **settings))
    seconds = time.perf_counter() - start
    version = poseaudit.__version__
    print(json.dumps({"version": version, "seconds": seconds, "measures": numbers}))


if __name__ == "__main__":
    main()
