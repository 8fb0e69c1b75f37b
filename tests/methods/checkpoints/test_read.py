"""Weights from files: nothing runs, nothing fits by accident, joints move by name."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from smallpose import create_method
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.skeleton import COCO17, HIEVE14, MPII16, POSETRACK17, SMALLPOSE
from smallpose.methods import find_skeleton
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


def test_the_refusal_says_how_to_mend_it_and_trust_reads_it(tmp_path, seventeen):
    _, method = seventeen
    marker, path = tmp_path / "marker", tmp_path / "a.pth"
    torch.save({"state_dict": method.state_dict(), "meta": Marker(marker)}, path)
    with pytest.raises(
        RefusedError, match="needs code execution; convert or pass --i-trust-this-file"
    ) as caught:
        create_method(TINY, weights=path)
    assert caught.value.exit_code == 3 and not marker.exists()
    assert same(method, create_method(TINY, weights=path, trust=True))
    assert marker.exists()


def test_trust_does_not_help_where_the_makers_code_is_missing(tmp_path):
    # A class of a module that is not there, as a foreign framework's.
    (tmp_path / "a.pth").write_bytes(b"\x80\x02cnot_a_module\nThing\n)\x81.")
    with pytest.raises(InputError, match="not_a_module"):
        create_method(TINY, weights=tmp_path / "a.pth", trust=True)


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
        with pytest.raises(InputError, match="head expects 21 keypoints, file has 17; use --adapt"):
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


def joints_of(skeleton):
    torch.manual_seed(2)
    method = create_method(TINY, skeleton)
    torch.nn.init.normal_(method.head.final_layer.weight)
    return method


def test_any_skeletons_checkpoint_is_adapted_by_name(tmp_path):
    """Files that name no joints: 16 are MPII's, 14 are said, and one's own stand in a file."""
    for skeleton, said in ((MPII16, None), (HIEVE14, "hieve14")):
        method = joints_of(skeleton)
        torch.save(method.state_dict(), tmp_path / "m.pth")
        assert same(method, create_method(TINY, skeleton, tmp_path / "m.pth"))
        if said is not None:
            with pytest.raises(InputError, match=r"expects 21 keypoints, file has 14.*aic14"):
                create_method(TINY, "smallpose21", tmp_path / "m.pth", adapt=True)
        new = create_method(
            TINY, "smallpose21", tmp_path / "m.pth", adapt=True, weights_skeleton=said
        )
        for joint in skeleton.joints:
            here, there = SMALLPOSE.joints.index(joint), skeleton.joints.index(joint)
            assert torch.equal(
                new.head.final_layer.weight[here], method.head.final_layer.weight[there]
            )


def test_a_skeleton_of_ones_own_goes_to_weights_and_back(tmp_path):
    text = '{"joints": ["nose", "left_fin", "right_fin", "tail"], "edges": [[0, 3]], '
    text += '"sigmas": [0.03, 0.1, 0.1, 0.2], "name": "fish"}'
    (tmp_path / "fish.json").write_text(text)
    method = joints_of(find_skeleton(str(tmp_path / "fish.json")))
    assert method.skeleton.flip_indices.tolist() == [0, 2, 1, 3]
    save_model(method, tmp_path, method.recipes["quick"])
    again = create_method(TINY, weights=tmp_path)
    assert again.skeleton == method.skeleton and same(method, again)
    torch.save(method.state_dict(), tmp_path / "fish.pth")
    fish = str(tmp_path / "fish.json")
    assert same(method, create_method(TINY, fish, tmp_path / "fish.pth"))
    adapted = create_method(
        TINY, "coco17", tmp_path / "fish.pth", adapt=True, weights_skeleton=fish
    )
    assert torch.equal(adapted.head.final_layer.weight[0], method.head.final_layer.weight[0])


def test_posetracks_17_are_not_cocos_unless_said(tmp_path):
    method = joints_of(POSETRACK17)
    torch.save(method.state_dict(), tmp_path / "m.pth")
    with pytest.raises(InputError, match="of posetrack17, file has those of coco17"):
        create_method(TINY, POSETRACK17, tmp_path / "m.pth")
    read = create_method(TINY, POSETRACK17, tmp_path / "m.pth", weights_skeleton="posetrack17")
    assert same(method, read)


def test_rtmo_without_what_only_training_needs_is_loaded_aloud(tmp_path, capsys):
    method = create_method("rtmo_tiny")
    state = method.state_dict()
    less = {n: t for n, t in state.items() if not n.startswith(method.training_only)}
    assert len(less) < len(state)
    torch.save(less, tmp_path / "m.pth")
    read = create_method("rtmo_tiny", weights=tmp_path / "m.pth")
    assert "only training needs" in capsys.readouterr().err
    picture = np.zeros((64, 64, 3), np.uint8)
    read.score_threshold = method.score_threshold = 0.0
    there, here = method.predict([picture]), read.predict([picture])
    np.testing.assert_array_equal(there.keypoints, here.keypoints)
    del less["head.dcc.gau.o.weight"]
    torch.save(less, tmp_path / "m.pth")
    with pytest.raises(InputError, match="tensors lack"):
        create_method("rtmo_tiny", weights=tmp_path / "m.pth")


def to_transformers(state, experts):
    """ViTPose's tensors by the names `VitPoseForPoseEstimation` has for them."""
    theirs = {}
    for name, tensor in state.items():
        if name == "backbone.pos_embed":
            token = torch.randn_like(tensor[:, :1])
            theirs["backbone.embeddings.position_embeddings"] = torch.cat(
                [token, tensor - token], 1
            )
            continue
        name = name.replace("backbone.patch_embed.", "backbone.embeddings.patch_embeddings.")
        name = name.replace("backbone.ln1.", "backbone.layernorm.")
        name = name.replace("backbone.layers.", "backbone.encoder.layer.")
        for ours, word in (
            ("ln1", "layernorm_before"),
            ("ln2", "layernorm_after"),
            ("attn.proj", "attention.output.dense"),
            ("ffn.layers.0.0", "mlp.fc1"),
            ("ffn.layers.1", "mlp.fc2"),
            ("deconv_layers.0", "deconv1"),
            ("deconv_layers.1", "batchnorm1"),
            ("deconv_layers.3", "deconv2"),
            ("deconv_layers.4", "batchnorm2"),
            ("final_layer", "conv"),
        ):
            name = name.replace(f".{ours}.", f".{word}.")
        if ".attn.qkv." in name:
            for part, word in zip(tensor.chunk(3), ("query", "key", "value"), strict=True):
                theirs[name.replace("attn.qkv", f"attention.attention.{word}")] = part.clone()
        elif experts and ".mlp.fc2." in name:
            share = len(tensor) // 4
            theirs[name] = tensor[:-share].clone()
            for number in range(3):
                expert = tensor[-share:] + number
                theirs[name.replace("fc2", f"experts.experts.{number}")] = expert.clone()
        else:
            theirs[name] = tensor
    return theirs


