"""The gate: worse, passed or cannot be told, as an exit code, a line, JSON and JUnit XML."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.analysis.gate import (
    Condition,
    check_drops,
    check_max_drop,
    parse_max_drops,
)


def make_truth(rng, num_images=60, per_image=3):
    count = num_images * per_image
    images = smallpose.make_images(
        range(1, num_images + 1), [f"{i}.jpg" for i in range(num_images)]
    )
    height = np.exp(rng.uniform(np.log(40), np.log(200), count))
    wh = np.stack([height / 2, height], axis=1)
    corner = np.stack([np.arange(count) % per_image * 300.0, np.zeros(count)], axis=1)
    xy = corner[:, None] + rng.random((count, 17, 2)) * wh[:, None]
    keypoints = np.concatenate([xy, np.full((count, 17, 1), 2.0)], axis=2)
    boxes = np.concatenate([corner, wh], axis=1)
    return smallpose.make_instances(COCO17, images, np.arange(count) // per_image, boxes, keypoints)


def predict(truth, rng, error=1.0):
    """Predict with errors in units of OKS's tolerance that differ from person to person."""
    own = error * np.exp(rng.normal(-0.9, 0.5, len(truth)))
    spread = own[:, None] * 2 * COCO17.sigmas * np.sqrt(truth.area)[:, None]
    keypoints = truth.keypoints.copy()
    keypoints[:, :, :2] += rng.normal(0, 1, keypoints[:, :, :2].shape) * spread[:, :, None]
    scores = 1 / (1 + own) + rng.normal(0, 0.1, len(truth))
    return smallpose.make_predictions(
        COCO17, truth.images.ids[truth.image_rows], keypoints, scores, truth.boxes_xywh
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    smallpose.write_coco(truth, folder / "truth.json")
    for name, error in (("old", 1.0), ("like", 1.08), ("bad", 1.5)):
        smallpose.write_results(predict(truth, rng, error), folder / f"{name}.json")
    (folder / "same.json").write_bytes((folder / "old.json").read_bytes())
    return folder


def run(files, capsys, *words):
    code = main(["compare", *words, "--intervals", "100"])
    return code, capsys.readouterr()


def test_a_clear_drop_is_worse_and_exits_with_5(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    code, out = run(files, capsys, "truth.json", "old.json", "bad.json", "--max-drop", "AP=.01")
    assert code == 5
    last = out.out.splitlines()[-1]
    assert last.startswith("verdict: worse (exit 5): coco AP of bad is -.")
    assert "a drop of more than --max-drop .010" in last


def test_equal_bytes_pass_and_exit_with_0(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    code, out = run(files, capsys, "truth.json", "old.json", "same.json", "--max-drop", "AP=0")
    assert code == 0
    assert out.out.splitlines()[-1].startswith("verdict: passed (exit 0)")


def test_what_these_images_cannot_tell_exits_with_6_and_names_what_they_can(
    files, capsys, monkeypatch
):
    monkeypatch.chdir(files)
    code, out = run(files, capsys, "truth.json", "old.json", "like.json", "--max-drop", "AP=.001")
    assert code == 6
    last = out.out.splitlines()[-1]
    assert last.startswith("verdict: cannot be told (exit 6)")
    assert "in 80 % of tries" in last
    code, _ = run(files, capsys, "truth.json", "old.json", "like.json", "--max-drop", "AP=20%")
    assert code == 0


def test_the_worst_of_several_checks_decides(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    words = [
        "truth.json",
        "old.json",
        "same.json",
        "bad.json",
        "--max-drop",
        "AP_S=.5,owned:AP=.01",
    ]
    code, out = run(files, capsys, *words, "--json", "-")
    assert code == 5
    gate = json.loads(out.out)["gate"]
    assert (gate["verdict"], gate["exit_code"]) == ("worse", 5)
    verdicts = {(c["other"], c["protocol"], c["name"]): c["verdict"] for c in gate["checks"]}
    assert verdicts == {
        ("same", "coco", "AP_S"): "passed",
        ("bad", "coco", "AP_S"): "passed",
        ("same", "owned", "AP"): "passed",
        ("bad", "owned", "AP"): "worse",
    }
    assert out.err.splitlines()[-1].startswith("verdict: worse")


def test_junit_has_a_case_per_check(files, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    words = ["truth.json", "old.json", "same.json", "bad.json", "like.json"]
    code, _ = run(
        files, capsys, *words, "--max-drop", "AP=.001", "--junit", str(tmp_path / "j.xml")
    )
    assert code == 5
    suite = ElementTree.parse(tmp_path / "j.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    kinds = {
        case.get("classname"): [child.tag for child in case if child.tag != "system-out"]
        for case in suite
    }
    assert kinds == {"same": [], "bad": ["failure"], "like": ["error"]}
    assert {case.get("name") for case in suite} == {"coco AP max drop 0.001"}


def test_without_a_gate_the_exit_code_is_0(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    code, out = run(files, capsys, "truth.json", "old.json", "bad.json")
    assert code == 0
    assert "verdict" not in out.out


def test_a_class_without_people_and_few_images_cannot_be_told():
    rng = np.random.default_rng(1)
    truth = make_truth(rng, num_images=14)
    results = {"a": predict(truth, rng), "b": predict(truth, rng, 3.0)}
    gate = check_drops(compare(truth, results, num_resamples=100), {"AP": 0.01, "AP_S_dense": 0.1})
    assert [check.verdict for check in gate.checks] == ["cannot be told"] * 2
    assert "in 14 images or videos, fewer than 15" in gate.checks[0].reason
    assert gate.exit_code == 6


@pytest.mark.parametrize("error", [0.001, 60.0])
def test_perfect_results_and_those_that_find_nobody_have_not_dropped(error):
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    pair = {"old": predict(truth, rng, error), "new": predict(truth, rng, error)}
    comparison = compare(truth, pair, num_resamples=100)
    first = next(d for d in comparison.differences if (d.protocol, d.name) == ("coco", "AP"))
    assert first.base_value in (0, 1) and first.interval is None
    (check,) = check_drops(comparison, {"AP": 0.01}).checks
    assert (check.verdict, check.low, check.high) == ("passed", 0, 0)


def test_check_drops_speaks_of_what_was_passed():
    """It has no options: a line that names --max-drop would be of another tool."""
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    comparison = compare(truth, {"a": predict(truth, rng), "b": predict(truth, rng, 30.0)})
    for name, drop, words in (
        ("AP_XS", 0.01, "check_drops, 'AP_XS': no such metric; use one of AP, "),
        ("other:AP", 0.01, "check_drops, 'other:AP': no such metric; use one of AP, "),
        ("AP", 1, "check_drops, 'AP': 1: is not a share from 0 to 1; use 0.01 for one AP point"),
        ("AP", "1%", "check_drops, 'AP': '1%': is not a share"),
    ):
        with pytest.raises(InputError) as caught:
            check_drops(comparison, {name: drop})
        assert str(caught.value).startswith(words)
    text = str(check_drops(comparison, {"AP": np.float32(0.01)}))
    assert "the allowed .010" in text and "--" not in text


def test_several_checks_share_the_false_alarms():
    rng = np.random.default_rng(2)
    truth = make_truth(rng)
    comparison = compare(truth, {"a": predict(truth, rng), "b": predict(truth, rng)})
    one = check_drops(comparison, {"AP": 0.01}).checks[0]
    two = check_drops(comparison, {"AP": 0.01, "owned:AP": 0.01}).checks[0]
    assert two.high > one.high
    assert two.detectable > one.detectable


def count_verdicts(draws, error, drop, num_images=40):
    """Count the verdicts on pairs of which the second has `error` times the errors."""
    rng = np.random.default_rng(3)
    verdicts, detectable = [], []
    for seed in range(draws):
        truth = make_truth(rng, num_images, per_image=2)
        results = {"a": predict(truth, rng), "b": predict(truth, rng, error)}
        comparison = compare(truth, results, protocols=("coco",), num_resamples=100, seed=seed)
        check = check_max_drop(comparison, [Condition("coco", "AP", drop)]).checks[0]
        verdicts.append(check.verdict)
        detectable.append(check.detectable)
    return verdicts, float(np.mean(detectable))


def find_true_drop(error):
    rng = np.random.default_rng(4)
    truth = make_truth(rng, 20_000, per_image=2)
    first, second = (
        smallpose.evaluate(truth, predict(truth, rng, e))["coco"]["AP"] for e in (1.0, error)
    )
    return first - second


def test_equal_models_are_seldom_called_worse():
    verdicts, _ = count_verdicts(60, 1.0, 0.001)
    assert verdicts.count("worse") <= 7


@pytest.mark.long
def test_false_alarms_and_power_at_full_count():
    verdicts, detectable = count_verdicts(2000, 1.0, 0.001)
    alarms = verdicts.count("worse") / 2000
    low, high = 1.0, 3.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if find_true_drop(middle) < detectable else (low, middle)
    verdicts, _ = count_verdicts(1000, high, 0.001)
    caught = verdicts.count("worse") / 1000
    print(f"false alarms {alarms:.4f}; drops of {detectable:.4f} caught {caught:.4f}")
    assert alarms <= 0.05
    assert caught >= 0.8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AP_XS=.01", "--max-drop AP_XS=.01: no such metric; write METRIC=DROP with one of AP"),
        ("AP", "--max-drop AP: is not a share from 0 to 1; write .01 or 1%"),
        ("AP=much", "is not a share"),
        ("AP=1.5", "is not a share"),
        ("AP=-.1", "is not a share"),
        ("recall:AP=.1", "protocols are coco, owned"),
        ("AP=.1,", "no such metric"),
        ("", "no such metric"),
        ("AP=.1,coco:AP=.2", "names AP twice"),
    ],
)
def test_wrong_conditions_are_one_line(text, message):
    with pytest.raises(InputError) as error:
        parse_max_drops(text, ["coco", "owned"])
    assert message in str(error.value)


def test_junit_needs_a_gate(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    code, out = run(files, capsys, "truth.json", "old.json", "bad.json", "--junit", "j.xml")
    assert code == 2
    assert out.err == "--junit: there is no gate to report; add --max-drop, as in AP_S=.01\n"
