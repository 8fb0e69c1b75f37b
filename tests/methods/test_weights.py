"""Weights from files: nothing runs, nothing fits by accident, joints move by name."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from smallpose import create_method
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.training.checkpoint import save_model

TINY = "simple_baseline_r18_tiny"


@pytest.fixture(scope="module")
def seventeen(tmp_path_factory):
    """A folder with our weights of 17 joints and the same as a `.pth` like MMPose's."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    method = create_method(TINY, "coco17")
    torch.nn.init.normal_(method.head.final_layer.weight)
    torch.nn.init.normal_(method.head.final_layer.bias)
    save_model(method, folder, method.recipes["quick"])
    other = {"data_preprocessor.mean": torch.zeros(3)}
    torch.save({"meta": {"epoch": 1}, "state_dict": method.state_dict() | other}, folder / "m.pth")
    return folder, method


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


@pytest.mark.parametrize("name", ["", "model.safetensors", "m.pth"])
def test_weights_come_back_from_a_run_a_file_and_an_mmpose_checkpoint(seventeen, name):
    folder, method = seventeen
    read = create_method(TINY, weights=folder / name)
    assert same(method, read)
    assert read.skeleton == COCO17
    assert not read.training


class Marker:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(tmp_path):
    marker = tmp_path / "marker"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Marker(marker)}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Marker(marker)))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(RefusedError, match="needs code execution"):
            create_method(TINY, weights=tmp_path / name)
    assert not marker.exists()


def test_the_bookkeeping_of_mmengine_is_passed_over(tmp_path, seventeen, monkeypatch):
    _, method = seventeen
    import sys
    import types

    module = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self) -> None:
            self.history = np.arange(4.0)
            self.last = np.float64(3)

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    module.HistoryBuffer = HistoryBuffer
    for name in ("mmengine", "mmengine.logging", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    held = {
        "meta": {"seed": np.int64(3)},
        "message_hub": {"loss": HistoryBuffer()},
        "state_dict": method.state_dict(),
    }
    torch.save(held, tmp_path / "m.pth")
    monkeypatch.undo()
    assert same(method, create_method(TINY, weights=tmp_path / "m.pth"))


def test_another_skeleton_is_named_and_adapt_carries_joints_by_name(seventeen):
    folder, method = seventeen
    for name in ("model.safetensors", "m.pth"):
        with pytest.raises(
            InputError, match="head expects 21 keypoints, file has 17 keypoints; use --adapt"
        ):
            create_method(TINY, "smallpose21", folder / name)
        adapted = create_method(TINY, "smallpose21", folder / name, adapt=True)
        new, old = adapted.head.final_layer, method.head.final_layer
        for joint in COCO17.joints:
            here, there = SMALLPOSE.joints.index(joint), COCO17.joints.index(joint)
            assert torch.equal(new.weight[here], old.weight[there])
            assert torch.equal(new.bias[here], old.bias[there])
        assert torch.equal(adapted.backbone.conv1.weight, method.backbone.conv1.weight)


def test_weights_of_another_method_are_named(seventeen):
    folder, _ = seventeen
    with pytest.raises(InputError, match=f"weights of {TINY}, not simple_baseline_r50"):
        create_method("simple_baseline_r50", weights=folder / "model.safetensors")
    with pytest.raises(InputError, match="tensors"):
        create_method("simple_baseline_r50", weights=folder / "m.pth")


def test_a_classifiers_weights_fill_the_backbone_alone(tmp_path, seventeen):
    _, method = seventeen
    state = {n[9:]: t for n, t in method.state_dict().items() if n.startswith("backbone.")}
    torch.save(state | {"fc.weight": torch.zeros(10, 80)}, tmp_path / "imagenet.pth")
    read = create_method(TINY, weights=tmp_path / "imagenet.pth")
    assert same(method.backbone, read.backbone)
    assert not same(method.head, read.head)


def test_files_that_are_no_weights_say_so(tmp_path, seventeen):
    folder, method = seventeen
    (tmp_path / "page.pth").write_bytes(b"<html>not found</html>")
    (tmp_path / "cut.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    (tmp_path / "cut.pth").write_bytes((folder / "m.pth").read_bytes()[:5000])
    torch.save({"state_dict": {}}, tmp_path / "empty.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("page.pth", "cut.safetensors", "cut.pth", "empty.pth", "list.pth", "none.pth"):
        with pytest.raises(InputError):
            create_method(TINY, weights=tmp_path / name)
    state = {n: t.contiguous() for n, t in method.state_dict().items()}
    state["head.final_layer.bias"] = torch.full((17,), float("nan"))
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match="is not finite"):
        create_method(TINY, weights=tmp_path / "nan.safetensors")
