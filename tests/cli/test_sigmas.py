"""smallpose sigmas: the file that it writes serves `evaluate`, and borrowed sigmas stay marked."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17, Skeleton


@pytest.fixture
def files(tmp_path):
    """Two annotators of 40 people, and results for them."""
    rng = np.random.default_rng(0)
    images = smallpose.make_images(range(1, 41), [f"{i}.jpg" for i in range(40)])
    wh = np.tile([60.0, 120.0], (40, 1))
    xy = rng.random((40, 17, 2)) * wh[:, None]
    keypoints = np.concatenate([xy, np.full((40, 17, 1), 2.0)], axis=2)
    places = np.random.default_rng(1).uniform(0, 400, (40, 2))  # of independent photographs
    keypoints[:, :, :2] += places[:, None]
    boxes = np.concatenate([places, wh], axis=1)
    people = smallpose.make_instances(COCO17, images, range(40), boxes, keypoints)
    for name in "ab":
        labels = keypoints.copy()
        labels[:, :, :2] += rng.normal(0, 4, (40, 17, 2))
        smallpose.write_coco(replace(people, keypoints=labels), tmp_path / f"{name}.json")
    results = smallpose.make_predictions(COCO17, images.ids, keypoints, np.ones(40), boxes)
    smallpose.write_results(results, tmp_path / "results.json")
    return tmp_path


def run_json(capsys, *words):
    assert main([str(word) for word in words]) == 0
    return json.loads(capsys.readouterr().out)


def test_measured_sigmas_are_a_plain_list_that_evaluate_uses(files, capsys):
    out = files / "sigmas.json"
    report = run_json(
        capsys, "sigmas", files / "a.json", files / "b.json", "--out", out, "--json", "-"
    )
    values = json.loads(out.read_text())
    expected = [one["sigma"] for one in report["joints"].values()]
    assert values == pytest.approx(expected, abs=1e-5)
    assert all(one["origin"] == "measured" for one in report["joints"].values())
    # 4 px along each axis are 4 √2 px of distance; the area is 60 × 120.
    assert np.mean(values) == pytest.approx(4 * np.sqrt(2 / 7200), rel=0.05)
    result = run_json(
        capsys, "evaluate", files / "a.json", files / "results.json", "--sigmas", out, "--json", "-"
    )
    assert result["settings"]["sigmas"] == values
    assert not any("sigma" in note for note in result["notes"])


def test_intervals_of_images_that_are_named_as_frames_are_doubted(files, capsys):
    words = ("sigmas", files / "a.json", files / "b.json", "--json", "-")
    assert not any("frames" in note for note in run_json(capsys, *words)["notes"])
    for name in "ab":
        labels = json.loads((files / f"{name}.json").read_text())
        for number, image in enumerate(labels["images"]):
            image |= {"file_name": f"drone/{6 * number:06d}.jpg", "width": 640, "height": 480}
        (files / f"{name}.json").write_text(json.dumps(labels))
    report = run_json(capsys, *words)
    assert report["notes"][-1] == (
        "40 of 40 images are numbered as frames of videos are (drone): if they are, they are not "
        "independent, and the intervals here are too narrow; give images of one video the same "
        "'group'"
    )


def test_borrowed_sigmas_are_marked_in_the_table_in_the_file_and_in_what_they_score(files, capsys):
    out = files / "sigmas.json"
    assert main(["sigmas", str(files / "a.json"), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("BORROWED OKS sigmas")
    assert "label some people twice" in " ".join(text.split())
    assert json.loads(out.read_text())["not_measured"].keys() == set(COCO17.joints)
    words = ["evaluate", files / "a.json", files / "results.json", "--sigmas", out, "--json", "-"]
    result = run_json(capsys, *words)
    assert any("no sigma was measured on these people" in note for note in result["notes"])
    words = ["compare", files / "a.json", files / "results.json", files / "results2.json"]
    (files / "results2.json").write_text((files / "results.json").read_text())
    result = run_json(capsys, *words, "--sigmas", out, "--intervals", "20", "--json", "-")
    assert any("no sigma was measured on these people" in note for note in result["notes"])


def test_unknown_joints_borrow_from_the_neighbour_in_the_skeleton(files, capsys):
    truth = smallpose.read_coco(files / "a.json")
    names = ("left_ankle", "left_toe", "left_wrist", "left_finger", "wing")
    skeleton = Skeleton("mine", names, ((0, 1), (2, 3)))
    smallpose.write_coco(
        replace(truth, skeleton=skeleton, keypoints=truth.keypoints[:, :5]), files / "c.json"
    )
    joints = run_json(capsys, "sigmas", files / "c.json", "--json", "-")["joints"]
    assert joints["left_toe"]["sigma"] == joints["left_ankle"]["sigma"] == 0.089
    assert joints["left_finger"]["origin"] == "that of left_wrist, its neighbour"
    assert joints["wing"]["origin"].endswith("the nearest joint")
    assert {one["published"] for one in joints.values()} == {0.089, 0.062, None}


def test_sigmas_with_names_are_read_in_any_order(files, capsys):
    values = np.linspace(0.02, 0.1, 17)
    plain, named = files / "plain.json", files / "named.json"
    plain.write_text(json.dumps(values.tolist()))
    order = np.random.default_rng(0).permutation(17)
    content = {"sigmas": values[order].tolist(), "joints": [COCO17.joints[i] for i in order]}
    named.write_text(json.dumps(content))
    words = ["evaluate", files / "a.json", files / "results.json", "--json", "-", "--sigmas"]
    assert run_json(capsys, *words, plain) == run_json(capsys, *words, named)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.json", "a.json"], "smallpose sigmas: the same file was given twice; give each"),
        (["a.json", "other.json"], "none of its images is in the other files; give labels"),
        (["a.json", "copy.json"], "one file is a copy; give files that were labelled"),
        (["unnamed.json"], "no joint has a name whose sigma is published"),
        (["results.json"], "results.json"),
        (["missing.json"], "missing.json"),
        (["a.json", "joints.json"], "have no name in common with the first file's"),
    ],
)
def test_wrong_input_is_one_line(files, capsys, monkeypatch, words, message):
    monkeypatch.chdir(files)
    truth = smallpose.read_coco("a.json")
    names = tuple(f"z{i}.jpg" for i in range(40))
    smallpose.write_coco(
        replace(truth, images=replace(truth.images, file_names=names)), "other.json"
    )
    smallpose.write_coco(truth, "copy.json")
    unnamed = Skeleton("mine", tuple(f"p{i}" for i in range(17)))
    smallpose.write_coco(replace(truth, skeleton=unnamed), "unnamed.json")
    smallpose.write_coco(replace(truth, skeleton=unnamed), "joints.json")
    assert main(["sigmas", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"sigmas": [0.1], "joints": ["nose"]}', "no sigma for joint 'left_eye'; add it"),
        ('{"sigmas": [0.1], "joints": []}', "1 sigma and 0 joints; give as many of each"),
        ("[0.1, 0.2]", "2 values"),
        ('{"sigma": 1}', "no sigma for joint 'nose'; add it to the file, as in {\"nose\": 0.05"),
        ('{"sigmas": [1]}', 'write [0.026, …] in the order of the joints, {"nose": 0.026, …}, or'),
        ('{"nose": "wide"}', "s.json, nose: a text"),
        ('{"nose": 1, "nose": 2}', "key 'nose' occurs twice"),
    ],
)
def test_wrong_sigma_files_are_one_line(files, capsys, content, message):
    (files / "s.json").write_text(content)
    words = ["evaluate", files / "a.json", files / "results.json", "--sigmas", files / "s.json"]
    assert main([str(word) for word in words]) == 2
    assert message in capsys.readouterr().err


def test_names_with_numbers_in_any_order_are_the_list_of_sigmas(files, capsys):
    sigmas = [round(0.03 + 0.01 * k, 3) for k in range(17)]
    by_name = dict(zip(COCO17.joints[::-1], sigmas[::-1], strict=True))
    tables = []
    for content in (sigmas, by_name, by_name | {"tail": 0.5}):
        (files / "s.json").write_text(json.dumps(content))
        words = ["evaluate", files / "a.json", files / "results.json", "--sigmas", files / "s.json"]
        assert main([str(word) for word in [*words, "--json", files / "out.json"]]) == 0
        capsys.readouterr()
        tables.append(json.loads((files / "out.json").read_text())["protocols"])
    assert tables[0] == tables[1] == tables[2]
    words = ["evaluate", files / "a.json", files / "results.json", "--json", files / "out.json"]
    assert main([str(word) for word in words]) == 0
    assert json.loads((files / "out.json").read_text())["protocols"] != tables[0]
