"""Weights from files: no code runs, misfits are refused, joints are matched by name."""

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
    """Write our weights for 17 joints as a run's folder and as a `.pth` like MMPose's."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    method = create_method(TINY, "coco17")
    torch.nn.init.normal_(method.head.final_layer.weight)
    torch.nn.init.normal_(method.head.final_layer.bias)
    save_model(method, folder, method.recipes["quick"])
    other = {"data_preprocessor.mean": torch.zeros(3)}
    torch.save({"meta": {"epoch": 1}, "state_dict": method.state_dict() | other}, folder / "m.pth")
    return folder, method


def have_equal_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


@pytest.mark.parametrize("name", ["", "model.safetensors", "m.pth"])
def test_weights_are_read_from_a_run_a_file_and_an_mmpose_checkpoint(seventeen, name):
    folder, method = seventeen
    read = create_method(TINY, weights=folder / name)
    assert have_equal_weights(method, read)
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


def test_the_refusal_tells_the_remedy_and_trust_reads_the_file(tmp_path, seventeen):
    _, method = seventeen
    marker, path = tmp_path / "marker", tmp_path / "a.pth"
    torch.save({"state_dict": method.state_dict(), "meta": Marker(marker)}, path)
    with pytest.raises(
        RefusedError, match="needs code execution; convert or pass trust=True"
    ) as caught:
        create_method(TINY, weights=path)
    assert caught.value.exit_code == 3 and not marker.exists()
    assert have_equal_weights(method, create_method(TINY, weights=path, trust=True))
    assert marker.exists()


def test_a_trusted_file_whose_code_is_missing_is_an_input_error(tmp_path):
    # A class of a module that is not installed, such as another framework's.
    (tmp_path / "a.pth").write_bytes(b"\x80\x02cnot_a_module\nThing\n)\x81.")
    with pytest.raises(InputError, match="not_a_module"):
        create_method(TINY, weights=tmp_path / "a.pth", trust=True)


def test_mmengines_training_history_is_ignored(tmp_path, seventeen, monkeypatch):
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
    checkpoint = {
        "meta": {"seed": np.int64(3)},
        "message_hub": {"loss": HistoryBuffer()},
        "state_dict": method.state_dict(),
    }
    torch.save(checkpoint, tmp_path / "m.pth")
    monkeypatch.undo()
    assert have_equal_weights(method, create_method(TINY, weights=tmp_path / "m.pth"))


def test_another_skeleton_is_refused_and_adapt_copies_joints_by_name(seventeen):
    folder, method = seventeen
    for name in ("model.safetensors", "m.pth"):
        with pytest.raises(
            InputError, match="head expects 21 keypoints, file has 17; use adapt=True"
        ):
            create_method(TINY, "smallpose21", folder / name)
        adapted = create_method(TINY, "smallpose21", folder / name, adapt=True)
        new, old = adapted.head.final_layer, method.head.final_layer
        for joint in COCO17.joints:
            new_index, old_index = SMALLPOSE.joints.index(joint), COCO17.joints.index(joint)
            assert torch.equal(new.weight[new_index], old.weight[old_index])
            assert torch.equal(new.bias[new_index], old.bias[old_index])
        assert torch.equal(adapted.backbone.conv1.weight, method.backbone.conv1.weight)


def test_weights_of_another_method_are_refused_by_name(seventeen):
    folder, _ = seventeen
    with pytest.raises(InputError, match=f"weights of {TINY}, not simple_baseline_r50"):
        create_method("simple_baseline_r50", weights=folder / "model.safetensors")
    with pytest.raises(InputError, match="tensors"):
        create_method("simple_baseline_r50", weights=folder / "m.pth")


def test_a_classifiers_weights_initialise_only_the_backbone(tmp_path, seventeen):
    _, method = seventeen
    state = {n[9:]: t for n, t in method.state_dict().items() if n.startswith("backbone.")}
    torch.save(state | {"fc.weight": torch.zeros(10, 80)}, tmp_path / "imagenet.pth")
    read = create_method(TINY, weights=tmp_path / "imagenet.pth", partial=True)
    assert have_equal_weights(method.backbone, read.backbone)
    assert not have_equal_weights(method.head, read.head)


def test_files_without_weights_are_input_errors(tmp_path, seventeen):
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
    with pytest.raises(InputError, match="values that are not finite"):
        create_method(TINY, weights=tmp_path / "nan.safetensors")


def make_random_head(skeleton):
    torch.manual_seed(2)
    method = create_method(TINY, skeleton)
    torch.nn.init.normal_(method.head.final_layer.weight)
    return method


def test_any_skeletons_checkpoint_is_adapted_by_name(tmp_path):
    """Files without joint names: 16 are MPII's; 14 are ambiguous and must be named."""
    for skeleton, name in ((MPII16, None), (HIEVE14, "hieve14")):
        method = make_random_head(skeleton)
        torch.save(method.state_dict(), tmp_path / "m.pth")
        assert have_equal_weights(method, create_method(TINY, skeleton, tmp_path / "m.pth"))
        if name is not None:
            with pytest.raises(InputError, match=r"expects 21 keypoints, file has 14.*aic14"):
                create_method(TINY, "smallpose21", tmp_path / "m.pth", adapt=True)
        new = create_method(
            TINY, "smallpose21", tmp_path / "m.pth", adapt=True, weights_skeleton=name
        )
        for joint in skeleton.joints:
            new_row = new.head.final_layer.weight[SMALLPOSE.joints.index(joint)]
            old_row = method.head.final_layer.weight[skeleton.joints.index(joint)]
            assert torch.equal(new_row, old_row)


