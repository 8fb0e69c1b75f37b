"""Checkpoints of other programs are read whole, and a part is never taken for the whole."""

import re

import pytest
import torch
from torch import Tensor, nn

from smallpose.core.errors import InputError
from smallpose.methods import create_method

RESNET = "simple_baseline_r18_tiny"
HRNET = "hrnet_w16_tiny"
VITPOSE = "vitpose_tiny"


def _make_state(name: str, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return create_method(name).state_dict()


def _assert_reads(tmp_path, name, checkpoint, expected) -> None:
    torch.save(checkpoint, tmp_path / "m.pth")
    read = create_method(name, weights=tmp_path / "m.pth").state_dict()
    assert read.keys() == expected.keys()
    assert all(torch.equal(read[key], tensor) for key, tensor in expected.items())


@pytest.mark.parametrize("name", [RESNET, HRNET])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.backbone."])
def test_names_of_the_authors_of_simple_baseline_and_hrnet_are_read(tmp_path, name, prefix):
    state = _make_state(name)
    theirs = {prefix + re.sub(r"^(backbone|head)\.", "", key): t for key, t in state.items()}
    _assert_reads(tmp_path, name, theirs, state)


def _name_as_vitpose_authors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    theirs = {}
    for name, tensor in state.items():
        name = name.replace("backbone.layers.", "backbone.blocks.").replace(".ln2.", ".norm2.")
        name = name.replace("backbone.ln1.", "backbone.last_norm.").replace(".ln1.", ".norm1.")
        name = name.replace(".ffn.layers.0.0.", ".mlp.fc1.").replace(".ffn.layers.1.", ".mlp.fc2.")
        name = name.replace("patch_embed.projection", "patch_embed.proj")
        theirs[re.sub(r"^head\.", "keypoint_head.", name)] = tensor
    token = torch.full_like(state["backbone.pos_embed"][:, :1], 0.5)
    theirs["backbone.pos_embed"] = torch.cat([token, state["backbone.pos_embed"] - token], 1)
    return theirs


def test_vitpose_of_its_authors_is_read_with_the_class_tokens_embedding_added(tmp_path):
    state = _make_state(VITPOSE)
    state["backbone.pos_embed"] = torch.round(state["backbone.pos_embed"] * 64) / 64  # exact sums
    _assert_reads(tmp_path, VITPOSE, {"state_dict": _name_as_vitpose_authors(state)}, state)


def test_of_vitpose_plus_the_expert_and_the_head_of_coco_are_read(tmp_path):
    state = _make_state(VITPOSE)
    state["backbone.pos_embed"] = torch.round(state["backbone.pos_embed"] * 64) / 64
    theirs = _name_as_vitpose_authors(state)
    for name in [name for name in theirs if ".mlp.fc2." in name]:
        shared, coco = theirs[name].chunk(2)
        block, kind = name.split("mlp.fc2.")
        theirs[name] = shared
        theirs[f"{block}mlp.experts.0.{kind}"] = coco
        theirs[f"{block}mlp.experts.1.{kind}"] = torch.zeros_like(coco)
    theirs["associate_keypoint_heads.0.final_layer.weight"] = torch.zeros(14, 8, 1, 1)
    _assert_reads(tmp_path, VITPOSE, {"state_dict": theirs}, state)


@pytest.mark.parametrize(
    "prefixes", [["module."], ["_orig_mod."], ["model."], ["teacher."], ["module.", "_orig_mod."]]
)
@pytest.mark.parametrize(
    "container", [None, "state_dict", "state_dict_ema", "model_state_dict", "model"]
)
def test_wrappers_and_containers_are_taken_off(tmp_path, prefixes, container):
    state = _make_state(RESNET)
    theirs = {"".join(prefixes) + key: tensor for key, tensor in state.items()}
    _assert_reads(tmp_path, RESNET, theirs if container is None else {container: theirs}, state)


def test_the_average_is_read_where_a_checkpoint_has_two_sets_of_weights(tmp_path, capsys):
    average, last = _make_state(RESNET, 0), _make_state(RESNET, 1)
    timm = {"state_dict": last, "state_dict_ema": average}
    _assert_reads(tmp_path, RESNET, timm, average)
    assert "read the weights under 'state_dict_ema'" in capsys.readouterr().err
    # MMEngine's EMAHook exchanges the two before it saves.
    last = {f"module.{name}": tensor for name, tensor in last.items()} | {"steps": torch.tensor(9)}
    _assert_reads(tmp_path, RESNET, {"state_dict": average, "ema_state_dict": last}, average)
    assert "read the weights under 'state_dict'" in capsys.readouterr().err
    both = {f"teacher.{key}": t for key, t in average.items()}
    both |= {f"student.{key}": t for key, t in average.items()}
    _assert_reads(tmp_path, RESNET, {"state_dict": both}, average)
    assert "the teacher's weights" in capsys.readouterr().err


def test_the_buffers_of_mmcvs_average_are_left_out(tmp_path):
    state = _make_state(RESNET)
    buffers = {f"ema_{n.replace('.', '_')}": torch.zeros_like(t) for n, t in state.items()}
    _assert_reads(tmp_path, RESNET, {"state_dict": state | buffers}, state)


def test_a_backbone_alone_is_refused_where_keypoints_are_due(tmp_path, capsys):
    state = _make_state(RESNET)
    backbone = {name: t for name, t in state.items() if name.startswith("backbone.")}
    torch.save({"state_dict": backbone}, tmp_path / "backbone.pth")
    with pytest.raises(InputError, match="has a backbone alone, without the head"):
        create_method(RESNET, weights=tmp_path / "backbone.pth")
    create_method(RESNET, weights=tmp_path / "backbone.pth", partial=True)
    count = len(state) - len(backbone)
    assert f"{count} of {len(state)} tensors keep their initial values" in capsys.readouterr().err


def test_part_of_a_head_is_refused_even_for_training(tmp_path):
    state = _make_state(RESNET)
    del state["head.final_layer.bias"]
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(InputError, match=r"1 of \d+ tensors is missing"):
        create_method(RESNET, weights=tmp_path / "m.pth", partial=True)


def test_hrnets_classifier_gives_the_backbone_and_no_head(tmp_path):
    state = _make_state(HRNET)
    theirs = {
        name.removeprefix("backbone."): tensor
        for name, tensor in state.items()
        if name.startswith("backbone.")
    }
    theirs["final_layer.0.weight"] = nn.Conv2d(4, 8, 1).weight.detach()
    theirs["classifier.weight"] = torch.zeros(10, 8)
    torch.save(theirs, tmp_path / "imagenet.pth")
    with pytest.raises(InputError, match="has a backbone alone"):
        create_method(HRNET, weights=tmp_path / "imagenet.pth")
    read = create_method(HRNET, weights=tmp_path / "imagenet.pth", partial=True).state_dict()
    names = [name for name in state if name.startswith("backbone.")]
    assert all(torch.equal(read[name], state[name]) for name in names)
