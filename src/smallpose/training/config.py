"""What one training is: a method, a built set, a recipe, a seed and a folder."""

from dataclasses import dataclass
from pathlib import Path

from smallpose.training.settings import Setting


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is run.

    Args:
        method: key of `METHODS`.
        data: folder of a built set.
        out: the run's folder; under several processes one that all of them see.
        setting: "A" or "B".
        subset: file that says which training images count (Table 5); None for all.
        derived: learn from keypoints that `build --derive` made up, too.
        recipe: key of the method's recipes; its first without.
        overrides: recipe fields to change, `augment.`'s with that prefix, as text.
        seed: of beginning weights, order and chance.
        jobs: worker processes that read pictures, for each process; 0 reads in this one.
        cache: folder that keeps people's windows for later epochs; none without.
        resume: go on where a run in `out` stopped.
        weights: to begin with.
        adapt: let weights of another skeleton in, joint by name.
        weights_skeleton: whose joints the weights find, where their file does not say.
        trust: let a `.pth` run code while it is read, where it needs to.
        most_bad: share of the pictures that may be unreadable.
        device: "cpu", "cuda", …; a GPU where there is one without.
        at_once: samples of a step that go through the network together, on each device; the
            gradients of the parts are added up. 0 for all.
        compile: a backend of `torch.compile` for the network, such as "inductor"; "" for none.
        tensorboard: also write the log for TensorBoard, below `out`.
        wandb: also tell the log to this project of Weights & Biases; "" for none.
    """

    method: str
    data: Path
    out: Path
    setting: Setting = "B"
    subset: Path | None = None
    derived: bool = False
    recipe: str = ""
    overrides: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    jobs: int = 0
    cache: Path | None = None
    resume: bool = False
    weights: Path | str | None = None
    adapt: bool = False
    weights_skeleton: str = ""
    trust: bool = False
    most_bad: float = 0.001
    device: str = ""
    at_once: int = 0
    compile: str = ""
    tensorboard: bool = False
    wandb: str = ""
