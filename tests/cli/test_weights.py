"""`smallpose weights` without a download: names are printed, a wrong call says what fits."""

import sys

import pytest

from smallpose.catalog.method_checks import PUBLISHED
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.trained_weights import TRAINED
from smallpose.cli import weights
from smallpose.cli.main import main
from smallpose.cli.weights import _refuse_unknown_name


@pytest.mark.parametrize("words", [[], ["list"]])
def test_every_printed_name_can_be_had(words, capsys):
    assert main(["weights", *words]) == 0
    names = [line[2:] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert {*PUBLISHED, "rtmo_s", "rtmpose_m"} <= set(names)
    assert len(set(names)) == len(names) > 25
    catalog = read_catalog()
    for name in names:
        _refuse_unknown_name(name)
        assert name not in catalog or catalog[name]["checkpoint"] or name in TRAINED


def test_the_files_of_several_models_are_printed(monkeypatch, capsys):
    monkeypatch.setattr(weights, "get_weights", lambda name, package: f"{name}.bin")
    assert main(["weights", "get", "movenet", "posenet"]) == 0
    assert capsys.readouterr().out == "movenet.bin\nposenet.bin\n"


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("movenet", "ai_edge_litert", "LiteRT is not installed; pip install '.[movenet]' in your"),
        ("posenet", "onnxruntime", "onnxruntime is not installed; pip install '.[onnx]' in your"),
        ("openpose-thin", "onnxruntime", ""),
        ("movenet", "onnxruntime", ""),
        ("rtmo_s", "ai_edge_litert", ""),
    ],
)
def test_what_a_model_needs_to_run_is_told_with_its_weights(
    name, module, message, monkeypatch, capsys
):
    monkeypatch.setattr(weights, "get_weights", lambda name, package: f"{name}.bin")
    for needed in ("ai_edge_litert", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, needed, None if needed == module else sys)
    assert main(["weights", "get", name]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{name}.bin\n"
    assert message in printed.err and printed.err.count("\n") == bool(message)
    assert f"smallpose predict {name}: " in printed.err or not message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["get"], "names no model; name one of movenet, movenet-thunder,"),
        (
            ["movenet"],
            "is none of list, get and train; download it by: smallpose weights get movenet",
        ),
        (["fetch"], "is none of list, get and train; try 'smallpose weights' for the names"),
        (["list", "movenet"], "lists all names and takes nothing else; try 'smallpose weights'"),
        (["get", "movnet"], "no such model; try movenet"),
        (["get", "movenet", "posnet"], "weights posnet: no such model; try posenet"),
        (["movenet", "posenet"], "download it by: smallpose weights get movenet posenet"),
        (
            ["get", "movenet", "posenet", "--package", "x"],
            "is the package of one model, and 2 models are",
        ),
    ],
)
def test_a_wrong_call_says_what_to_type(words, message, capsys):
    assert main(["weights", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
