"""A method in a file of one's own is found again from its run, and named without its function."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose.catalog.run_method import read_run_method
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import compute_box_window
from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.methods import create_method
from smallpose.methods.decoded_shares import describe_decoded_shares
from smallpose.report.inputs.result_files import describe_result_file
from smallpose.report.inputs.runs import describe_changed_code
from smallpose.training.checkpoint import save_model
from smallpose.training.own_recipe import OwnData
from smallpose.training.recipe_overrides import choose_recipe

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "extend.md").read_text()
CODE = re.search(r'```python\n("""my_method.py.*?)```', TUTORIAL, re.DOTALL)[1]


@pytest.fixture
def file(tmp_path, monkeypatch):
    (tmp_path / "my_method.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my_method.py"


@pytest.fixture
def run(file, tmp_path):
    """Weights as `train` writes them."""
    method = create_method("my_method.py:coffee")
    save_model(method, tmp_path / "runs" / "own", method.recipes["mine"])
    return Path("runs/own")


def test_a_run_names_the_file_of_its_method(file, run, capsys):
    card = json.loads((run / "model.json").read_text())
    assert card["code"] == f"{file}:coffee"
    assert read_run_method(run) == f"{file}:coffee"
    assert capsys.readouterr().err == f"{run}: the method coffee is loaded from {file}:coffee\n"
    method = create_method(read_run_method(run), weights=run)
    assert (method.name, method.code) == ("coffee", f"{file}:coffee")


def test_a_file_that_is_gone_is_one_line_with_the_call_that_works(file, run):
    file.rename(file.with_name("moved.py"))
    with pytest.raises(InputError) as caught:
        read_run_method(run)
    assert str(caught.value) == (
        f"runs/own: its method coffee is in {file}, which is not there any more; name the file "
        "and the weights: FILE.py:coffee --weights runs/own"
    )
    assert create_method("moved.py:coffee", weights=run).name == "coffee"


def test_code_that_comes_with_the_weights_is_not_run_unless_it_is_named(file, run):
    (run / "evil.py").write_text("raise SystemExit('was run')")
    for code in (f"{(run / 'evil.py').resolve()}:coffee", "runs/own/evil.py:coffee"):
        card = json.loads((run / "model.json").read_text()) | {"code": code}
        (run / "model.json").write_text(json.dumps(card))
        with pytest.raises(InputError, match="name the file and the weights"):
            read_run_method(run)


def test_verbs_take_the_run(file, run, capsys, tmp_path):
    import cv2

    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), np.full((96, 64, 3), 90, np.uint8))
    assert main(["predict", "runs/own", "photos", "--out", "r.json"]) == 0
    assert len(json.loads((tmp_path / "r.json").read_text())) == 1
    capsys.readouterr()
    assert main(["predict", "runs/own", "photos", "--weights", "x", "--out", "r.json"]) == 2
    assert "leave --weights out" in capsys.readouterr().err
    assert main(["train", "runs/own", "--show-recipe"]) == 2
    assert "name the method, and the folder by --weights runs/own" in capsys.readouterr().err
    from smallpose.cli.features import _load_method

    for text in ("runs/own", "my_method.py:coffee=runs/own"):
        assert _load_method(text)[0].name == "coffee"


def test_resolution_takes_the_run(file, run):
    from smallpose.resolution.models import ModelOptions, create_models

    (model,) = create_models(["runs/own"], [], ModelOptions())
    assert model.name == "own"


def test_zoom_is_refused_where_the_network_has_one_size_of_crops(file):
    method = create_method("my_method.py:coffee")
    size, was_training = method.input_wh, method.training
    with pytest.raises(InputError, match="--zoom 2: coffee has one size of crops"):
        method.set_crop_options(CropOptions(zoom=2))
    assert (method.input_wh, method.training) == (size, was_training)
    method.set_crop_options(CropOptions(interpolation="cubic"))
    assert method.crop_options.interpolation == "cubic"


def test_the_only_method_of_a_file_needs_no_name(file, capsys):
    assert create_method("my_method.py").code == f"{file}:coffee"
    assert main(["train", "my_method.py", "--show-recipe"]) == 0
    assert "recipe mine" in capsys.readouterr().out
    both = "\n\ndef create_tea(skeleton):\n    return Coffee(skeleton)\n"
    file.write_text(CODE + both)
    with pytest.raises(InputError, match="has 2 methods: coffee, create_tea; name one of them, as"):
        create_method("my_method.py")
    file.write_text(CODE.partition("def coffee")[0])
    assert create_method("my_method.py", COCO17).code == f"{file}:Coffee"
    file.write_text("x = 1\n")
    with pytest.raises(
        InputError, match=r"no method was recognised in it; write my_method\.py:NAM"
    ):
        create_method("my_method.py")


def test_the_recipe_own_is_derived_from_the_first_recipe_of_the_file(file):
    method = create_method("my_method.py")
    name, recipe = choose_recipe(method, "own", own=OwnData(60, has_weights=False))
    assert name == "own"
    assert recipe.steps == 232 and recipe.batch_size == 8
    assert recipe.optimizer == method.recipes["mine"].optimizer == "adamw"


def test_a_recipe_with_the_name_of_the_built_in_one_is_refused(file):
    file.write_text(CODE.replace('{"mine": RECIPE}', '{"own": RECIPE}'))
    with pytest.raises(InputError, match="'own' has the name of the built-in --recipe own; call"):
        create_method("my_method.py")


NETWORK = """from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.layer = nn.Conv2d(3, width % 4, 1)
"""


@pytest.mark.parametrize("name", ["torchmod.py:Net", "torchmod.py"])
def test_a_plain_network_is_no_method(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("torchmod.py").write_text(NETWORK)
    with pytest.raises(InputError, match=r"Net is no PoseMethod; derive it .*see docs/extend\.md"):
        create_method(name)


def test_a_file_imports_its_neighbours_while_it_is_loaded(file):
    Path("coffee_parts.py").write_text(CODE)
    Path("variant.py").write_text(
        "from coffee_parts import Coffee\n\n\n"
        "def create_tea(skeleton):\n    return Coffee(skeleton)\n"
    )
    before = list(sys.path)
    assert create_method("variant.py", COCO17).name == "tea"
    assert sys.path == before
    sys.modules.pop("coffee_parts")


@pytest.mark.parametrize("name", ["", ":Tea"])
def test_a_misspelt_member_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "from smallpose.methods import PoseMethod\n\n\nclass Tea(PoseMethod):\n"
    Path("tea.py").write_text(code + "    def flip_bck(self, outputs):\n        return outputs\n")
    with pytest.raises(InputError, match=r"Tea has no .*flip_back.*; write what is missing"):
        create_method(f"tea.py{name}", COCO17)


def test_an_error_of_the_users_code_names_its_line(file, capsys, monkeypatch):
    from smallpose.cli import main as cli

    file.write_text(CODE.replace("        return keypoints\n", "        return keypoints[99]\n"))
    line = file.read_text().splitlines().index("        return keypoints[99]") + 1

    def fail(_words):
        create_method("my_method.py:coffee").targets(torch.zeros(1, 17, 3))

    monkeypatch.setattr("smallpose.methods.custom._run_trial", lambda *_: None)
    monkeypatch.setattr(cli, "_run_verb", fail)
    assert main(["train"]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{file}:{line}: fails with IndexError: ")
    assert error.endswith("; correct the file\n")

    # Where it calls us, and we fail, either may be at fault.
    calling = "        return self.skeleton.joint_indices(['x'])"
    file.write_text(CODE.replace("        return keypoints\n", f"{calling}\n"))
    assert main(["train"]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"{file}:{line}: its call of smallpose fails with ValueError: ")
    assert " in core/skeleton.py:" in error
    assert "correct the line, or, if it is right, set SMALLPOSE_TRACEBACK=1" in error

    # An error of ours, without a place in a file of the user's.
    monkeypatch.setattr(cli, "_run_verb", int)
    assert main(["train"]) == 4
    assert "an error of smallpose itself" in capsys.readouterr().err


def test_a_file_that_has_changed_since_the_training_is_named(file, tmp_path, capsys):
    """An edited file changed the numbers of a finished run without a word."""
    helper = tmp_path / "my_blocks.py"
    helper.write_text("WIDTH = 3\n")
    file.write_text(CODE.replace("import torch\n", "import torch\n\nimport my_blocks\n", 1))
    method = create_method("my_method.py:coffee")
    run = tmp_path / "runs" / "own"
    save_model(method, run, method.recipes["mine"])
    card = json.loads((run / "model.json").read_text())
    assert list(card["code_sha256"]) == ["my_method.py", "my_blocks.py"]
    nobody = make_predictions(COCO17, [], np.zeros((0, 17, 3)), [])
    described = describe_result_file(run, "own", nobody, file)
    create_method("my_method.py:coffee", weights=run)
    assert "changed" not in capsys.readouterr().err
    assert describe_changed_code(described) == ""
    helper.write_text("WIDTH = 4\n")
    note = f"my_blocks.py has changed since {run} was trained, so it may compute other numbers now"
    for _ in range(2):
        create_method("my_method.py:coffee", weights=run)
    assert capsys.readouterr().err.count(note) == 1
    assert describe_changed_code(described).startswith(note)
    file.write_text(file.read_text() + "\n# edited\n")
    create_method("my_method.py:coffee", weights=run)
    assert "my_method.py, my_blocks.py have changed since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scale", "place", "said"),
    [
        (1 / 400, "corner", "multiply shares of it by input_wh"),
        (1 / 400, "middle", "train for longer"),
        (1.0, "corner", ""),
    ],
)
def test_keypoints_in_shares_of_the_crop_are_noticed(scale, place, said, file):
    """Such a method trained to AP 0 without a hint; one with few steps was told the same."""
    method = create_method("my_method.py:coffee")
    rng = np.random.default_rng(0)
    boxes = np.column_stack([rng.uniform(0, 300, (20, 2)), rng.uniform(30, 200, (20, 2))])
    inside = rng.uniform(0, 1, (20, 17, 2)) * scale
    poses = np.ones((20, 17, 3))
    center, window_wh = compute_box_window(boxes, method.input_wh, method.box_padding)
    start = center if place == "middle" else center - window_wh / 2
    poses[..., :2] = start[:, None] + inside * boxes[:, None, 2:]
    predictions = make_predictions(COCO17, np.arange(20), poses, np.ones(20), boxes)
    notes = describe_decoded_shares(method, predictions)
    assert [said in note for note in notes] == ([True] if said else [])
    method.code = ""
    assert describe_decoded_shares(method, predictions) == []


def test_a_file_of_labels_in_place_of_a_set_is_advised_to_be_split(file, tmp_path, capsys):
    (tmp_path / "labels.json").write_text("{}")
    assert main(["train", str(file), "--data", "labels.json", "--out", "r"]) == 2
    assert "--data labels.json: is a file, not a set; make a set of it: smallpose split" in (
        capsys.readouterr().err
    )
