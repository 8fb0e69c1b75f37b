"""Claims on runs of known quality: their poses are the ground truth with noise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.report.claims.check import check_claims
from smallpose.report.claims.our_runs import OurResults, collect_our_results
from smallpose.report.inputs.runs import Run

NUM_IMAGES = 80
EACH = 4


@pytest.fixture(scope="module")
def truth() -> Instances:
    """Create people of whom half are small, none overlapping."""
    rng = np.random.default_rng(0)
    n = NUM_IMAGES * EACH
    height = rng.choice([90.0, 120.0, 200.0, 400.0], n)
    boxes = np.stack([np.arange(n) % EACH * 500.0, np.zeros(n), height / 2, height], axis=1)
    xy = boxes[:, None, :2] + rng.random((n, 21, 2)) * boxes[:, None, 2:]
    keypoints = np.concatenate([xy, np.full((n, 21, 1), 2.0)], axis=2)
    images = make_images(range(1, NUM_IMAGES + 1), [f"{i}.jpg" for i in range(NUM_IMAGES)])
    return make_instances(
        SMALLPOSE, images, np.repeat(np.arange(NUM_IMAGES), EACH), boxes, keypoints
    )


def predict(truth: Instances, noise: float, seed: int, joints: int = 21) -> Predictions:
    """Add noise to the poses, in units of the height of the box."""
    labelled = truth if joints == 21 else truth.to_skeleton(COCO17)
    rng = np.random.default_rng(seed)
    poses = labelled.keypoints.copy()
    poses[:, :, :2] += rng.normal(0, noise, poses[:, :, :2].shape) * truth.boxes_xywh[:, None, 3:]
    ids = labelled.images.ids[labelled.image_rows]
    return make_predictions(
        labelled.skeleton, ids, poses, rng.random(len(labelled)), truth.boxes_xywh
    )


def create_run(method: str, setting: str, seed: int = 0, rate: float = 1e-3, **more: object) -> Run:
    """Create a finished run; only its result file matters here."""
    values = {
        "folder": Path(f"{method}_{setting}_{seed}"),
        "method": method,
        "setting": setting,
        "recipe": "quick",
        "recipe_fields": {"learning_rate": rate},
        "seed": seed,
        "parameters": 1,
        "steps": 10,
        "epochs": 1.0,
        "seconds": 1.0,
        "data": None,
        "subset": None,
        "weights": None,
        "environment": {},
        "evaluation": {"protocols": {}},
    }
    return Run(**{**values, **more})  # type: ignore[arg-type]


def collect(truth: Instances, parts: Sequence[tuple[Run, float]]) -> OurResults:
    predictions = {
        n: predict(truth, noise, n, 17 if run.setting == "A" else 21)
        for n, (run, noise) in enumerate(parts)
    }
    results = collect_our_results([run for run, _ in parts], truth, predictions, num_resamples=200)
    assert results is not None
    return results


def verdict(results: OurResults, key: str, protocol: str = "owned") -> str | None:
    checked = check_claims(runs=results)[key]
    finding = checked.owned if protocol == "owned" else checked.coco
    return None if finding is None else finding.verdict


BASE = "simple_baseline_r50"
HRNET = "hrnet_w32"


def test_a_clear_difference_decides_in_both_directions(truth: Instances):
    better = collect(truth, [(create_run(BASE, "B"), 0.02), (create_run(HRNET, "B"), 0.05)])
    worse = collect(truth, [(create_run(BASE, "B"), 0.05), (create_run(HRNET, "B"), 0.02)])
    for protocol in ("owned", "coco"):
        assert verdict(better, "C8P", protocol) == "supported"
        assert verdict(worse, "C8P", protocol) == "not supported"


def test_equally_good_runs_leave_the_claim_open(truth: Instances):
    results = collect(truth, [(create_run(BASE, "B"), 0.04), (create_run(HRNET, "B"), 0.04)])
    finding = check_claims(runs=results)["C8P"].owned
    assert finding is not None
    assert finding.verdict == "cannot tell"
    assert finding.decisive is not None
    assert finding.decisive.difference is not None
    assert finding.decisive.difference.low < 0 < finding.decisive.difference.high


def test_the_same_poses_have_a_difference_of_exactly_zero(truth: Instances):
    """Differences are paired: the resampled images are the same for both."""
    same = predict(truth, 0.04, 1)
    runs = [create_run(BASE, "B"), create_run(HRNET, "B")]
    results = collect_our_results(runs, truth, {0: same, 1: same}, num_resamples=200)
    assert results is not None
    keys = [(method, "B", "AP_S") for method in (BASE, HRNET)]
    difference = results.sources["owned"].subtract(*keys)
    assert difference is not None
    assert (difference.low, difference.value, difference.high) == (0, 0, 0)
    alone = results.sources["owned"].value(keys[0])
    assert alone is not None
    assert alone.high - alone.low > 1


def test_claims_about_missing_runs_have_no_verdict(truth: Instances):
    results = collect(truth, [(create_run(BASE, "B"), 0.03)])
    assert verdict(results, "C8P") is None
    assert verdict(results, "C10") is None


def test_b_is_compared_with_a_on_the_same_17_joints(truth: Instances):
    results = collect(truth, [(create_run(BASE, "A"), 0.05), (create_run(BASE, "B"), 0.02)])
    gain = check_claims(runs=results)["C2"].owned
    assert gain is not None
    known = [c for c in gain.comparisons if c.difference is not None]
    assert len(known) == 3
    assert all("B (17 joints)" in c.what and c.holds for c in known)
    on_17 = results.sources["owned"].value((BASE, "B17", "AP"))
    on_21 = results.sources["owned"].value((BASE, "B", "AP"))
    assert on_17 is not None
    assert on_21 is not None
    assert on_17.value != on_21.value


def test_the_spread_of_seeds_widens_the_interval(truth: Instances):
    alike = collect(truth, [(create_run(BASE, "B", s), 0.040) for s in range(3)])
    apart = collect(
        truth, [(create_run(BASE, "B", s), off) for s, off in enumerate((0.02, 0.04, 0.06))]
    )
    widths = []
    for results in (alike, apart):
        interval = results.sources["owned"].value((BASE, "B", "AP"))
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[1] > 2 * widths[0]
    assert not any("one seed" in note for note in apart.notes)
    assert any("one seed" in note for note in collect(truth, [(create_run(BASE, "B"), 0.04)]).notes)


def test_a_tiny_variant_represents_its_method_and_is_named(truth: Instances):
    results = collect(
        truth,
        [
            (create_run("simple_baseline_r18_tiny", "B"), 0.02),
            (create_run("hrnet_w16_tiny", "B"), 0.06),
        ],
    )
    assert verdict(results, "C8P") == "supported"
    assert "simple_baseline_r18_tiny for simple_baseline_r50" in results.notes[0]
    own = collect(
        truth,
        [(create_run("simple_baseline_r18_tiny", "B"), 0.02), (create_run(BASE, "B"), 0.06)],
    )
    scores = own.sources["owned"].cells[BASE, "B"].scores
    assert [s.run.method for s in scores] == [BASE]


def test_learning_rates_of_our_own_runs_are_compared_too(truth: Instances):
    results = collect(
        truth, [(create_run(BASE, "B", rate=5e-4), 0.02), (create_run(HRNET, "B", rate=5e-6), 0.06)]
    )
    finding = check_claims(runs=results)["C8P"].owned
    assert finding is not None
    assert "different learning rates" in finding.caveats[0]


def test_training_subsets_decide_the_claims_of_table_5(truth: Instances):
    parts = [(create_run(BASE, "A"), 0.08), (create_run(BASE, "B"), 0.02)]
    parts += [(create_run(BASE, "B", s, subset=s), 0.03) for s in range(3)]
    results = collect(truth, parts)
    assert verdict(results, "C13") == "supported"
    assert len(results.sources["owned"].cells[BASE, "subset"].scores) == 3
    assert len(results.sources["owned"].cells[BASE, "B"].scores) == 1


def test_subsets_are_compared_with_a_on_the_same_17_joints(truth: Instances):
    parts = [(create_run(BASE, "A"), 0.08)]
    parts += [(create_run(BASE, "B", s, subset=s), 0.03) for s in range(2)]
    gain = check_claims(runs=collect(truth, parts))["C14"].owned
    assert gain is not None
    assert [c.what for c in gain.comparisons] == [
        f"SimpleBaseline R50 subsets (17 joints) {metric} by 10 above A"
        for metric in ("AP", "AP_S")
    ]
    assert gain.verdict == "supported"


def test_untrained_runs_have_no_results(truth: Instances):
    untrained = [create_run(BASE, "B", epochs=0.0)]
    assert collect_our_results(untrained, truth, {0: predict(truth, 0.1, 0)}) is None


@pytest.mark.slow
def test_two_equally_good_methods_are_rarely_told_apart(truth: Instances):
    """In 25 draws at most a few are told apart (5 % in each direction)."""
    calls = []
    for seed in range(25):
        predictions = {n: predict(truth, 0.04, 2 * seed + n) for n in range(2)}
        runs = [create_run(BASE, "B"), create_run(HRNET, "B")]
        results = collect_our_results(runs, truth, predictions, num_resamples=200)
        assert results is not None
        calls.append(verdict(results, "C8P"))
    assert calls.count("cannot tell") >= 21
