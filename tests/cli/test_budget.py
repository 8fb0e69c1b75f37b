"""smallpose budget: from files to a height, in pixels and metres, or to a reason."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.budget.tolerance import parse_lens, parse_tolerance


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """600 people of 16 to 300 px in 200 images, predicted with errors of .8 px and .4 %."""
    folder = tmp_path_factory.mktemp("budget")
    rng = np.random.default_rng(0)
    names = [f"{i}.jpg" for i in range(200)]
    images = smallpose.make_images(range(1, 201), names, [1920] * 200, [1080] * 200)
    height = rng.permutation(np.geomspace(16, 300, 600))
    wh = np.stack([height / 2, height], axis=1)
    corner = np.stack([np.arange(600) % 3 * 400.0, np.full(600, 10.0)], axis=1)
    pose = rng.random((600, 17, 2))
    pose[:, 5:7, 1], pose[:, 11:13, 1] = 0.2, 0.5  # shoulders and hips: a torso of .3
    pose[:, [5, 11], 0], pose[:, [6, 12], 0] = 0.3, 0.7
    xy = corner[:, None] + pose * wh[:, None]
    keypoints = np.concatenate([xy, np.full((600, 17, 1), 2.0)], axis=2)
    keypoints[:10, 9, 2] = 0
    keypoints[10:30, 11, 2] = 0
    boxes = np.concatenate([corner, wh], axis=1)
    truth = smallpose.make_instances(COCO17, images, np.arange(600) // 3, boxes, keypoints)
    smallpose.write_coco(truth, folder / "truth.json")
    spread = np.hypot(0.8, 0.004 * height)[:, None, None]
    points = keypoints.copy()
    points[:, :, :2] += rng.normal(0, 1, (600, 17, 2)) * spread
    predictions = smallpose.make_predictions(
        COCO17, images.ids[truth.image_rows], points, rng.random(600), boxes
    )
    smallpose.write_results(predictions, folder / "results.json")
    smallpose.write_results(predictions.take(slice(0, 0)), folder / "empty.json")
    return folder


def run(files, capsys, *words, results="results.json"):
    code = main(["budget", str(files / "truth.json"), str(files / results), *words])
    out = capsys.readouterr()
    return code, out.out if code == 0 else out.err


def test_the_height_of_planted_errors_and_who_was_left_out(files, capsys):
    words = [
        "--joint",
        "left_wrist",
        "--within",
        "10%torso",
        "--lens",
        "90deg/1920px",
        "--json",
        "-",
    ]
    _, out = run(files, capsys, *words)
    content = json.loads(out)
    answer = content["joints"]["left_wrist"]
    # 80 % of a Rayleigh distribution lie within 1.794 spreads; the torso is .3 of the height.
    limit = 0.03 / np.sqrt(-2 * np.log(0.2))
    true = 0.8 / np.sqrt(limit**2 - 0.004**2)
    assert answer["estimate"]["value"] == pytest.approx(true, rel=0.1)
    assert true < answer["px"] < 1.25 * true
    assert answer["fixed_px"] == pytest.approx(0.8, rel=0.1)
    assert answer["proportional"] == pytest.approx(0.004, rel=0.15)
    assert answer["people"] == 570
    assert answer["left_out"] == {
        "people who do not count (crowd, or no scored joint)": 0,
        "people without a label of the joint": 10,
        "people without the labels or box that the tolerance needs": 20,
    }
    assert answer["metres"] == pytest.approx(960 * 1.7 / answer["px"])
    assert content["settings"]["target"] == 0.8


def test_the_sentence_names_height_confidence_and_distance(files, capsys):
    words = ["--joint", "left_wrist,nose", "--within", "10%torso", "--lens", "90deg/1920px"]
    _, out = run(files, capsys, *words)
    text = " ".join(out.split())
    assert "left_wrist: 80 % of people have it within 10%torso from" in text
    assert "with 95 % confidence." in text
    assert "m away" in text
    assert "left out: 10 people without a label of the joint" in text
    assert "nose:" in text
    assert text.count("Check on people whom the fit did not see") == 2


def test_no_results_give_a_reason_and_no_number(files, capsys):
    words = ["--joint", "nose", "--within", "5%height", "--json", "-"]
    code, out = run(files, capsys, *words, results="empty.json")
    assert code == 0
    answer = json.loads(out)["joints"]["nose"]
    assert (answer["px"], answer["estimate"], answer["metres"]) == (None, None, None)
    assert answer["reason"] == "none of the people was detected"


def copy_results(files, folder, num_images=200):
    """Copy the labels, and the results of the first images, into a folder of their own."""
    (folder / "truth.json").write_bytes((files / "truth.json").read_bytes())
    records = json.loads((files / "results.json").read_text())
    kept = [record for record in records if record["image_id"] <= num_images]
    (folder / "results.json").write_text(json.dumps(kept))


def run_on_nose(folder, capsys):
    _, out = run(folder, capsys, "--joint", "nose", "--within", "10%torso", "--redraws", "100")
    return " ".join(out.split())


def test_frames_of_one_video_let_no_height_be_named(files, tmp_path, capsys):
    copy_results(files, tmp_path)
    frames = [{"video": "v.mp4", "file_name": f"{number}.jpg"} for number in range(200)]
    (tmp_path / "frames.json").write_text(json.dumps(frames))
    text = run_on_nose(tmp_path, capsys)
    assert "nose: cannot say" in text
    assert "in 1 image or video can be measured" in text
    assert "they are frames by frames.json beside the results" in text


def test_names_like_those_of_frames_qualify_the_confidence(files, tmp_path, capsys):
    copy_results(files, tmp_path)
    assert "frames of a video" not in run_on_nose(tmp_path, capsys)
    labels = json.loads((tmp_path / "truth.json").read_text())
    for number, image in enumerate(labels["images"]):
        image["file_name"] = f"drone/{number:06d}.jpg"
    (tmp_path / "truth.json").write_text(json.dumps(labels))
    text = run_on_nose(tmp_path, capsys)
    assert "confidence. If the images are frames of a video, this height may be too low" in text
    assert text.endswith("give images of one video the same 'group'")


def test_images_that_were_not_predicted_let_no_height_be_named(files, tmp_path, capsys):
    copy_results(files, tmp_path, num_images=150)
    listed = [{"file_name": f"{number}.jpg"} for number in range(150)]
    (tmp_path / "results.images.json").write_text(json.dumps({"images": listed}))
    text = run_on_nose(tmp_path, capsys)
    assert "nose: cannot say" in text
    assert "many images with people were not predicted, or have no detection" in text
    assert "50 of 200 images with labelled people were not predicted" in text
    assert "Best estimate" not in text
    (tmp_path / "results.images.json").unlink()  # then only the results tell
    text = run_on_nose(tmp_path, capsys)
    assert "nose: cannot say" in text
    assert "50 of 200 images with scored people have no detection" in text


def test_results_of_exchanged_axes_let_no_height_be_named(files, tmp_path, capsys):
    copy_results(files, tmp_path)
    records = json.loads((tmp_path / "results.json").read_text())
    for record in records:
        points = np.array(record["keypoints"]).reshape(-1, 3)
        record["keypoints"] = points[:, [1, 0, 2]].ravel().tolist()
    (tmp_path / "results.json").write_text(json.dumps(records))
    text = run_on_nose(tmp_path, capsys)
    assert "labels or results seem not to be written as they must be (see the notes)" in text
    assert "x and y of the keypoints seem to be exchanged" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--joint", "tail", "--within", "4px"], "--joint tail: no such joint; use one of nose"),
        (["--joint", "nose", "--within", "10%arm"], "--within 10%arm: is not a tolerance; write"),
        (["--joint", "nose", "--within", "-3"], "is not a tolerance"),
        (["--joint", "nose", "--within", "1.2.3px"], "is not a tolerance"),
        (["--joint", "nose", "--within", "50%head"], "coco17 has no head_top; use a share of"),
        (["--joint", "nose", "--within", "4", "--target", "80"], "--target 80: is not between"),
        (["--joint", "nose", "--within", "4", "--redraws", "5"], "--redraws 5: too few"),
        (["--joint", "nose", "--within", "4", "--lens", "wide"], "--lens wide: is not a lens"),
        (["--joint", "nose", "--within", "4", "--lens", "200deg/10px"], "is not a lens"),
        (["--within", "4"], "the following arguments are required: --joint"),
        (
            ["--joint", "nose", "--within", "4", "--lens", "70deg/9px", "--stature", "0"],
            "--stature 0: is not above zero",
        ),
    ],
)
def test_wrong_calls_are_one_line(files, capsys, words, message):
    try:
        code, error = run(files, capsys, *words)
    except SystemExit as stop:  # argparse itself
        code, error = stop.code, capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_lenses_and_tolerances_are_parsed():
    assert parse_lens("4.2mm/6.3mm/3000px", 1.7).focal_px == pytest.approx(2000)
    assert parse_lens("90deg/1920px", 1.8).get_distance(96) == pytest.approx(18)
    assert parse_tolerance("0.5").amount == 0.5
    assert parse_tolerance("8 px").length == ""
    assert parse_tolerance("2.5 % height").amount == pytest.approx(0.025)
    with pytest.raises(InputError):
        parse_lens("4.2mm/0mm/3000px", 1.7)
