"""Run any program as a model: it reads a folder of images and boxes, and writes COCO results."""

import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError, RunError
from smallpose.resolution.reduced_set import ReducedSet

PLACEHOLDERS = ("images", "boxes", "out")
EXAMPLE = "--command 'python mymodel.py {images} {boxes} {out}'"
NUM_SHOWN_LINES = 4  # of a failed program's output
_MAX_SHOWN = 600  # characters of them
_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class CommandModel:
    """A program that estimates poses.

    Args:
        name: of the model.
        words: the program and its arguments, with {images}, {boxes} and {out} in them.
    """

    name: str
    words: tuple[str, ...]

    @property
    def identity(self) -> dict[str, Any]:
        """Return what must be the same for its results to be kept."""
        return {"command": list(self.words)}

    @property
    def takes_boxes(self) -> bool:
        """Return whether it is given the boxes; what it does with them is its own affair."""
        return any("{boxes}" in word for word in self.words)

    def stay_ready(self) -> AbstractContextManager[None]:
        """Keep nothing: the program is started for each set."""
        return nullcontext()

    def predict(self, reduced: ReducedSet, out: Path) -> None:
        """Run the program, which writes `out`; what it prints goes to a log beside it.

        Raises: RunError with its last lines when it fails or writes nothing.
        """
        values = {
            "images": str(reduced.images.resolve()),
            "boxes": str(reduced.boxes_path.resolve()),
            "out": str(out.resolve()),
        }
        words = [_fill(word, values) for word in self.words]
        log = out.with_suffix(".log")
        out.unlink(missing_ok=True)
        with log.open("wb") as file:
            result = subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, check=False)
        where = f"--command {self.name}, {reduced.name}"
        if result.returncode:
            out.unlink(missing_ok=True)
            remedy = f"correct the program and run the same command again; all it printed: {log}"
            what = f"{_describe_code(result.returncode)}: {_read_last_lines(log)}"
            raise RunError(where, what, remedy)
        if not out.is_file():
            what = f"the program ended without writing {out}: {_read_last_lines(log)}"
            raise RunError(where, what, "let it write COCO results to the path given as {out}")


def parse_commands(texts: Sequence[str]) -> list[CommandModel]:
    """Parse the values of `--command`, `PROGRAM …` or `NAME=PROGRAM …`.

    Raises: InputError when a program does not exist, lacks {out}, or several have no name.
    """
    models = []
    for text in texts:
        match = _NAMED.fullmatch(text.strip())
        if match is None and len(texts) > 1:
            raise InputError(
                f"--command {text}",
                "has no name, and there are several",
                "write each as NAME='PROGRAM {images} {boxes} {out}'",
            )
        name, program = match.groups() if match else ("", text)
        words = _split_words(program)
        models.append(CommandModel(name or _guess_name(words), words))
    return models


def _split_words(program: str) -> tuple[str, ...]:
    where = f"--command {program}"
    try:
        words = tuple(shlex.split(program))
    except ValueError as error:
        raise InputError(where, f"quotes do not match ({error})", f"as in {EXAMPLE}") from None
    if not words:
        raise InputError("--command", "names no program", f"as in {EXAMPLE}")
    used = {name for word in words for name in re.findall(r"\{(\w+)\}", word)}
    unknown = sorted(used - set(PLACEHOLDERS))
    if unknown:
        raise InputError(where, f"{{{unknown[0]}}} is not known", "use {images}, {boxes} and {out}")
    if not {"images", "out"} <= used:
        raise InputError(where, "lacks {images} or {out}", f"as in {EXAMPLE}")
    if shutil.which(words[0]) is None:
        raise InputError(where, f"no program {words[0]}", "check its name and path")
    return words


def _guess_name(words: Sequence[str]) -> str:
    """Name a model after its script, or else after its program."""
    scripts = [word for word in words if word.endswith((".py", ".sh", ".js"))]
    return Path(scripts[0] if scripts else words[0]).stem


def _fill(word: str, values: dict[str, str]) -> str:
    """Replace the placeholders; other braces, such as those of JSON, stay."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], word)


def _describe_code(code: int) -> str:
    if code < 0:
        try:
            return f"the program was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"the program was ended by signal {-code}"
    return f"the program failed with exit code {code}"


def _read_last_lines(log: Path) -> str:
    text = log.read_bytes()[-8192:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "it printed nothing"
    shown = " | ".join(lines[-NUM_SHOWN_LINES:])
    return f"its last lines: {shown[-_MAX_SHOWN:]}"