def test_a_custom_skeleton_is_stored_with_the_weights(tmp_path):
    text = '{"joints": ["nose", "left_fin", "right_fin", "tail"], "edges": [[0, 3]], '
    text += '"sigmas": [0.03, 0.1, 0.1, 0.2], "name": "fish"}'
    (tmp_path / "fish.json").write_text(text)
    method = make_random_head(find_skeleton(str(tmp_path / "fish.json")))
    assert method.skeleton.flip_indices.tolist() == [0, 2, 1, 3]
    save_model(method, tmp_path, method.recipes["quick"])
    loaded = create_method(TINY, weights=tmp_path)
    assert loaded.skeleton == method.skeleton and have_equal_weights(method, loaded)
    torch.save(method.state_dict(), tmp_path / "fish.pth")
    fish = str(tmp_path / "fish.json")
    assert have_equal_weights(method, create_method(TINY, fish, tmp_path / "fish.pth"))
    adapted = create_method(
        TINY, "coco17", tmp_path / "fish.pth", adapt=True, weights_skeleton=fish
    )
    assert torch.equal(adapted.head.final_layer.weight[0], method.head.final_layer.weight[0])


def test_17_unnamed_joints_are_cocos_unless_posetracks_are_named(tmp_path):
    method = make_random_head(POSETRACK17)
    torch.save(method.state_dict(), tmp_path / "m.pth")
    with pytest.raises(InputError, match="of posetrack17, file has those of coco17"):
        create_method(TINY, POSETRACK17, tmp_path / "m.pth")
    read = create_method(TINY, POSETRACK17, tmp_path / "m.pth", weights_skeleton="posetrack17")
    assert have_equal_weights(method, read)


def test_rtmo_without_training_only_weights_is_loaded_with_a_message(tmp_path, capsys):
    method = create_method("rtmo_tiny")
    state = method.state_dict()
    published = {n: t for n, t in state.items() if not n.startswith(method.training_only)}
    assert len(published) < len(state)
    torch.save(published, tmp_path / "m.pth")
    read = create_method("rtmo_tiny", weights=tmp_path / "m.pth")
    assert "only training uses" in capsys.readouterr().err
    image = np.zeros((64, 64, 3), np.uint8)
    read.score_threshold = method.score_threshold = 0.0
    expected, predictions = method.predict([image]), read.predict([image])
    np.testing.assert_array_equal(predictions.keypoints, expected.keypoints)
    del published["head.dcc.gau.o.weight"]
    torch.save(published, tmp_path / "m.pth")
    with pytest.raises(InputError, match="tensors are missing"):
        create_method("rtmo_tiny", weights=tmp_path / "m.pth")


def to_transformers(state, experts):
    """Rename ViTPose's tensors to those of transformers' `VitPoseForPoseEstimation`."""
    renamed = {}
    for name, tensor in state.items():
        if name == "backbone.pos_embed":
            token = torch.randn_like(tensor[:, :1])
            renamed["backbone.embeddings.position_embeddings"] = torch.cat(
                [token, tensor - token], 1
            )
            continue
        name = name.replace("backbone.patch_embed.", "backbone.embeddings.patch_embeddings.")
        name = name.replace("backbone.ln1.", "backbone.layernorm.")
        name = name.replace("backbone.layers.", "backbone.encoder.layer.")
        for our_name, their_name in (
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
            name = name.replace(f".{our_name}.", f".{their_name}.")
        if ".attn.qkv." in name:
            for part, role in zip(tensor.chunk(3), ("query", "key", "value"), strict=True):
                renamed[name.replace("attn.qkv", f"attention.attention.{role}")] = part.clone()
        elif experts and ".mlp.fc2." in name:
            share = len(tensor) // 4
            renamed[name] = tensor[:-share].clone()
            for number in range(3):
                expert = tensor[-share:] + number
                renamed[name.replace("fc2", f"experts.experts.{number}")] = expert.clone()
        else:
            renamed[name] = tensor
    return renamed


@pytest.mark.parametrize("experts", [False, True])
def test_vitpose_weights_of_transformers_give_the_same_outputs(tmp_path, experts):
    torch.manual_seed(0)
    method = create_method("vitpose_tiny")
    save_file(to_transformers(method.state_dict(), experts), tmp_path / "model.safetensors")
    read = create_method("vitpose_tiny", weights=tmp_path / "model.safetensors")
    w, h = method.input_wh
    crops = torch.randn(1, 3, h, w)
    with torch.inference_mode():
        torch.testing.assert_close(read(crops), method(crops), atol=1e-6, rtol=1e-5)


def test_dekrs_rescoring_net_is_not_adapted_to_another_skeleton(tmp_path, capsys):
    """It is COCO's: dropped for 21 joints, and neutral where a file of 21 has none."""
    torch.manual_seed(0)
    of_17 = create_method("dekr_hrnet_w8_tiny", "coco17")
    save_model(of_17, tmp_path / "17", of_17.recipes["quick"])
    of_21 = create_method("dekr_hrnet_w8_tiny", "smallpose21", tmp_path / "17", adapt=True)
    assert "6 tensors are dropped: made for its skeleton only" in capsys.readouterr().err
    save_model(of_21, tmp_path / "21", of_21.recipes["quick"])
    back = create_method("dekr_hrnet_w8_tiny", "coco17", tmp_path / "21", adapt=True)
    poses, scores = torch.rand(5, 17, 2) * 90, torch.rand(5, 17)
    assert (of_17.head.rescore_net(poses, scores) != 1).all()
    assert (back.head.rescore_net(poses, scores) == 1).all()
    for name, tensor in of_17.state_dict().items():
        if not name.startswith("head.rescore_net."):
            assert torch.equal(back.state_dict()[name], tensor), name
