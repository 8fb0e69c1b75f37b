"""The one door: every verb has help with an example, and errors are one line and a code."""

import json
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from smallpose.cli import main as door
from smallpose.cli.main import VERBS, main

ALL = [verb for group in VERBS.values() for verb in group]


def test_help_lists_every_verb_by_what_a_user_wants(capsys):
    assert main([]) == main(["--help"]) == 0
    out = capsys.readouterr().out
    for group, verbs in VERBS.items():
        assert f"{group}:" in out
        for verb in verbs:
            assert f"  {verb} " in out
    assert "New here? Run: smallpose demo" in out


@pytest.mark.parametrize("verb", ALL)
def test_each_verb_has_help_with_an_example_that_parses(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    module = import_module(f"smallpose.cli.{verb}")
    assert module.EXAMPLE in capsys.readouterr().out
    words = shlex.split(module.EXAMPLE)
    assert words[:2] == ["smallpose", verb]
    parser = door._OneLineParser(prog=verb)
    module.add_arguments(parser)
    parser.parse_intermixed_args(words[2:])


def test_a_wrong_verb_gets_a_suggestion(capsys):
    assert main(["evalute"]) == 2
    assert capsys.readouterr().err == (
        "smallpose evalute: no such verb; did you mean 'evaluate'?\n"
    )


def test_a_wrong_flag_is_one_line_and_code_2(capsys):
    with pytest.raises(SystemExit) as left:
        main(["build", "set", "--cocoo", "x"])
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert err.count("\n") == 1
    assert "see 'smallpose build --help'" in err


def test_an_error_of_ours_is_one_line_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "smallpose", "check", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'none.json'}: no such file; check the path\n"
    assert done.stdout == ""


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    command = f"{sys.executable} -m smallpose --help | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def save(path, annotations):
    people = [{"id": i, "image_id": 1, "bbox": b} for i, b in enumerate(annotations, 1)]
    for person in people:
        person |= {"keypoints": [5, 5, 2] * 17, "num_keypoints": 17, "iscrowd": 0}
        person["area"] = person["bbox"][2] * person["bbox"][3]
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
    path.write_text(json.dumps({"images": images, "annotations": people}))
    return str(path)


def test_check_prints_findings_and_leaves_with_2_for_a_fault(tmp_path, capsys):
    sound = save(tmp_path / "a.json", [[1, 1, 9, 9]])
    # All 17 points of this little file lie on one spot, which is a fault that check knows.
    assert main(["check", sound]) == 2
    assert "1 people have all keypoints on one spot (first: id 1)" in capsys.readouterr().out
    flat = save(tmp_path / "b.json", [[1, 1, 0, 9]])
    assert main(["check", flat]) == 2
    assert "a box without area" in capsys.readouterr().out


def test_check_takes_result_files_without_their_truth(tmp_path, capsys):
    found = [{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 0.5] * 17, "score": 7.5}]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found))
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "1 people found, coco17" in out
    assert "scores run from 7.5 to 7.5" in out


@pytest.mark.parametrize(
    "words",
    [
        ["train", "simple_baseline_r18_tiny", "--data", "set", "--out", "run"],
        ["predict", "simple_baseline_r18_tiny", __file__, "--weights", "w", "--out", "f.json"],
        ["methods"],
    ],
)
def test_without_pytorch_its_verbs_say_how_to_get_it(words):
    code = (
        "import sys; sys.modules['torch'] = None; from smallpose.cli.main import main;"
        f"sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "PyTorch is not installed; pip install '.[torch]' in your clone" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "t.json", "f.json"),
        ("compare", "t.json", "f.json", "g.json"),
        ("build", "set", "--coco", "coco"),
        ("select", "a.parquet", "--out", "o"),
        ("demo",),
        ("features", "run", "--data", "t.json", "--images", "i", "--out", "o.png"),
        ("train", "rtmo_tiny", "--data", "set", "--out", "run"),
        ("synth", "world"),
    ],
)
def test_a_seed_below_zero_is_refused_at_the_door(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--seed=-1"])
    assert ended.value.code == 2
    assert "-1: is not an integer of 0 or more" in capsys.readouterr().err


def test_check_refuses_what_it_would_not_look_at(tmp_path, capsys):
    (tmp_path / "found.json").write_text("[]")
    (tmp_path / "truth.json").write_text('{"images": [], "annotations": []}')
    for words, said in (
        (("found.json", "--images", "."), "is for annotation files"),
        (("truth.json", "--truth", "truth.json"), "is for result files"),
        ((".", "--images", "."), "is for annotation files"),
    ):
        assert main(["check", str(tmp_path / words[0]), *words[1:]]) == 2
        assert said in capsys.readouterr().err


def test_check_names_an_image_whose_name_no_disk_can_hold(tmp_path, capsys):
    name = "a" * 300 + ".jpg"
    listed = {"images": [{"id": 1, "file_name": name}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(listed))
    assert main(["check", str(tmp_path / "truth.json"), "--images", str(tmp_path)]) == 2
    assert "1 of 1 pictures are missing" in capsys.readouterr().out
