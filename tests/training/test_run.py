"""One experiment: it learns, it says what it did, it survives, and it goes on as if undisturbed."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose.cli.main import main
from smallpose.core.errors import InputError, RunError
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.top_down.batches import Batch
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.methods import create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training import loop
from smallpose.training.loss import LossOf
from smallpose.training.run import Experiment, Interrupted, choose_recipe, train
from smallpose.training.run_log import Log
from smallpose.training.schedule import make_optimizer
from smallpose.training.trainer import Trainer

TINY = "simple_baseline_r18_tiny"
# Mirroring stays: the flip test shows the network the mirrored crops too.
STILL = (
    ("augment.shift_chance", "0"),
    ("augment.scale", "0"),
    ("augment.rotate_chance", "0"),
)


def losses(run: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "epoch" in line}


def experiment(data: Path, out: Path, epochs: int = 6, **more: object) -> Experiment:
    overrides = (("epochs", str(epochs)), ("batch_size", "4"), *more.pop("overrides", ()))
    return Experiment(method=TINY, data=data, out=out, overrides=overrides, **more)


@pytest.mark.parametrize("setting", ["A", "B"])
def test_eight_people_are_learned_by_heart(eight, tmp_path, setting):
    result = train(
        experiment(
            eight,
            tmp_path / "run",
            150,
            setting=setting,
            overrides=(*STILL, ("batch_size", "8"), ("learning_rate", "0.01")),
        )
    )
    numbers = result["evaluation"]["protocols"]["coco"]
    assert numbers["AP"] > 0.9
    assert numbers["AP_S"] > 0.9
    untrained = train(experiment(eight, tmp_path / "untrained", 0, setting=setting))
    assert untrained["evaluation"]["protocols"]["coco"]["AP"] < 0.05
    assert untrained["steps"] == 0
    found = json.loads((tmp_path / "run" / "found.json").read_text())
    assert {len(f["keypoints"]) for f in found} == {51 if setting == "A" else 63}
    truth = read_coco(eight / "annotations" / "test.json")
    assert [f["bbox"] for f in found] == truth.boxes_xywh.tolist()


def test_the_result_says_what_was_done(eight, tmp_path):
    result = train(experiment(eight, tmp_path, 2, seed=3))
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert result["method"] == TINY
    assert result["recipe"]["name"] == "quick"
    assert result["recipe"]["batch_size"] == 4
    assert (result["steps"], result["epochs"], result["seed"]) == (4, 2, 3)
    assert result["environment"]["torch"] == torch.__version__
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["sha256"] == result["weights"]["sha256"]
    method = create_method(TINY, weights=tmp_path)
    assert method.skeleton == SMALLPOSE
    assert method.parameters_count == result["parameters"]
    assert sorted(losses(tmp_path)) == [1, 2, 3, 4]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(eight, tmp_path):
    hashes = [
        train(experiment(eight, tmp_path / str(i), 2, seed=s))["weights"]["sha256"]
        for i, s in enumerate((0, 0, 1))
    ]
    assert (
        read_weights(tmp_path / "0").tensors.keys() == read_weights(tmp_path / "1").tensors.keys()
    )
    assert losses(tmp_path / "0") == losses(tmp_path / "1") != losses(tmp_path / "2")
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_resumed_run_is_the_undisturbed_one_loss_by_loss(eight, tmp_path, monkeypatch, stop_at):
    whole = train(experiment(eight, tmp_path / "whole"))
    one_step = Trainer._one_step

    def stopping(self: Trainer, batch: Batch) -> float:
        if self.step == stop_at - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return one_step(self, batch)

    monkeypatch.setattr(Trainer, "_one_step", stopping)
    with pytest.raises(Interrupted, match=f"interrupted at step {stop_at} of 12") as stopped:
        train(experiment(eight, tmp_path / "cut"))
    assert stopped.value.exit_code == 143
    monkeypatch.undo()
    result = train(experiment(eight, tmp_path / "cut", resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert result["weights"] == whole["weights"]


def test_a_validation_that_an_interruption_left_out_is_made_up_for(eight, tmp_path, monkeypatch):
    every = {"overrides": (("validate_every", "1"),)}
    train(experiment(eight, tmp_path / "whole", **every))
    one_step = Trainer._one_step

    def stopping(self: Trainer, batch: Batch) -> float:
        if self.step == 3:  # the last of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return one_step(self, batch)

    monkeypatch.setattr(Trainer, "_one_step", stopping)
    with pytest.raises(Interrupted, match="interrupted at step 4 of 12"):
        train(experiment(eight, tmp_path / "cut", **every))
    monkeypatch.undo()
    train(experiment(eight, tmp_path / "cut", resume=True, **every))
    logs = [
        [x for x in (tmp_path / run / "log.jsonl").read_text().splitlines() if "AP" in x]
        for run in ("cut", "whole")
    ]
    assert logs[0] == logs[1]
    assert [json.loads(x)["step"] for x in logs[0]] == [2, 4, 6, 8, 10]


def test_a_run_from_kept_windows_repeats_itself_and_is_near_the_plain_one(stick_set, tmp_path):
    data, cache = stick_set(tall=(30, 45)), tmp_path / "windows"
    kept = [tmp_path / name for name in ("first", "second")]
    for out in kept:
        train(experiment(data, out, 2, cache=cache))
    train(experiment(data, tmp_path / "plain", 2))
    assert (cache / "index.npy").is_file() and losses(kept[0]) == losses(kept[1])
    plain = losses(tmp_path / "plain")
    assert losses(kept[0]) != plain
    assert list(losses(kept[0]).values()) == pytest.approx(list(plain.values()), rel=0.02)
    with pytest.raises(InputError, match="rtmo_tiny takes whole pictures"):
        train(replace(experiment(data, tmp_path / "w", 2, cache=cache), method="rtmo_tiny"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Dynamo's own
def test_a_compiled_network_learns_what_the_plain_one_does(eight, tmp_path):
    plain, compiled = tmp_path / "plain", tmp_path / "compiled"
    result = train(experiment(eight, plain, 3))
    again = train(experiment(eight, compiled, 3, compile="aot_eager"))
    assert list(losses(plain)) == list(losses(compiled))
    assert list(losses(compiled).values()) == pytest.approx(list(losses(plain).values()), rel=1e-4)
    ap = [r["evaluation"]["protocols"]["coco"]["AP"] for r in (result, again)]
    assert ap[0] == pytest.approx(ap[1], abs=1e-3)
    # What is kept is a network like any other's.
    a, b = (read_weights(run / "model.safetensors").tensors for run in (plain, compiled))
    assert a.keys() == b.keys()


def test_a_broken_state_is_named(eight, tmp_path):
    train(experiment(eight, tmp_path, 1))
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"state.pt: not a state to go on from"):
        train(experiment(eight, tmp_path, 1, resume=True))


KILLS = int(os.environ.get("SMALLPOSE_KILLS", "8"))  # fifty take minutes


def always_saving(data: Path, out: Path) -> None:
    """A run that writes a checkpoint after each step, so that most kills hit the writing of one."""
    loop.CHECKPOINT_EVERY_S = 0.0
    train(experiment(data, out, 5 * KILLS, resume=True))


def test_kill_9_at_any_moment_loses_at_most_the_step_in_hand(eight, tmp_path, capfd):
    rng = np.random.default_rng(0)
    state = tmp_path / "run" / "state.pt"
    fork = multiprocessing.get_context("fork")
    for _ in range(KILLS):
        process = fork.Process(target=always_saving, args=(eight, tmp_path / "run"))
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
    train(experiment(eight, tmp_path / "run", 5 * KILLS, resume=True))
    said = capfd.readouterr().err
    assert len(re.findall(r"resumed from step [1-9]", said)) == KILLS
    # The last kill may have left another one.
    assert re.search(r"\((1 incomplete checkpoint|2 incomplete checkpoints) ignored", said)
    assert not list((tmp_path / "run").glob(".*.part"))
    train(experiment(eight, tmp_path / "whole", 5 * KILLS))
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_sigint_on_the_command_line_saves_and_leaves_130(eight, tmp_path, monkeypatch, capsys):
    one_step = Trainer._one_step
    before = signal.getsignal(signal.SIGINT)  # a job in a shell's background ignores it

    def stopping(self: Trainer, batch: Batch) -> float:
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return one_step(self, batch)

    monkeypatch.setattr(Trainer, "_one_step", stopping)
    words = ["train", TINY, "--data", str(eight), "--out", str(tmp_path / "run")]
    assert main([*words, "epochs=9", "batch_size=4"]) == 130
    assert "interrupted at step 5 of 18 and saved; go on with --resume" in capsys.readouterr().err
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["step"] == 5 == max(losses(tmp_path / "run"))
    assert signal.getsignal(signal.SIGINT) is before


def plant_nan(monkeypatch, at_steps: set[int], how: str) -> None:
    """Spoil the loss of some steps, or a label of theirs."""
    backward = Trainer._backward
    loss_of = LossOf.forward
    spoilt = []

    def planted(self: Trainer, batch: Batch) -> float:
        spoilt[:] = [self.step in at_steps]
        if spoilt[0] and how != "loss":
            value = {"nan label": float("nan"), "far label": 1e30}[how]
            batch.keypoints[0, 0] = torch.tensor([value, 5.0, 2.0])
        return backward(self, batch)

    def spoiling(self: LossOf, crops: torch.Tensor, people: torch.Tensor) -> torch.Tensor:
        factor = float("nan") if spoilt[0] and how == "loss" else 1.0
        return loss_of(self, crops, people) * factor

    monkeypatch.setattr(Trainer, "_backward", planted)
    monkeypatch.setattr(LossOf, "forward", spoiling)


def test_a_loss_that_is_no_number_costs_its_steps_and_nothing_else(eight, tmp_path, monkeypatch):
    plant_nan(monkeypatch, {2, 5}, "loss")
    result = train(experiment(eight, tmp_path))
    tensors = read_weights(tmp_path).tensors
    assert all(torch.isfinite(t).all() for t in tensors.values())
    assert sorted(losses(tmp_path)) == [1, 2, 4, 5, *range(7, 13)]
    skipped = [
        json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines() if "skipped" in x
    ]
    assert [len(line["skipped"]) for line in skipped] == [4, 4]
    assert [line["step"] for line in skipped] == [3, 6]
    assert result["steps"] == 12


@pytest.mark.parametrize("how", ["far label", "nan label"])
def test_a_label_far_outside_or_nowhere_is_no_label(eight, tmp_path, monkeypatch, how):
    plant_nan(monkeypatch, set(range(12)), how)
    train(experiment(eight, tmp_path))
    assert len(losses(tmp_path)) == 12


def test_a_run_of_no_numbers_stops_and_keeps_the_last_good_checkpoint(eight, tmp_path, monkeypatch):
    plant_nan(monkeypatch, set(range(4, 100)), "loss")
    with pytest.raises(
        RunError, match=r"not finite in 6 of the last 100 steps, this one with annotations \d+"
    ):
        train(experiment(eight, tmp_path, 20))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert 4 <= state["step"] <= 10
    assert all(torch.isfinite(t).all() for t in state["method"].values())


def test_exploding_weights_do_not_spoil_the_norms(eight, tmp_path, monkeypatch):
    """Loss and running means go wrong in the forward pass; the means are put back."""
    backward = Trainer._backward

    def exploding(self: Trainer, batch: Batch) -> float:
        if self.step == 3:
            before = self.method.prepare
            monkeypatch.setattr(self.method, "prepare", lambda c: before(c) * float("inf"))
            value = backward(self, batch)
            monkeypatch.setattr(self.method, "prepare", before)
            return value
        return backward(self, batch)

    monkeypatch.setattr(Trainer, "_backward", exploding)
    train(experiment(eight, tmp_path))
    assert all(torch.isfinite(t).all() for t in read_weights(tmp_path).tensors.values())
    assert 4 not in losses(tmp_path)


def test_joints_that_nobody_labelled_get_no_gradient():
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
    optimizer = make_optimizer(method, method.recipes["paper"])
    before = method.head.final_layer.weight[chest].clone()
    optimizer.step()
    assert torch.equal(before, method.head.final_layer.weight[chest])


def test_training_begins_from_weights_of_other_joints_when_adapted(eight, tmp_path):
    train(experiment(eight, tmp_path / "a", 1, setting="A"))
    with pytest.raises(InputError, match="use --adapt"):
        train(experiment(eight, tmp_path / "b", 1, weights=tmp_path / "a"))
    train(experiment(eight, tmp_path / "b", 1, weights=tmp_path / "a", adapt=True))


def test_recipes_are_changed_by_name_and_nonsense_is_named():
    method = create_method(TINY)
    name, recipe = choose_recipe(
        method,
        "paper",
        (("epochs", "2"), ("decay_at", "5,7"), ("half", "true"), ("augment.flip", "0.25")),
    )
    assert name == "paper"
    assert (recipe.epochs, recipe.decay_at, recipe.half, recipe.augment.flip) == (
        2,
        (5, 7),
        True,
        0.25,
    )
    for wrong in (
        "epoch=2",
        "epochs=two",
        "optimizer=sgd",
        "batch_size=0",
        "half=maybe",
        "augment.x=1",
    ):
        with pytest.raises(InputError, match=re.escape(wrong)):
            choose_recipe(method, "", (tuple(wrong.split("=")),))
    with pytest.raises(InputError, match="try quick, paper, mmpose"):
        choose_recipe(method, "fast")


def test_a_dead_worker_ends_the_run_with_the_image_it_was_at(eight, tmp_path, monkeypatch):
    from smallpose.dataloading.top_down.batches import ImageOfPeople

    fill = ImageOfPeople.fill

    def dying(self: ImageOfPeople, task: tuple[int, np.ndarray], out: np.ndarray):
        if task[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return fill(self, task, out)

    monkeypatch.setattr(ImageOfPeople, "fill", dying)
    with pytest.raises(
        RunError, match=r"picture coco/1_000\d.png.*: a worker process died near it"
    ):
        train(experiment(eight, tmp_path, jobs=1))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 2


def test_the_command_line_prints_the_numbers(eight, tmp_path, capsys):
    code = main(["train", TINY, "--data", str(eight), "--out", str(tmp_path / "run"), "epochs=1"])
    assert code == 0
    assert re.match(rf"{TINY} B: AP \S+, AP_S \S+, AP_M \S+, AP_L n/a\n", capsys.readouterr().out)
    found, truth = tmp_path / "found.json", eight / "annotations" / "test.json"
    weights = ["--weights", str(tmp_path / "run" / "model.safetensors")]
    data = ["--data", str(truth), "--images", str(eight / "images")]
    assert main(["predict", TINY, *weights, *data, "--out", str(found)]) == 0
    assert found.read_bytes() == (tmp_path / "run" / "found.json").read_bytes()
    assert main(["train", TINY, "--data", str(eight), "--out", str(tmp_path / "run")]) == 2
    assert (
        main(["train", "simple_baselin", "--data", str(eight), "--out", str(tmp_path / "x")]) == 2
    )


def test_methods_are_listed_with_their_parts(capsys):
    assert main(["methods", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["simple_baseline_r50"]["parameters"] == pytest.approx(34.0e6, rel=0.01)
    assert set(listed["simple_baseline_r50"]["recipes"]) == {"paper", "mmpose", "quick"}


def test_the_log_is_cut_back_to_where_a_run_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    log = Log(path, 2)
    log.write(step=3, loss=0.5)
    log.close()
    assert [json.loads(x)["step"] for x in path.read_text().splitlines()] == [1, 2, 3]


def test_a_validation_along_the_way_is_logged(eight, tmp_path):
    train(experiment(eight, tmp_path, 3, overrides=(("validate_every", "1"),)))
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "AP_S" in line] == [2, 4]


def test_an_empty_training_set_is_named(eight, tmp_path):
    copy = tmp_path / "set"
    (copy / "annotations").mkdir(parents=True)
    people = read_coco(eight / "annotations" / "train.json")
    write_coco(people.take(np.zeros(0, np.intp)), copy / "annotations" / "train.json")
    write_coco(read_coco(eight / "annotations" / "test.json"), copy / "annotations" / "test.json")
    with pytest.raises(InputError, match="nobody with a box"):
        train(experiment(copy, tmp_path / "run"))


@pytest.mark.slow
def test_the_example_runs(eight, tmp_path):
    example = Path(__file__).parents[2] / "examples" / "train_and_predict.py"
    command = [sys.executable, str(example), str(eight), str(tmp_path / "run"), "1"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"AP of small people \d", out.stdout)
    assert "nose at" in out.stdout
