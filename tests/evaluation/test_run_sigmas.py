"""Without --sigmas, people are scored with the sigmas that a run was trained with."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import Skeleton
from smallpose.evaluation.run_sigmas import find_run_sigmas, set_known_sigmas
from smallpose.evaluation.sigma_file import (
    JointSigmas,
    describe_borrowed_sigmas,
    format_sigma_file,
    read_sigmas,
)
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import write_results

JOINTS = ("snout", "fin", "tail")
SIGMAS = (0.02, 0.05, 0.1)
FISH = Skeleton("fish", JOINTS)


@pytest.fixture
def people():
    keypoints = np.array([[[10, 20, 2], [60, 40, 2], [90, 80, 2]]] * 2, np.float64)
    images = make_images([1, 2], ["a.png", "b.png"], [100] * 2, [100] * 2)
    return make_instances(FISH, images, [0, 1], [[5, 10, 90, 80]] * 2, keypoints)


def write_run(folder, people, sigmas=SIGMAS, borrowed=None):
    folder.mkdir()
    skeleton = {"joints": JOINTS, "sigmas": sigmas}
    skeleton |= {"not_measured": borrowed} if borrowed else {}
    (folder / "model.json").write_text(json.dumps({"skeleton": skeleton}))
    poses = people.keypoints + np.array([3, 2, 0])
    results = make_predictions(FISH, [1, 2], poses, [0.9, 0.8], people.boxes_xywh)
    write_results(results, folder / "found.json")
    return folder


def test_people_get_the_sigmas_of_the_run(people, tmp_path, capsys):
    run = write_run(tmp_path / "run", people)
    scored = set_known_sigmas(people, None, [run])
    assert scored.skeleton.sigmas.tolist() == list(SIGMAS)
    assert f"OKS sigmas are those that {run} was trained with" in capsys.readouterr().err


def test_runs_of_other_joints_and_result_files_have_none(people, tmp_path):
    run = write_run(tmp_path / "run", people)
    (run / "model.json").write_text('{"skeleton": {"joints": ["snout"], "sigmas": [0.1]}}')
    assert find_run_sigmas(people, [run, tmp_path / "results.json"]) is None


def test_runs_with_different_sigmas_are_not_mixed_and_the_remedy_works(people, tmp_path, capsys):
    runs = [write_run(tmp_path / "a", people), write_run(tmp_path / "b b", people, (0.1,) * 3)]
    with pytest.raises(InputError, match="were trained with different OKS sigmas; add --sigmas "):
        find_run_sigmas(people, runs)
    write_coco(people, tmp_path / "truth.json")
    call = ["compare", str(tmp_path / "truth.json"), *map(str, runs), "--intervals", "20"]
    assert main(call) == 2
    remedy = capsys.readouterr().err
    words = shlex.split(remedy.partition("; add ")[2])
    assert words[:2] == ["--sigmas", str(runs[0])] and words[-5:-3] == ["--sigmas", f"{runs[1]},"]
    assert main([*call, *words[:2], "--json", "-"]) == 0
    of_run = json.loads(capsys.readouterr().out)["differences"]
    (tmp_path / "sigmas.json").write_text(json.dumps(SIGMAS))
    assert main([*call, "--sigmas", str(tmp_path / "sigmas.json"), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == of_run


def test_a_run_serves_as_a_file_of_sigmas(people, tmp_path):
    borrowed = {"fin": "that of snout, its neighbour"}
    run = write_run(tmp_path / "run", people, borrowed=borrowed)
    for path in (run, run / "model.json"):
        assert read_sigmas(path) == JointSigmas(SIGMAS, JOINTS, tuple(borrowed.items()))
    known = {"skeleton": {"joints": ["nose", "left_eye"], "sigmas": None}}
    (run / "model.json").write_text(json.dumps(known))
    assert read_sigmas(run).values == (0.026, 0.025)
    (run / "model.json").write_text('{"skeleton": {"joints": ["snout"], "sigmas": [1, 2]}}')
    with pytest.raises(InputError, match="has no sigma for each of its joints"):
        read_sigmas(run)


def test_evaluate_scores_a_run_as_with_the_file_of_its_sigmas(people, tmp_path, capsys):
    truth, run = tmp_path / "truth.json", write_run(tmp_path / "run", people)
    write_coco(people, truth)
    (tmp_path / "sigmas.json").write_text(json.dumps(SIGMAS))
    command = ["evaluate", str(truth), str(run), "--json", "-"]
    assert main([*command, "--sigmas", str(tmp_path / "sigmas.json")]) == 0
    given = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["protocols"] == given["protocols"]
    assert "model.json" in printed.err


def test_compare_scores_runs_with_their_sigmas(people, tmp_path, capsys):
    truth = tmp_path / "truth.json"
    write_coco(people, truth)
    runs = [str(write_run(tmp_path / name, people)) for name in ("a", "b")]
    assert main(["compare", str(truth), *runs, "--intervals", "0"]) in (0, 2)
    assert "no OKS sigma is known" not in capsys.readouterr().err


ALL_BORROWED = dict.fromkeys(JOINTS, "that of nose, its neighbour")
SIGMA_WORDS = "comparable only with others of the same sigmas"


def read_notes(capsys, *words):
    assert main([*map(str, words), "--json", "-"]) == 0
    return [n for n in json.loads(capsys.readouterr().out)["notes"] if SIGMA_WORDS in n]


def test_borrowed_sigmas_of_a_run_are_told_as_those_of_a_file(people, tmp_path, capsys):
    truth, file = tmp_path / "truth.json", tmp_path / "sigmas.json"
    write_coco(people, truth)
    file.write_text(format_sigma_file(SIGMAS, JOINTS, ALL_BORROWED))
    runs = [write_run(tmp_path / name, people, borrowed=ALL_BORROWED) for name in ("a", "b")]
    expected = read_notes(capsys, "evaluate", truth, runs[0], "--sigmas", file)
    assert len(expected) == 1
    assert "snout: that of nose, its neighbour" in expected[0]
    assert read_notes(capsys, "evaluate", truth, runs[0]) == expected
    assert read_notes(capsys, "compare", truth, *runs, "--intervals", "20") == expected
    budget = ["budget", truth, runs[0], "--joint", "tail", "--within", "4px", "--redraws", "100"]
    assert read_notes(capsys, *budget) == expected


def test_measured_sigmas_of_a_run_are_no_matter_of_a_note(people, tmp_path, capsys):
    write_coco(people, tmp_path / "truth.json")
    run = write_run(tmp_path / "run", people)
    assert read_notes(capsys, "evaluate", tmp_path / "truth.json", run) == []


def test_only_the_scored_joints_are_told(people):
    sigmas = JointSigmas(SIGMAS, JOINTS, (("fin", "that of snout, its neighbour"),))
    people = replace(people, skeleton=sigmas.give_to(people.skeleton))
    both = people.skeleton.take([0, 1])
    [note] = describe_borrowed_sigmas(both)
    assert note.startswith("1 of 2 sigmas was not measured but borrowed (fin)")
    assert describe_borrowed_sigmas(people.skeleton.take([0, 2])) == []
    assert describe_borrowed_sigmas(FISH, sigmas) == describe_borrowed_sigmas(people.skeleton)
    assert describe_borrowed_sigmas(people.skeleton, SIGMAS) == []  # a plain list is given