@pytest.mark.parametrize("experts", [False, True])
def test_vitpose_in_transformers_form_is_the_same_function(tmp_path, experts):
    torch.manual_seed(0)
    method = create_method("vitpose_tiny")
    save_file(to_transformers(method.state_dict(), experts), tmp_path / "model.safetensors")
    read = create_method("vitpose_tiny", weights=tmp_path / "model.safetensors")
    w, h = method.input_wh
    crops = torch.randn(1, 3, h, w)
    with torch.inference_mode():
        torch.testing.assert_close(read(crops), method(crops), atol=1e-6, rtol=1e-5)


def test_dekrs_rescoring_net_stays_with_its_skeleton(tmp_path, capsys):
    """It is COCO's: left out for 21 joints, and neutral where a file of 21 has none."""
    torch.manual_seed(0)
    of_17 = create_method("dekr_hrnet_w8_tiny", "coco17")
    save_model(of_17, tmp_path / "17", of_17.recipes["quick"])
    of_21 = create_method("dekr_hrnet_w8_tiny", "smallpose21", tmp_path / "17", adapt=True)
    assert "6 tensors of its own skeleton alone are left out" in capsys.readouterr().err
    save_model(of_21, tmp_path / "21", of_21.recipes["quick"])
    back = create_method("dekr_hrnet_w8_tiny", "coco17", tmp_path / "21", adapt=True)
    poses, scores = torch.rand(5, 17, 2) * 90, torch.rand(5, 17)
    assert (of_17.head.rescore_net(poses, scores) != 1).all()
    assert (back.head.rescore_net(poses, scores) == 1).all()
    for name, tensor in of_17.state_dict().items():
        if not name.startswith("head.rescore_net."):
            assert torch.equal(back.state_dict()[name], tensor), name
