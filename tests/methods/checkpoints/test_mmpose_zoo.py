"""Published weights by name: found in caches, checked before use, fetched or explained."""

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
    """A cache of one's own, and a server that is a folder."""
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(mmpose_zoo, "SERVER", (tmp_path / "server").as_uri())
    return tmp_path


@pytest.fixture
def weights(cache, monkeypatch):
    """The tiny method with a card of published weights, and their bytes."""
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

    def make(skeleton):
        made = METHODS_BEFORE[TINY](skeleton)
        made.card = card
        return made

    monkeypatch.setitem(METHODS, TINY, make)  # type: ignore[arg-type]
    return method, card, data


METHODS_BEFORE = dict(METHODS)


def test_every_published_method_has_an_address_with_its_hash_in_it():
    published_ones = []
    for name, make in METHODS.items():
        # Stochastic depth is a list of numbers, which tensors without content cannot give.
        with torch.device("cpu" if name.startswith(("hrformer", "vitpose")) else "meta"):
            card = make(COCO17).card
        published_ones += [card] if card.checkpoint else []
    assert len(published_ones) == 11
    for card in published_ones:
        url = mmpose_zoo.get_url(card)
        assert url.startswith("https://download.openmmlab.com/mmpose/")
        assert card.checkpoint_hash in card.checkpoint and len(card.checkpoint_hash) == 8
        assert card.checkpoint_folder in url and "//" not in url[8:]


def test_a_name_fetches_once_checks_and_loads(cache, weights):
    method, card, data = weights
    at = cache / "server" / card.checkpoint_folder
    at.mkdir(parents=True)
    (at / card.checkpoint).write_bytes(data)
    read = create_method(TINY, weights="mmpose")
    assert all(torch.equal(t, read.state_dict()[n]) for n, t in method.state_dict().items())
    (at / card.checkpoint).unlink()
    by_file_name = create_method(TINY, weights=card.checkpoint)
    assert torch.equal(by_file_name.head.final_layer.weight, method.head.final_layer.weight)


def test_pytorchs_and_mims_caches_are_looked_into_as_well(cache, weights):
    _, card, data = weights
    for folder in (cache / "torch/hub/checkpoints", cache / "xdg/mim"):
        folder.mkdir(parents=True)
        (folder / card.checkpoint).write_bytes(data)
        assert find_weights(TINY, "mmpose") == folder / card.checkpoint
        (folder / card.checkpoint).unlink()


def test_without_a_network_the_message_says_what_to_fetch_and_where_to_put_it(cache, weights):
    _, card, _ = weights
    with pytest.raises(InputError) as caught:
        create_method(TINY, weights="mmpose")
    message = str(caught.value)
    assert "is in no cache and cannot be fetched" in message
    assert mmpose_zoo.get_url(card) in message and str(cache / "cache" / "checkpoints") in message
    assert not list((cache / "cache").rglob("*.pth"))


def test_another_files_bytes_are_refused_and_what_was_fetched_is_removed(cache, weights):
    _, card, data = weights
    at = cache / "server" / card.checkpoint_folder
    at.mkdir(parents=True)
    (at / card.checkpoint).write_bytes(data + b"x")
    with pytest.raises(RefusedError, match="SHA-256 begins with"):
        create_method(TINY, weights="mmpose")
    assert not list((cache / "cache").rglob("*.pth"))


def test_a_method_without_published_weights_says_so(cache):
    with pytest.raises(InputError, match="nobody published weights of cal_hrnet_w16_tiny"):
        create_method("cal_hrnet_w16_tiny", weights="mmpose")


def test_a_path_stays_a_path(cache, tmp_path):
    assert find_weights(TINY, tmp_path / "none.pth") == tmp_path / "none.pth"
    with pytest.raises(InputError, match="no such file"):
        create_method(TINY, weights="none.pth")
