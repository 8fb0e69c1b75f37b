"""Tests of docs/extend.md: what it tells readers to type is typed, in files of theirs."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from code_blocks import ROOT, Block, read_blocks, run_block

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCE_SKELETONS, SOURCES
from smallpose.core.skeleton import COCO17, SIGMAS, SKELETONS, SMALLPOSE, Skeleton
from smallpose.methods import METHODS, create_method

PAGE = ROOT / "docs" / "extend.md"
OWN = Skeleton("shop", (*COCO17.joints, "left_toe", "right_toe"))


def blocks(language: str) -> list[Block]:
    return [block for block in read_blocks(PAGE) if block.language == language]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder with the file of the page, and sets of the 21 joints and of 19."""
    home = tmp_path_factory.mktemp("extend")
    (home / "my_method.py").write_text(blocks("python")[0].code)
    write_set(home / "set", SMALLPOSE)
    write_set(home / "own", OWN)
    (home / "sigmas.json").write_text(json.dumps([0.05] * len(OWN)))
    shutil.copyfile(home / "set/annotations/test.json", home / "truth.json")
    return home


def write_set(folder: Path, skeleton: Skeleton) -> None:
    """Write 24 people in six images to train on, and as many to test."""
    rng = np.random.default_rng(0)
    for split, first_id in (("train", 1), ("test", 100)):
        ids = range(first_id, first_id + 6)
        names = [f"{index}.png" for index in ids]
        for name in names:
            (folder / "images").mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / "images" / name), pixels)
        images = smallpose.make_images(ids, names, [160] * 6, [120] * 6)
        boxes = np.concatenate([rng.uniform(0, 60, (24, 2)), np.full((24, 2), 50.0)], axis=1)
        xy = boxes[:, None, :2] + 50 * rng.random((24, len(skeleton), 2))
        keypoints = np.concatenate([xy, np.full((24, len(skeleton), 1), 2.0)], axis=2)
        rows = np.repeat(np.arange(6), 4)
        people = smallpose.make_instances(skeleton, images, rows, boxes, keypoints)
        (folder / "annotations").mkdir(exist_ok=True)
        smallpose.write_coco(people, folder / "annotations" / f"{split}.json")
    # As in a folder that `build` made: other sets have no rows in the tables of the paper.
    if skeleton == SMALLPOSE:
        manifest = {"synthetic": True, "split": "grouped", "seed": 0}
        manifest |= {"sources": {}, "files": {}, "pictures": {}}
        (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.slow
def test_the_page_runs_as_typed_and_the_new_row_ends_table_2(home: Path, warm_python: Path):
    """Run blocks ("sh")[0] and ("sh")[1], and on what they wrote the Python.

    That is ("python")[1], ("python")[2] and ("python")[3].
    """
    run_block(blocks("sh")[0], home, warm_python)
    lines = (home / "report-coffee/tables/table2.md").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert rows[-3][:1] == ["| RTMO"]
    assert [row[0] for row in rows[-2:]] == ["| coffee", "| coffee"]
    assert [row[3] for row in rows[-2:]] == ["B", "B17"]
    run_block(blocks("sh")[1], home, warm_python)
    model = json.loads((home / "runs/own/model.json").read_text())
    assert "left_toe" in json.dumps(model)
    shutil.copyfile(home / "coffee.json", home / "predictions.json")
    for index in (1, 2, 3):
        run_block(blocks("python")[index], home, warm_python)
    assert (home / "figures" / "matched.svg").is_file()


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"    recipes = .*", "", "it has no recipes; set method.recipes = "),
        (
            r"outputs \* size, scores",
            "outputs[..., 0], scores",
            "decode returns (2, 21)",
        ),
        (r'return \{"regression": (.*)\}', r"return \1", "loss does not return finite numbers"),
        (r"\* 0 \+ 1 .*", "* float('nan')", "decode does not return finite numbers"),
        (r"outputs\[:, self._flip_indices\]", "outputs[:, :3]", "flip_back returns (2, 3, 2) for"),
        (r"    def loss", "    def losses", "coffee(skeleton) fails with TypeError"),
        (r"return Coffee\(skeleton\)", "return 3", "returned int; return a subclass of"),
        (r"return keypoints", "return keypoint", "targets fails with NameError"),
        (r"def coffee", "def tea", "my_method.py has no function coffee"),
        (r"from torch import", "from torches import", "fails with ModuleNotFoundError"),
        (r"def coffee", "def hrnet_w32", "the name 'hrnet_w32' is a method of smallpose"),
    ],
)
def test_what_a_method_lacks_is_one_line_at_the_door(pattern, replacement, message, tmp_path):
    code, num_changes = re.subn(pattern, replacement, blocks("python")[0].code)
    assert num_changes == 1
    (tmp_path / "my_method.py").write_text(code)
    name = "hrnet_w32" if "hrnet_w32" in message else "coffee"
    with pytest.raises(InputError) as caught:
        create_method(f"{tmp_path}/my_method.py:{name}", "smallpose21")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_file_breaks_no_other_command(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_method.py").write_text("raise ValueError('not yet')")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "my_method.py:coffee", "--data", ".", "--out", "run"]) == 2
    assert main(["methods", "--json", "methods.json"]) == 0
    assert set(json.loads(Path("methods.json").read_text())) == set(METHODS)


def test_the_check_of_a_method_leaves_the_random_numbers_as_they_were(home: Path):
    import torch

    name = f"{home}/my_method.py:Coffee"
    weights = []
    for _ in range(2):
        torch.manual_seed(7)
        method = create_method(name, "smallpose21")
        weights.append(next(method.parameters()).detach().clone())
        following = torch.rand(1)
    assert method.name == "coffee"
    assert torch.equal(*weights)
    torch.manual_seed(7)
    namespace: dict[str, type] = {}
    exec(blocks("python")[0].code, namespace)
    namespace["Coffee"](SMALLPOSE)
    assert torch.equal(torch.rand(1), following)


def test_joints_without_sigmas_are_refused_before_training(home: Path, tmp_path, capsys):
    words = ["train", f"{home}/my_method.py:coffee", "--data", str(home / "own"), "--out"]
    assert main([*words, str(tmp_path / "run")]) == 2
    assert "give 19 sigmas with --sigmas FILE" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "few.json").write_text("[0.1]")
    assert main([*words, str(tmp_path / "r"), "--sigmas", str(tmp_path / "few.json")]) == 2
    assert "1 sigma for 19 joints" in capsys.readouterr().err


def test_the_page_of_joints_lists_the_21_and_which_source_labels_them():
    lines = (ROOT / "docs" / "joints.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "| `" in line]
    assert [row[1].strip("`") for row in rows] == list(SMALLPOSE.joints)
    for number, (row, joint) in enumerate(zip(rows, SMALLPOSE.joints, strict=True), 1):
        assert row[0] == str(number)
        labels = ["yes" if joint in SKELETONS[s].joints else "" for s in SOURCE_SKELETONS[1:]]
        assert row[2:-1] == labels
        assert float(row[-1]) == SIGMAS[joint]
    assert len(SOURCE_SKELETONS) == 6 == SOURCES.index("posetrack") + 1
