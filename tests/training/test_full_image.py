"""Full-image methods are trained by the same loop and the same command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import open_set_images
from smallpose.methods import create_method
from smallpose.methods.rtmo import RTMO
from smallpose.training.data import create_loader, select_labelled_images
from smallpose.training.run import TrainingConfig, train
from smallpose.training.run_log import RunLog
from smallpose.training.schedule import compute_learning_rate
from smallpose.training.settings import read_setting_data
from smallpose.training.trainer import Trainer

FULL_IMAGE_METHODS = ("rtmo_tiny", "cid_hrnet_w8_tiny", "dekr_hrnet_w8_tiny")


@pytest.fixture(scope="module")
def few(stick_set) -> Path:
    """Return a set of four people in two images, the same for training and testing."""
    return stick_set((2, 2))


@pytest.mark.parametrize("name", FULL_IMAGE_METHODS)
@pytest.mark.parametrize("half", ["false", "true"])
def test_the_command_trains_and_tests_a_method_whose_weights_load(
    few, tmp_path, name, half, capsys
):
    run = tmp_path / "run"
    command = ["train", name, "--data", str(few), "--out", str(run), "--setting", "A"]
    assert main([*command, "--recipe", "quick", "epochs=2", "batch_size=2", f"half={half}"]) == 0
    result = json.loads((run / "result.json").read_text())
    assert (result["steps"], result["people"]) == (2, 2)
    assert set(result["evaluation"]["protocols"]) == {"coco", "owned", "recall"}
    losses = [json.loads(x)["loss"] for x in (run / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 2 and np.isfinite(losses).all()
    before = create_method(name, COCO17).state_dict()
    after = create_method(name, weights=run).state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_the_loss_of_two_images_falls(few, tmp_path):
    overrides = (
        ("epochs", "40"),
        ("batch_size", "2"),
        ("warm_up", "5"),
        ("learning_rate", "0.004"),
        ("validate_every", "99"),
        ("test_side", "0"),
        ("augment.shift", "0"),
        ("augment.rotate_deg", "0"),
        ("augment.scale_range", "1,1"),
    )
    name = "cid_hrnet_w8_tiny"
    train(TrainingConfig(method=name, data=few, out=tmp_path, recipe="quick", overrides=overrides))
    losses = [json.loads(x)["loss"] for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-3:]) < 0.4 * sum(losses[:3])


def test_the_second_stage_begins_at_its_epoch(few, tmp_path, monkeypatch):
    method = create_method("rtmo_tiny")
    epochs = []
    begin = type(method).begin_epoch

    def record_call(self, epoch, recipe):
        begin(self, epoch, recipe)
        epochs.append((epoch, self.stage, self.closing))

    monkeypatch.setattr(type(method), "begin_epoch", record_call)
    overrides = (("epochs", "4"), ("batch_size", "2"), ("second_stage", "2"))
    closing = (("augment.closing", "1"),)
    options = {"recipe": "quick", "overrides": (*overrides, *closing)}
    train(TrainingConfig(method="rtmo_tiny", data=few, out=tmp_path, **options))
    assert epochs == [(0, 1, False), (1, 1, False), (2, 2, False), (3, 2, True)]


def test_a_run_of_few_steps_has_both_stages_within_one_epoch_of_its_data(
    few, tmp_path, monkeypatch
):
    stages = []
    loss = RTMO.loss

    def record_call(self, outputs, targets):
        stages.append((self.stage, self.closing))
        return loss(self, outputs, targets)

    monkeypatch.setattr(RTMO, "loss", record_call)
    overrides = (("steps", "2"), ("batch_size", "1"), ("learning_rate", "1e-5"))
    train(
        TrainingConfig(
            method="rtmo_tiny", data=few, out=tmp_path, recipe="paper", overrides=overrides
        )
    )
    assert stages == [(1, False), (2, False)]  # at epochs 0 and 300 of 600; 280 begins the second


def test_rtmos_rate_rises_quadratically_and_falls_along_two_cosines():
    recipe = create_method("rtmo_tiny").recipes["mmpose"]
    rates = {
        epoch: compute_learning_rate(10 * epoch, 10, recipe) for epoch in (1, 5, 142, 280, 430, 599)
    }
    assert compute_learning_rate(0, 10, recipe) == pytest.approx(4e-3 / 50**2)
    assert compute_learning_rate(24, 10, recipe) == pytest.approx(4e-3 / 4)
    assert rates[5] == pytest.approx(4e-3)
    assert rates[142] == pytest.approx((4e-3 + 2e-4) / 2, rel=0.02)
    assert compute_learning_rate(2799, 10, recipe) == pytest.approx(2e-4, rel=0.01)
    assert rates[280] == pytest.approx(5e-4)
    assert rates[430] == pytest.approx(3.5e-4, rel=0.01)
    assert rates[599] == pytest.approx(2e-4)


def test_weights_with_a_rate_factor_are_trained_with_it(tmp_path):
    method = create_method("rtmo_tiny")
    log = RunLog(tmp_path / "log", -1)
    trainer = Trainer(method, method.recipes["mmpose"], None, 0, log)
    log.close()
    factors = {
        name: group["rate_share"]
        for group in trainer.optimizer.param_groups
        for name, weight in method.named_parameters()
        if any(weight is w for w in group["params"])
    }
    assert {s for n, s in factors.items() if n.startswith("neck.encoder")} == {0.05}
    assert {s for n, s in factors.items() if not n.startswith("neck.encoder")} == {1.0}


def test_images_without_trainable_people_are_left_out(few):
    from smallpose.io.coco_annotations import read_coco

    people = read_coco(few / "annotations" / "train.json")
    assert select_labelled_images(people).tolist() == [0, 1]
    assert select_labelled_images(people.take(np.array([0]))).tolist() == [0]


def test_images_are_decoded_once_for_all_epochs(few, tmp_path):
    people = read_setting_data(few, "B").train
    config = TrainingConfig(method="rtmo_tiny", data=few, out=tmp_path, prefetch=0)
    method = create_method("rtmo_tiny", people.skeleton)
    recipe = method.recipes["quick"]
    num_reads = {}
    for megabytes in (0, 100):
        reader = CountingReader(open_set_images(few))
        loader = create_loader(
            replace(config, image_memory=megabytes), people, reader, method, recipe
        )
        batches = [batch for epoch in range(3) for batch in loader.batches(epoch)]
        num_reads[megabytes] = (reader.num_read, sum(len(batch.images) for batch in batches))
        loader.close()
    assert num_reads == {0: (6, 6), 100: (2, 6)}


class CountingReader:
    """Reads images and counts them."""

    def __init__(self, reader):
        self.reader, self.num_read = reader, 0

    def read(self, name):
        self.num_read += 1
        return self.reader.read(name)
