"""The code blocks of a Markdown file, and how they run here, in little.

A block is run as it stands, except for what `LESS` names: commands that need hardware, the network
or hours are made smaller by these rules and by no others.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

HOUSE = Path(__file__).parents[2]
SHOWN = ("text", "json")  # languages that are looked at and not run
TINY = {"hrnet_w32": "hrnet_w16_tiny", "rtmo_s": "rtmo_tiny"}
TINIER = "simple_baseline_r18_tiny"
# What is sought, what is put there, and why.
LESS = (
    (r"^make (\w+)", r"make -C HOUSE -n \1", "installs or runs everything: the plan alone"),
    (r"^(pip install .+)", r"python TOOLS/pip.py HOUSE/pyproject.toml \1", "the network: extras"),
    (r"^python (bench/\S+).*", r"python HOUSE/\1 --help", "the peers' environment: its words"),
    (r"--nnodes 2 --nproc-per-node 8", "--nnodes 2 --nproc-per-node 1", "eight GPUs a machine"),
    (r"--nproc-per-node [48]", "--nproc-per-node 1", "as many GPUs"),
    (r"^torchrun (?=--nnodes 2)", "both torchrun ", "two machines: two launchers on this one"),
    (r"\bHOST\b", "localhost", "two machines"),
    (r":29500", ":PORT", "a port that may be in use here"),
    (r"/shared/", "", "folders that several machines see"),
    (r"--workers \d+", "--workers 0", "workers to feed a GPU"),
    (r"smallpose train (hrnet_w32|rtmo_s)\b", f"smallpose train {TINIER}", "hours on a CPU"),
    (r"(smallpose train .*)", r"\1 steps=2", "minutes on a CPU"),
    (r"^(smallpose benchmark) .*", r"TOOLS/\1 --help", "days on a GPU: its words alone"),
    (r"(hrnet_w32|rtmo_s) --(box-)?weights mmpose", r"\1 --\2weights TOOLS/\1", "the network"),
    (r"(?<!/)\b(hrnet_w32|rtmo_s)\b", lambda found: TINY[found[1]], "its weights are drawn here"),
)
# Stand-ins for what a cluster brings along, beside the two launchers.
TOOLS = {
    "both": '"$@" & first=$!; "$@"; wait "$first"',
    "srun": 'exec "$@"',
    "scontrol": "echo localhost",
    "smallpose": 'exec "$PYTHON" -m smallpose "$@"',
    "python": 'exec "$PYTHON" "$@"',
    "torchrun": 'exec "$PYTHON" -m torch.distributed.run "$@"',
}
SLURM = {"SLURM_NNODES": "1", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost"}
# What a reader's pip would ask for must be there to be asked for.
PIP = """
import re, sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
for word in sys.argv[4:]:
    name, extras = re.fullmatch(r"(\\.|smallpose)(?:\\[(.*)\\])?", word).groups()
    assert all(e in project["optional-dependencies"] for e in (extras or "").split(",") if e), word
"""


@dataclass(frozen=True)
class Block:
    """Code of one language.

    Args:
        line: of the file, from 1.
        code: as it stands, or as `little` made it.
    """

    text: Path
    line: int
    language: str
    code: str

    @property
    def name(self) -> str:
        """For a test's name and for messages."""
        return f"{self.text.stem}-{self.line}"

    def commands(self) -> list[str]:
        """A shell block's commands, continued lines joined, comments and repeated blanks gone."""
        joined = self.code.replace("\\\n", " ")
        bare = (re.sub(r"(^|\s)#.*", "", line) for line in joined.splitlines())
        return [" ".join(line.split()) for line in bare if line.strip()]


def blocks(path: Path) -> list[Block]:
    """Every block of code of the file, fenced or indented, whatever its language."""
    parser = MarkdownIt("commonmark").enable("table")
    return [
        Block(path, token.map[0] + 1, _language(token), token.content)
        for token in parser.parse(path.read_text())
        if token.type in ("fence", "code_block") and token.map is not None
    ]


def _language(token: Token) -> str:
    if token.type == "code_block":
        return "indented"
    return token.info.strip() or "text"


def little(block: Block) -> Block:
    """The same as it runs here: `LESS`, command by command. Python stays as it is."""
    if block.language == "python":
        return block
    commands = block.commands()
    for sought, put, _ in LESS:
        commands = [re.sub(sought, put, command) for command in commands]
    return replace(block, code="\n".join(commands))


def run(block: Block, folder: Path, *, without: Set[str] = frozenset()) -> None:
    """In that folder, as a newcomer would; nothing of it may fail.

    Commands of smallpose are called in this process, which has PyTorch in memory already; a shell
    still takes their words apart. Everything else is a process of its own.

    Args:
        folder: stands for the reader's home, too.
        without: commands (as the page has them) that are run elsewhere.
    """
    if block.language == "python":
        _process(block, [sys.executable, "-c", block.code], folder)
        return
    commands = [c for c in block.commands() if c not in without]
    made = little(replace(block, code="\n".join(commands))).code.splitlines()
    if block.code.startswith("#!"):  # a script is one thing, and hangs together
        commands, made = ["\n".join(commands)], ["\n".join(made)]
    for command, less in zip(commands, made, strict=True):
        if less.startswith("smallpose "):
            _call(block, less, folder)
            continue
        less = less.replace("HOUSE", str(HOUSE)).replace("PORT", str(_free_port()))
        said = _process(block, ["bash", "-euc", less.replace("TOOLS", str(tools(folder)))], folder)
        if less.endswith("--help"):
            for word in re.findall(r"--[a-z-]+", command):
                assert word in said, f"{block.text.name}, line {block.line}: no {word}"


def tools(folder: Path) -> Path:
    """Where the stand-ins lie; they are written on the first call."""
    where = folder / ".tools"
    if not where.is_dir():
        where.mkdir()
        for name, line in TOOLS.items():
            (where / name).write_text(f"#!/bin/bash\n{line}\n")
            (where / name).chmod(0o755)
        (where / "pip.py").write_text(PIP)
    return where


def _call(block: Block, command: str, folder: Path) -> None:
    from smallpose.cli.main import main

    command = command.replace("TOOLS", str(tools(folder)))
    apart = f"printf '%s\\0' {command.removeprefix('smallpose ')}"
    words = subprocess.run(
        ["bash", "-euc", apart],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")[:-1]
    with contextlib.chdir(folder), _home(folder):
        code = main(words)
    assert code == 0, f"{block.text.name}, line {block.line}: {command} ended with {code}"


@contextlib.contextmanager
def _home(folder: Path) -> Iterator[None]:
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before


def _process(block: Block, words: list[str], folder: Path) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, (
        f"{block.text.name}, line {block.line}:\n{words[-1]}\n"
        f"{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    )
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    path = f"{tools(folder)}{os.pathsep}{os.environ['PATH']}"
    here = {"PATH": path, "PYTHON": sys.executable, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    kept = dict(os.environ)
    if kept.pop("PYTHONDONTWRITEBYTECODE", ""):
        # PyTorch is compiled once for all of these processes and not by each of them.
        here["PYTHONPYCACHEPREFIX"] = str(folder.parent / "pycache")
    return {**kept, **SLURM, **here}


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("localhost", 0))
        return int(door.getsockname()[1])
