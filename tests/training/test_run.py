"""One training run: it learns, records what it did, survives, and resumes as if undisturbed."""

import hashlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose.cli.main import main
from smallpose.core.errors import InputError, RunError
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.top_down.batches import CropBatch
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.methods import create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training import loop
from smallpose.training.loss import LossModule
from smallpose.training.run import Interrupted, TrainingConfig, train
from smallpose.training.schedule import create_optimizer
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"
# Mirroring stays: the flip test shows the network the mirrored crops too.
NO_JITTER = (
    ("augment.shift_chance", "0"),
    ("augment.scale", "0"),
    ("augment.rotate_chance", "0"),
)


def read_losses(run: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "epoch" in line}


def make_config(data: Path, out: Path, epochs: int = 6, **more: object) -> TrainingConfig:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return TrainingConfig(method=TINY, data=data, out=out, overrides=overrides, **more)


@pytest.mark.parametrize("setting", ["A", "B"])
def test_a_run_overfits_eight_people(eight, tmp_path, setting):
    result = train(
        make_config(
            eight,
            tmp_path / "run",
            150,
            setting=setting,
            overrides=(*NO_JITTER, ("batch_size", "8"), ("learning_rate", "0.01")),
        )
    )
    numbers = result["evaluation"]["protocols"]["coco"]
    assert numbers["AP"] > 0.9
    assert numbers["AP_S"] > 0.9
    untrained = train(make_config(eight, tmp_path / "untrained", 0, setting=setting))
    assert untrained["evaluation"]["protocols"]["coco"]["AP"] < 0.05
    assert untrained["steps"] == 0
    predictions = json.loads((tmp_path / "run" / "found.json").read_text())
    assert {len(f["keypoints"]) for f in predictions} == {51 if setting == "A" else 63}
    truth = read_coco(eight / "annotations" / "test.json")
    assert [f["bbox"] for f in predictions] == truth.boxes_xywh.tolist()


def test_the_result_records_what_was_done(eight, tmp_path):
    result = train(make_config(eight, tmp_path, 2, seed=3))
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert result["method"] == TINY
    assert result["recipe"]["name"] == "quick"
    assert result["recipe"]["batch_size"] == 4
    assert (result["steps"], result["epochs"], result["seed"]) == (4, 2, 3)
    assert result["environment"]["torch"] == torch.__version__
    assert {"opencv", "numpy", "precision", "cpu_features"} <= result["environment"].keys()
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["sha256"] == result["weights"]["sha256"]
    method = create_method(TINY, weights=tmp_path)
    assert method.skeleton == SMALLPOSE
    assert method.num_parameters == result["parameters"]
    assert sorted(read_losses(tmp_path)) == [1, 2, 3, 4]


def test_weights_declare_what_they_and_their_initial_weights_were_trained_on(eight, tmp_path):
    def read_sets(name: str) -> list[dict[str, str]]:
        return json.loads((tmp_path / name / "model.json").read_text())["trained_on"]

    train(make_config(eight, tmp_path / "first", 1))
    train(make_config(eight, tmp_path / "untrained", 0))
    assert read_sets("untrained") == []
    (one,) = read_sets("first")
    labels = (eight / "annotations" / "train.json").read_bytes()
    assert one["name"] == eight.name
    assert one["labels_sha256"] == hashlib.sha256(labels).hexdigest()
    weights = tmp_path / "first" / "model.safetensors"
    train(make_config(eight, tmp_path / "second", 1, weights=weights))
    assert read_sets("second") == [one, one]
    state = {f"backbone.{k}": v for k, v in create_method(TINY).backbone.state_dict().items()}
    torch.save(state, tmp_path / "found_somewhere.pth")
    path = tmp_path / "found_somewhere.pth"
    train(make_config(eight, tmp_path / "third", 0, weights=path))
    assert read_sets("third") == [{"name": "unknown", "weights": "found_somewhere.pth"}]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(eight, tmp_path):
    hashes = [
        train(make_config(eight, tmp_path / str(i), 2, seed=s))["weights"]["sha256"]
        for i, s in enumerate((0, 0, 1))
    ]
    assert (
        read_weights(tmp_path / "0").tensors.keys() == read_weights(tmp_path / "1").tensors.keys()
    )
    assert read_losses(tmp_path / "0") == read_losses(tmp_path / "1") != read_losses(tmp_path / "2")
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_resumed_run_is_the_undisturbed_one_loss_by_loss(eight, tmp_path, monkeypatch, stop_at):
    full = train(make_config(eight, tmp_path / "full"))
    run_step = Trainer._run_step

    def send_signal(self: Trainer, batch: CropBatch) -> float:
        if self.step == stop_at - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return run_step(self, batch)

    monkeypatch.setattr(Trainer, "_run_step", send_signal)
    with pytest.raises(Interrupted, match=f"interrupted at step {stop_at} of 12") as stopped:
        train(make_config(eight, tmp_path / "cut"))
    assert stopped.value.exit_code == 143
    monkeypatch.undo()
    result = train(make_config(eight, tmp_path / "cut", resume=True))
    assert read_losses(tmp_path / "cut") == read_losses(tmp_path / "full")
    assert result["weights"] == full["weights"]


