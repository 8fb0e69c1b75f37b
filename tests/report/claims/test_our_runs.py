"""Claims on runs whose quality is known, because their poses are the truth, shaken."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.report.claims.check import check_claims
from smallpose.report.claims.our_runs import Ours, ours
from smallpose.report.inputs.runs import Run

IMAGES, EACH = 80, 4


@pytest.fixture(scope="module")
def truth() -> Instances:
    """Half of the people small, every one in a place of his own."""
    rng = np.random.default_rng(0)
    n = IMAGES * EACH
    height = rng.choice([90.0, 120.0, 200.0, 400.0], n)
    boxes = np.stack([np.arange(n) % EACH * 500.0, np.zeros(n), height / 2, height], axis=1)
    xy = boxes[:, None, :2] + rng.random((n, 21, 2)) * boxes[:, None, 2:]
    keypoints = np.concatenate([xy, np.full((n, 21, 1), 2.0)], axis=2)
    images = make_images(range(1, IMAGES + 1), [f"{i}.jpg" for i in range(IMAGES)])
    return make_instances(SMALLPOSE, images, np.repeat(np.arange(IMAGES), EACH), boxes, keypoints)


def found(truth: Instances, off: float, seed: int, joints: int = 21) -> Predictions:
    """Poses that miss by a share of the box's height."""
    seen = truth if joints == 21 else truth.to_skeleton(COCO17)
    rng = np.random.default_rng(seed)
    poses = seen.keypoints.copy()
    poses[:, :, :2] += rng.normal(0, off, poses[:, :, :2].shape) * truth.boxes_xywh[:, None, 3:]
    ids = seen.images.ids[seen.image_rows]
    return make_predictions(seen.skeleton, ids, poses, rng.random(len(seen)), truth.boxes_xywh)


