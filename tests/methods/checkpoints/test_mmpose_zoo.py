"""Published weights by name: found in caches, checked before use, downloaded or explained."""

import hashlib
from dataclasses import replace

import pytest
import torch

from smallpose import create_method
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.skeleton import COCO17
from smallpose.methods import METHODS, find_weights
from smallpose.methods.checkpoints import mmpose_zoo

TINY = "simple_baseline_r18_tiny"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Use an empty cache, and a folder as the server."""
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(mmpose_zoo, "SERVER", (tmp_path / "server").as_uri())
    return tmp_path


@pytest.fixture
def weights(cache, monkeypatch):
    """Give the tiny method a card with published weights; return it, the card and their bytes."""
    torch.manual_seed(3)
    method = create_method(TINY)
    torch.save({"state_dict": method.state_dict()}, cache / "w.pth")
    data = (cache / "w.pth").read_bytes()
    digits = hashlib.sha256(data).hexdigest()[:8]
    card = replace(
        method.card,
        checkpoint=f"tiny-{digits}_20260101.pth",
        checkpoint_folder="v1/tiny",
        checkpoint_hash=digits,
    )

    def create(skeleton):
        created = METHODS_BEFORE[TINY](skeleton)
        created.card = card
        return created

    monkeypatch.setitem(METHODS, TINY, create)  # type: ignore[arg-type]
    return method, card, data


METHODS_BEFORE = dict(METHODS)


@pytest.mark.usefixtures("without_initial_weights")
def test_every_published_method_has_a_url_with_its_hash():
    cards = [card for create in METHODS.values() if (card := create(COCO17).card).checkpoint]
    assert len(cards) == 17
    for card in cards:
        url = mmpose_zoo.get_url(card)
        assert url.startswith("https://download.openmmlab.com/mmpose/")
        assert card.checkpoint_hash in card.checkpoint and len(card.checkpoint_hash) == 8
        assert card.checkpoint_folder in url and "//" not in url[8:]
        assert all(len(mmpose_zoo.parse_hash(name)) == 8 for name in card.other_checkpoints)


@pytest.mark.parametrize(
    ("checkpoint", "sets"),
    [
        ("td-hm_res50_8xb64-210e_coco-256x192-04af38ce_20220923.pth", ["COCO train2017"]),
        ("hrformer_small_coco_256x192-5310d898_20220316.pth", ["COCO train2017"]),
        (
            "rtmpose-s_simcc-coco_pt-aic-coco_420e-256x192-8edcf0d7_20230127.pth",
            ["COCO train2017", "AI Challenger train"],
        ),
        ("rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504.pth", []),
        ("rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.pth", []),
        ("td-hm_hrnet-w48_8xb32-210e_coco-wholebody-384x288-6e061c6a_20220922.pth", []),
        ("", []),
    ],
)
def test_training_sets_of_published_weights_are_only_named_where_the_file_tells(checkpoint, sets):
    card = replace(create_method(TINY).card, checkpoint=checkpoint)
    assert mmpose_zoo.list_training_sets(card) == sets


def test_a_name_downloads_once_checks_and_loads(cache, weights):
    method, card, data = weights
    folder = cache / "server" / card.checkpoint_folder
    folder.mkdir(parents=True)
    (folder / card.checkpoint).write_bytes(data)
    read = create_method(TINY, weights="mmpose")
    assert all(torch.equal(t, read.state_dict()[n]) for n, t in method.state_dict().items())
    (folder / card.checkpoint).unlink()
    by_file_name = create_method(TINY, weights=card.checkpoint)
    assert torch.equal(by_file_name.head.final_layer.weight, method.head.final_layer.weight)


def test_another_published_file_is_named_and_checked_by_its_own_hash(cache, weights, monkeypatch):
    method, card, data = weights
    digits = hashlib.sha256(data).hexdigest()[:8]
    other = f"tiny_halpe26_700e-{digits}_20260101.pth"
    wrong = "tiny_halpe26_700e-01234567_20260101.pth"
    folder = cache / "server" / card.checkpoint_folder
    folder.mkdir(parents=True)
    for name in (other, wrong):
        (folder / name).write_bytes(data)
    others = replace(card, checkpoint_hash="", other_checkpoints=(other, wrong))

    def create(skeleton):
        created = METHODS_BEFORE[TINY](skeleton)
        created.card = others
        return created

    monkeypatch.setitem(METHODS, TINY, create)  # type: ignore[arg-type]
    read = create_method(TINY, weights=other)
    assert torch.equal(read.head.final_layer.weight, method.head.final_layer.weight)
    with pytest.raises(RefusedError, match="instead of 01234567"):
        create_method(TINY, weights=wrong)


def test_pytorchs_and_mims_caches_are_searched_too(cache, weights):
    _, card, data = weights
    for folder in (cache / "torch/hub/checkpoints", cache / "xdg/mim"):
        folder.mkdir(parents=True)
        (folder / card.checkpoint).write_bytes(data)
        assert find_weights(TINY, "mmpose") == folder / card.checkpoint
        (folder / card.checkpoint).unlink()


def test_without_a_network_the_message_names_the_url_and_the_folder(cache, weights):
    _, card, _ = weights
    with pytest.raises(InputError) as caught:
        create_method(TINY, weights="mmpose")
    message = str(caught.value)
    assert "is in no cache and cannot be downloaded" in message
    assert mmpose_zoo.get_url(card) in message and str(cache / "cache" / "checkpoints") in message
    assert not list((cache / "cache").rglob("*.pth"))


def test_a_download_with_another_hash_is_refused_and_removed(cache, weights):
    _, card, data = weights
    folder = cache / "server" / card.checkpoint_folder
    folder.mkdir(parents=True)
    (folder / card.checkpoint).write_bytes(data + b"x")
    with pytest.raises(RefusedError, match="SHA-256 begins with"):
        create_method(TINY, weights="mmpose")
    assert not list((cache / "cache").rglob("*.pth"))


def test_a_method_without_published_weights_is_an_input_error(cache):
    with pytest.raises(InputError, match="no published weights of cal_hrnet_w16_tiny"):
        create_method("cal_hrnet_w16_tiny", weights="mmpose")


def test_a_path_is_returned_unchanged(cache, tmp_path):
    assert find_weights(TINY, tmp_path / "none.pth") == tmp_path / "none.pth"
    with pytest.raises(InputError, match="no such file"):
        create_method(TINY, weights="none.pth")