def test_a_validation_skipped_by_an_interruption_is_done_on_resume(eight, tmp_path, monkeypatch):
    every = {"overrides": (("validate_every", "1"),)}
    train(make_config(eight, tmp_path / "full", **every))
    run_step = Trainer._run_step

    def send_signal(self: Trainer, batch: CropBatch) -> float:
        if self.step == 3:  # the last of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return run_step(self, batch)

    monkeypatch.setattr(Trainer, "_run_step", send_signal)
    with pytest.raises(Interrupted, match="interrupted at step 4 of 12"):
        train(make_config(eight, tmp_path / "cut", **every))
    monkeypatch.undo()
    train(make_config(eight, tmp_path / "cut", resume=True, **every))
    logs = [
        [x for x in (tmp_path / run / "log.jsonl").read_text().splitlines() if "AP" in x]
        for run in ("cut", "full")
    ]
    assert logs[0] == logs[1]
    assert [json.loads(x)["step"] for x in logs[0]] == [2, 4, 6, 8, 10]


def test_a_run_from_a_crop_cache_is_reproducible_and_close_to_the_plain_one(stick_set, tmp_path):
    data = stick_set(height=(30, 45))
    cache = tmp_path / "windows"
    cached = [tmp_path / name for name in ("first", "second")]
    for out in cached:
        train(make_config(data, out, 2, cache=cache))
    train(make_config(data, tmp_path / "plain", 2))
    assert (cache / "index.npy").is_file() and read_losses(cached[0]) == read_losses(cached[1])
    plain = read_losses(tmp_path / "plain")
    assert read_losses(cached[0]) != plain
    assert list(read_losses(cached[0]).values()) == pytest.approx(list(plain.values()), rel=0.02)
    with pytest.raises(InputError, match="rtmo_tiny takes full images"):
        train(replace(make_config(data, tmp_path / "w", 2, cache=cache), method="rtmo_tiny"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Dynamo's own
def test_a_compiled_network_learns_what_the_plain_one_does(eight, tmp_path):
    plain = tmp_path / "plain"
    compiled = tmp_path / "compiled"
    result = train(make_config(eight, plain, 3))
    other = train(make_config(eight, compiled, 3, compile="aot_eager"))
    assert list(read_losses(plain)) == list(read_losses(compiled))
    assert list(read_losses(compiled).values()) == pytest.approx(
        list(read_losses(plain).values()), rel=1e-4
    )
    ap = [r["evaluation"]["protocols"]["coco"]["AP"] for r in (result, other)]
    assert ap[0] == pytest.approx(ap[1], abs=1e-3)
    # The saved weights have the names of the plain network.
    a, b = (read_weights(run / "model.safetensors").tensors for run in (plain, compiled))
    assert a.keys() == b.keys()


def test_a_damaged_state_is_named(eight, tmp_path):
    train(make_config(eight, tmp_path, 1))
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"state.pt: not a state to resume from"):
        train(make_config(eight, tmp_path, 1, resume=True))


KILLS = int(os.environ.get("SMALLPOSE_KILLS", "8"))  # fifty kills take minutes


def train_with_frequent_saves(data: Path, out: Path) -> None:
    """Train with a checkpoint after each step, so that most kills happen while one is written."""
    loop.CHECKPOINT_EVERY_S = 0.0
    train(make_config(data, out, 5 * KILLS, resume=True))


def test_kill_9_at_any_moment_loses_at_most_the_current_step(eight, tmp_path, capfd):
    rng = np.random.default_rng(0)
    state = tmp_path / "run" / "state.pt"
    fork = multiprocessing.get_context("fork")
    for _ in range(KILLS):
        process = fork.Process(target=train_with_frequent_saves, args=(eight, tmp_path / "run"))
        before = state.stat().st_mtime_ns if state.exists() else 0
        process.start()
        deadline = time.monotonic() + 300
        while not state.exists() or state.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline and process.is_alive()
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.join()
    for name in (".state.pt.abc.part", ".log.jsonl.abc.part", ".result.json.abc.part"):
        (tmp_path / "run" / name).write_bytes(b"half")
    train(make_config(eight, tmp_path / "run", 5 * KILLS, resume=True))
    status = capfd.readouterr().err
    assert len(re.findall(r"resumed from step [1-9]", status)) == KILLS
    # The last kill may have left another incomplete checkpoint.
    assert re.search(r"\((1 incomplete checkpoint|2 incomplete checkpoints) ignored", status)
    assert not list((tmp_path / "run").glob(".*.part"))
    train(make_config(eight, tmp_path / "full", 5 * KILLS))
    assert read_losses(tmp_path / "run") == read_losses(tmp_path / "full")


def test_sigint_on_the_command_line_saves_and_exits_with_130(eight, tmp_path, monkeypatch, capsys):
    run_step = Trainer._run_step
    before = signal.getsignal(signal.SIGINT)  # a background job of a shell ignores it

    def send_signal(self: Trainer, batch: CropBatch) -> float:
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return run_step(self, batch)

    monkeypatch.setattr(Trainer, "_run_step", send_signal)
    command = ["train", TINY, "--data", str(eight), "--out", str(tmp_path / "run")]
    assert main([*command, "epochs=9", "batch_size=4"]) == 130
    assert (
        "interrupted at step 5 of 18 and saved; continue with --resume" in capsys.readouterr().err
    )
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["step"] == 5 == max(read_losses(tmp_path / "run"))
    assert signal.getsignal(signal.SIGINT) is before


def plant_nan(monkeypatch, at_steps: set[int], kind: str) -> None:
    """Spoil the loss of some steps, or one of their labels."""
    backward = Trainer._backward
    loss_of = LossModule.forward
    is_spoilt = []

    def backward_with_nan(self: Trainer, batch: CropBatch) -> float:
        is_spoilt[:] = [self.step in at_steps]
        if is_spoilt[0] and kind != "loss":
            value = {"nan label": float("nan"), "far label": 1e30}[kind]
            batch.keypoints[0, 0] = torch.tensor([value, 5.0, 2.0])
        return backward(self, batch)

    def forward_with_nan(
        self: LossModule, crops: torch.Tensor, people: torch.Tensor
    ) -> torch.Tensor:
        factor = float("nan") if is_spoilt[0] and kind == "loss" else 1.0
        return loss_of(self, crops, people) * factor

    monkeypatch.setattr(Trainer, "_backward", backward_with_nan)
    monkeypatch.setattr(LossModule, "forward", forward_with_nan)


def test_a_nonfinite_loss_skips_its_step_and_changes_nothing_else(eight, tmp_path, monkeypatch):
    plant_nan(monkeypatch, {2, 5}, "loss")
    result = train(make_config(eight, tmp_path))
    tensors = read_weights(tmp_path).tensors
    assert all(torch.isfinite(t).all() for t in tensors.values())
    assert sorted(read_losses(tmp_path)) == [1, 2, 4, 5, *range(7, 13)]
    skipped = [
        json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines() if "skipped" in x
    ]
    assert [len(line["skipped"]) for line in skipped] == [4, 4]
    assert [line["step"] for line in skipped] == [3, 6]
    assert result["steps"] == 12


@pytest.mark.parametrize("kind", ["far label", "nan label"])
def test_a_far_or_nan_label_is_ignored(eight, tmp_path, monkeypatch, kind):
    plant_nan(monkeypatch, set(range(12)), kind)
    train(make_config(eight, tmp_path))
    assert len(read_losses(tmp_path)) == 12


def test_nonfinite_losses_stop_a_run_and_keep_the_last_good_checkpoint(
    eight, tmp_path, monkeypatch
):
    plant_nan(monkeypatch, set(range(4, 100)), "loss")
    with pytest.raises(
        RunError, match=r"not finite in 6 of the last 100 steps, this one with annotations \d+"
    ):
        train(make_config(eight, tmp_path, 20))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert 4 <= state["step"] <= 10
    assert all(torch.isfinite(t).all() for t in state["method"].values())


def test_infinite_activations_do_not_spoil_the_running_means(eight, tmp_path, monkeypatch):
    """Loss and running means become non-finite in the forward pass; the means are restored."""
    backward = Trainer._backward

    def backward_with_inf(self: Trainer, batch: CropBatch) -> float:
        if self.step == 3:
            before = self.method.prepare
            monkeypatch.setattr(self.method, "prepare", lambda c: before(c) * float("inf"))
            value = backward(self, batch)
            monkeypatch.setattr(self.method, "prepare", before)
            return value
        return backward(self, batch)

    monkeypatch.setattr(Trainer, "_backward", backward_with_inf)
    train(make_config(eight, tmp_path))
    assert all(torch.isfinite(t).all() for t in read_weights(tmp_path).tensors.values())
    assert 4 not in read_losses(tmp_path)


def test_unlabelled_joints_get_no_gradient():
    torch.manual_seed(0)
    method = create_method(TINY, SMALLPOSE).train()
    keypoints = torch.rand(4, 21, 3) * 60
    keypoints[..., 2] = 2
    chest = SMALLPOSE.joints.index("chest")
    keypoints[:, chest] = 0
    crops = torch.randint(0, 255, (4, 96, 64, 3), dtype=torch.uint8)
    terms = method.loss(method(method.prepare(crops)), method.targets(keypoints))
    terms["heatmap"].backward()
    gradient = method.head.final_layer.weight.grad.abs().sum(dim=(1, 2, 3))
    assert gradient[chest] == 0
    assert (gradient[[j for j in range(21) if j != chest]] > 0).all()
    optimizer = create_optimizer(method, method.recipes["paper"])
    before = method.head.final_layer.weight[chest].clone()
    optimizer.step()
    assert torch.equal(before, method.head.final_layer.weight[chest])


def test_training_starts_from_weights_of_other_joints_with_adapt(eight, tmp_path):
    train(make_config(eight, tmp_path / "a", 1, setting="A"))
    with pytest.raises(InputError, match="use --adapt"):
        train(make_config(eight, tmp_path / "b", 1, weights=tmp_path / "a"))
    train(make_config(eight, tmp_path / "b", 1, weights=tmp_path / "a", adapt=True))


def test_a_dead_worker_ends_the_run_with_the_name_of_its_image(eight, tmp_path, monkeypatch):
    from smallpose.dataloading.top_down.batches import CropDataset

    fill = CropDataset.fill

    def fill_and_die(self: CropDataset, task: tuple[int, np.ndarray], out: np.ndarray):
        if task[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return fill(self, task, out)

    monkeypatch.setattr(CropDataset, "fill", fill_and_die)
    with pytest.raises(
        RunError, match=r"image coco/1_000\d.png.*: a worker process died near here"
    ):
        train(make_config(eight, tmp_path, workers=1))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 2


def test_a_test_set_too_small_to_compare_is_told_before_the_first_step(eight, tmp_path, capsys):
    train(make_config(eight, tmp_path / "run", 1))
    lines = capsys.readouterr().err.splitlines()
    assert "smallpose compare needs 15" in lines[0]
    assert lines[0].endswith(("label more images with people", "a larger set would do"))
    train(make_config(eight, tmp_path / "run", 1, resume=True))
    assert "needs 15" not in capsys.readouterr().err


def test_the_command_line_prints_the_scores(eight, tmp_path, capsys):
    code = main(["train", TINY, "--data", str(eight), "--out", str(tmp_path / "run"), "epochs=1"])
    assert code == 0
    assert re.match(rf"{TINY} B: AP \S+, AP_S \S+, AP_M \S+, AP_L n/a\n", capsys.readouterr().out)
    predictions, truth = tmp_path / "found.json", eight / "annotations" / "test.json"
    weights = ["--weights", str(tmp_path / "run" / "model.safetensors")]
    data = ["--data", str(truth), "--images", str(eight / "images")]
    assert main(["predict", TINY, *weights, *data, "--out", str(predictions)]) == 0
    assert predictions.read_bytes() == (tmp_path / "run" / "found.json").read_bytes()
    assert main(["train", TINY, "--data", str(eight), "--out", str(tmp_path / "run")]) == 2
    assert (
        main(["train", "simple_baselin", "--data", str(eight), "--out", str(tmp_path / "x")]) == 2
    )


def test_methods_are_listed_with_their_parts(capsys):
    assert main(["methods", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["simple_baseline_r50"]["parameters"] == pytest.approx(34.0e6, rel=0.01)
    assert set(listed["simple_baseline_r50"]["recipes"]) == {"paper", "mmpose", "quick"}


def test_validations_are_logged(eight, tmp_path, capfd):
    train(make_config(eight, tmp_path, 3, overrides=(("validate_every", "1"),)))
    printed = [line for line in capfd.readouterr().err.splitlines() if "loss" in line]
    ends = [line.partition(", AP_S ")[2].partition(" ")[2] for line in printed]
    assert ends == ["", "after epoch 1", "after epoch 2"]  # each line precedes its validation
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "AP_S" in line] == [2, 4]


def test_an_empty_training_set_is_named(eight, tmp_path):
    copy = tmp_path / "set"
    (copy / "annotations").mkdir(parents=True)
    people = read_coco(eight / "annotations" / "train.json")
    write_coco(people.take(np.zeros(0, np.intp)), copy / "annotations" / "train.json")
    write_coco(read_coco(eight / "annotations" / "test.json"), copy / "annotations" / "test.json")
    with pytest.raises(InputError, match="no person with a box"):
        train(make_config(copy, tmp_path / "run"))


@pytest.mark.slow
def test_the_example_runs(eight, tmp_path, warm_python):
    example = Path(__file__).parents[2] / "examples" / "train_and_predict.py"
    command = [str(warm_python), str(example), str(eight), str(tmp_path / "run"), "1"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"AP of small people \d", out.stdout)
    assert "nose at" in out.stdout
