"""Every verb that reads a COCO file chooses people by category and says what it left out.

Ids of images that are text stay text in what it writes.
"""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17

NOTE = "category used: Person (id 2); left out: racket (id 1) with 6 annotations"


def run(*words):
    return main([*map(str, words)])


@pytest.fixture
def files(tmp_path):
    """A truth with rackets before people, the people as results, and rackets as results."""
    rng = np.random.default_rng(0)
    people, rackets = [], []
    for i in range(6):
        pose = rng.integers(5, 400, (17, 3)).astype(float)
        pose[:, 2] = 2
        people.append(make_annotation(i + 1, 2, pose))
        rackets.append(make_annotation(i + 101, 1, np.add(pose[:3], [7, 7, 0])))
    images = [
        {"id": i, "file_name": f"{i:03d}.jpg", "width": 420, "height": 420} for i in (1, 2, 3)
    ]
    categories = [
        {"id": 1, "name": "racket", "keypoints": ["handle", "throat", "top"]},
        {"id": 2, "name": "Person", "keypoints": list(COCO17.joints)},
    ]
    truth = {"images": images, "annotations": rackets + people, "categories": categories}
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "train.json").write_text(json.dumps(truth))
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    for name, annotations in (("people", people), ("rackets", rackets)):
        results = [
            {key: a[key] for key in ("image_id", "category_id", "keypoints", "bbox")}
            | {"score": 0.9}
            for a in annotations
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps(results))
    return tmp_path


def make_annotation(annotation_id, category_id, pose):
    low, high = pose[:, :2].min(axis=0), pose[:, :2].max(axis=0)
    box = [*low.tolist(), *(high - low).tolist()]
    record = {"id": annotation_id, "image_id": annotation_id % 3 + 1, "category_id": category_id}
    record |= {"bbox": box, "area": box[2] * box[3], "iscrowd": 0}
    return record | {"keypoints": pose.ravel().tolist(), "num_keypoints": len(pose)}


def test_evaluate_and_compare_score_people_behind_rackets(files, capsys):
    for verb, results in (("evaluate", ["people"]), ("compare", ["people", "people"])):
        paths = [files / f"{name}.json" for name in results]
        if verb == "compare":
            copy = files / "copy.json"
            copy.write_bytes(paths[0].read_bytes())
            paths = [paths[0], copy]
        assert run(verb, files / "truth.json", *paths, "--json", files / "out.json") == 0
        assert NOTE in " ".join(capsys.readouterr().out.split())
    assert run("evaluate", files / "truth.json", files / "people.json", "--json", "-") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["protocols"]["coco"]["AP"] == 1
    assert NOTE in result["notes"]


def test_category_chooses_the_other_one(files, capsys):
    sigmas = files / "sigmas.json"
    sigmas.write_text("[0.1, 0.1, 0.1]")
    words = ("--category", "RACKET", "--sigmas", sigmas, "--json", "-")
    assert run("evaluate", files / "truth.json", files / "rackets.json", *words) == 0
    assert json.loads(capsys.readouterr().out)["protocols"]["coco"]["AP"] == 1


def test_figures_of_a_comparison_take_the_sigmas_that_are_given(files, capsys):
    pytest.importorskip("matplotlib")
    (files / "sigmas.json").write_text("[0.1, 0.1, 0.1]")
    (files / "copy.json").write_bytes((files / "rackets.json").read_bytes())
    words = ("--category", "racket", "--sigmas", files / "sigmas.json", "--intervals", 20)
    results = (files / "rackets.json", files / "copy.json")
    figures = ("--figures", files / "figures")
    assert run("compare", files / "truth.json", *results, *words, *figures) == 0, (
        capsys.readouterr()
    )
    assert (files / "figures" / "detected_by_height.png").is_file()


def test_stats_check_and_build_say_which_category_was_used(files, capsys):
    assert run("check", files / "truth.json") == 0
    assert NOTE in capsys.readouterr().out
    assert run("check", files / "people.json", "--truth", files / "truth.json") == 0
    capsys.readouterr()
    assert run("stats", files / "truth.json", "--out", files / "stats") == 0
    captured = capsys.readouterr()
    assert f"truth: {NOTE}" in captured.err
    assert " 6 " in captured.out
    source = ("--source", f"mine={files / 'train'}", "--missing-images", "keep")
    assert run("build", files / "set", *source) == 0
    assert NOTE in (files / "set" / "manifest.json").read_text()


@pytest.mark.parametrize("verb", ["evaluate", "compare", "stats", "check", "build"])
def test_an_unknown_category_is_one_line(files, verb, capsys):
    words = {
        "evaluate": (files / "truth.json", files / "people.json"),
        "compare": (files / "truth.json", files / "people.json", files / "rackets.json"),
        "stats": (files / "truth.json", "--out", files / "stats"),
        "check": (files / "truth.json",),
        "build": (files / "set", "--source", f"mine={files / 'train'}"),
    }[verb]
    assert run(verb, *words, "--category", "horse") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--category horse: has no such category; use one of racket, Person" in error


def test_results_of_rackets_are_refused_with_the_category_to_use(files, capsys):
    assert run("evaluate", files / "truth.json", files / "rackets.json") == 2
    assert "of other categories, the first of 1; give people the truth's category_id, 2" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("verb", ["evaluate", "compare", "stats", "check", "build"])
@pytest.mark.parametrize("keypoints", [None, []])
def test_a_file_without_keypoints_is_one_line(files, verb, keypoints, capsys):
    truth = json.loads((files / "truth.json").read_text())
    for annotation in truth["annotations"]:
        annotation["keypoints"] = keypoints
    for path in (files / "truth.json", files / "train" / "train.json"):
        path.write_text(json.dumps(truth))
    words = {
        "evaluate": (files / "truth.json", files / "people.json"),
        "compare": (files / "truth.json", files / "people.json", files / "rackets.json"),
        "stats": (files / "truth.json", "--out", files / "stats"),
        "check": (files / "truth.json",),
        "build": (files / "set", "--source", f"mine={files / 'train'}"),
    }[verb]
    assert run(verb, *words) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "has keypoints" in line]
    assert "none of its 6 annotations of Person has keypoints; give a file with" in error


def test_counts_per_image_have_the_ids_of_the_file(files, capsys):
    names = {1: "seq/b", 2: "seq/a", 3: "7"}
    for name in ("truth", "people"):
        content = json.loads((files / f"{name}.json").read_text())
        for record in content if name == "people" else content["annotations"]:
            record["image_id"] = names[record["image_id"]]
        for image in content["images"] if name == "truth" else ():
            image["id"] = names[image["id"]]
        (files / f"{name}.json").write_text(json.dumps(content))
    words = (files / "truth.json", files / "people.json", "--breakdown", "image", "--json", "-")
    assert run("evaluate", *words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["protocols"]["coco"]["AP"] == 1
    assert [row["image_id"] for row in result["image"]] == ["7", "seq/a", "seq/b"]
    assert [row["right"] for row in result["image"]] == [2, 2, 2]