def run(method: str, setting: str, seed: int = 0, rate: float = 1e-3, **more: object) -> Run:
    """A finished run of which only the result file matters here."""
    facts = {
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
    return Run(**{**facts, **more})  # type: ignore[arg-type]


def board(truth: Instances, parts: Sequence[tuple[Run, float]]) -> Ours:
    said = {
        n: found(truth, off, n, 17 if r.setting == "A" else 21) for n, (r, off) in enumerate(parts)
    }
    made = ours([r for r, _ in parts], truth, said, draws=200)
    assert made is not None
    return made


def verdict(made: Ours, key: str, protocol: str = "owned") -> str | None:
    checked = check_claims(runs=made)[key]
    finding = checked.owned if protocol == "owned" else checked.coco
    return None if finding is None else finding.verdict


BASE, SIMCC, HRNET = "simple_baseline_r50", "simcc_r50", "hrnet_w32"


def test_a_clear_difference_is_seen_both_ways(truth: Instances):
    better = board(truth, [(run(BASE, "B"), 0.02), (run(HRNET, "B"), 0.05)])
    worse = board(truth, [(run(BASE, "B"), 0.05), (run(HRNET, "B"), 0.02)])
    for protocol in ("owned", "coco"):
        assert verdict(better, "C8P", protocol) == "supported"
        assert verdict(worse, "C8P", protocol) == "not supported"


def test_equal_skill_cannot_be_told_apart(truth: Instances):
    made = board(truth, [(run(BASE, "B"), 0.04), (run(HRNET, "B"), 0.04)])
    finding = check_claims(runs=made)["C8P"].owned
    assert finding is not None
    assert finding.verdict == "cannot tell"
    assert finding.decides is not None
    assert finding.decides.span is not None
    assert finding.decides.span.low < 0 < finding.decides.span.high


def test_the_same_poses_differ_by_nothing_at_all(truth: Instances):
    """Differences are paired: the images drawn are the same for both."""
    said = found(truth, 0.04, 1)
    made = ours([run(BASE, "B"), run(HRNET, "B")], truth, {0: said, 1: said}, draws=200)
    assert made is not None
    key = [(method, "B", "AP_S") for method in (BASE, HRNET)]
    difference = made.boards["owned"].difference(*key)
    assert difference is not None
    assert (difference.low, difference.value, difference.high) == (0, 0, 0)
    alone = made.boards["owned"].number(key[0])
    assert alone is not None
    assert alone.high - alone.low > 1


def test_what_our_runs_do_not_have_is_not_judged(truth: Instances):
    made = board(truth, [(run(BASE, "B"), 0.03)])
    assert verdict(made, "C8P") is None
    assert verdict(made, "C10") is None


def test_b_is_compared_with_a_on_the_same_17_joints(truth: Instances):
    made = board(truth, [(run(BASE, "A"), 0.05), (run(BASE, "B"), 0.02)])
    gain = check_claims(runs=made)["C2"].owned
    assert gain is not None
    known = [cell for cell in gain.cells if cell.span is not None]
    assert len(known) == 3
    assert all("B (17 joints)" in cell.what and cell.holds for cell in known)
    on_17 = made.boards["owned"].number((BASE, "B17", "AP"))
    on_21 = made.boards["owned"].number((BASE, "B", "AP"))
    assert on_17 is not None
    assert on_21 is not None
    assert on_17.value != on_21.value


def test_more_seeds_that_disagree_widen_the_interval(truth: Instances):
    alike = board(truth, [(run(BASE, "B", s), 0.040) for s in range(3)])
    apart = board(truth, [(run(BASE, "B", s), off) for s, off in enumerate((0.02, 0.04, 0.06))])
    width = []
    for made in (alike, apart):
        span = made.boards["owned"].number((BASE, "B", "AP"))
        assert span is not None
        width.append(span.high - span.low)
    assert width[1] > 2 * width[0]
    assert not any("one seed" in note for note in apart.notes)
    assert any("one seed" in note for note in board(truth, [(run(BASE, "B"), 0.04)]).notes)


def test_a_twin_stands_in_and_is_named(truth: Instances):
    made = board(
        truth, [(run("simple_baseline_r18_tiny", "B"), 0.02), (run("hrnet_w8_tiny", "B"), 0.06)]
    )
    assert verdict(made, "C8P") == "supported"
    assert "simple_baseline_r18_tiny for simple_baseline_r50" in made.notes[0]
    own = board(
        truth,
        [(run("simple_baseline_r18_tiny", "B"), 0.02), (run(BASE, "B"), 0.06)],
    )
    scores = own.boards["owned"].cells[BASE, "B"].scores
    assert [s.run.method for s in scores] == [BASE]


def test_learning_rates_of_our_own_runs_are_compared_too(truth: Instances):
    made = board(truth, [(run(BASE, "B", rate=5e-4), 0.02), (run(HRNET, "B", rate=5e-6), 0.06)])
    finding = check_claims(runs=made)["C8P"].owned
    assert finding is not None
    assert "trained unlike" in finding.caveats[0]


def test_training_subsets_answer_table_5(truth: Instances):
    parts = [(run(BASE, "A"), 0.08), (run(BASE, "B"), 0.02)]
    parts += [(run(BASE, "B", s, subset=s), 0.03) for s in range(3)]
    made = board(truth, parts)
    assert verdict(made, "C13") == "supported"
    assert len(made.boards["owned"].cells[BASE, "subset"].scores) == 3
    assert len(made.boards["owned"].cells[BASE, "B"].scores) == 1


def test_untrained_runs_say_nothing(truth: Instances):
    assert ours([run(BASE, "B", epochs=0.0)], truth, {0: found(truth, 0.1, 0)}) is None


@pytest.mark.slow
def test_a_claim_that_is_not_true_is_rarely_called_so(truth: Instances):
    """Two equally good methods: in 25 worlds at most a few are told apart (5 % each way)."""
    calls = []
    for seed in range(25):
        said = {n: found(truth, 0.04, 2 * seed + n) for n in range(2)}
        made = ours([run(BASE, "B"), run(HRNET, "B")], truth, said, draws=200)
        assert made is not None
        calls.append(verdict(made, "C8P"))
    assert calls.count("cannot tell") >= 21
