"""The code blocks of a Markdown file, and how they run in a test.

A block runs as it is, except for what `SUBSTITUTIONS` changes: commands that need hardware, the
network or hours are reduced by these rules and by no others.
"""

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
SHOWN_LANGUAGES = ("text", "json")  # not run
TINY_VARIANTS = {"hrnet_w32": "hrnet_w16_tiny", "rtmo_s": "rtmo_tiny"}
TRAINED_METHOD = "simple_baseline_r18_tiny"
# Pattern, replacement, and what the original command would need.
SUBSTITUTIONS = (
    (r"^make (\w+)", r"make -C ROOT -n \1", "the network or hours: prints its commands only"),
    (r"^(pip install .+)", r"python TOOLS/pip.py ROOT/pyproject.toml \1", "the network: extras"),
    (r"^python (bench/\S+).*", r"python ROOT/\1 --help", "environments of peers: its help only"),
    (r"^python (tests/mutation/\S+).*", r"python ROOT/\1 --help", "hours: its help only"),
    (r"--nnodes 2 --nproc-per-node 8", "--nnodes 2 --nproc-per-node 1", "eight GPUs a machine"),
    (r"--nproc-per-node [48]", "--nproc-per-node 1", "as many GPUs"),
    (r"^torchrun (?=--nnodes 2)", "both torchrun ", "two machines: two launchers on this one"),
    (r"\bHOST\b", "localhost", "two machines"),
    (r":29500", ":PORT", "a port that may be in use"),
    (r"/shared/", "", "folders that several machines share"),
    (r"--workers \d+", "--workers 0", "workers that keep a GPU busy"),
    (
        r"smallpose train (hrnet_w32|rtmo_s)\b",
        f"smallpose train {TRAINED_METHOD}",
        "hours on a CPU",
    ),
    (r"(smallpose train .*)", r"\1 steps=2", "minutes on a CPU"),
    (r"(smallpose resolution .*)", r"\1 --people 6 --heights 24,48", "minutes on a CPU"),
    (r"^(smallpose benchmark) .*", r"TOOLS/\1 --help", "days on a GPU: its help only"),
    (r"(hrnet_w32|rtmo_s) --(box-)?weights mmpose", r"\1 --\2weights TOOLS/\1", "the network"),
    (
        r"(?<!/)\b(hrnet_w32|rtmo_s)\b",
        lambda match: TINY_VARIANTS[match[1]],
        "published weights: those of the tests are random",
    ),
)
# Stand-ins for the commands of a cluster, beside the two launchers.
TOOLS = {
    "both": '"$@" & first=$!; "$@"; wait "$first"',
    "srun": 'exec "$@"',
    "scontrol": "echo localhost",
    "smallpose": 'exec "$PYTHON" -m smallpose "$@"',
    "python": 'exec "$PYTHON" "$@"',
    "torchrun": 'exec "$PYTHON" -m torch.distributed.run "$@"',
}
SLURM = {"SLURM_NNODES": "1", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost"}
# Checks that the project has the extras that a reader's pip would install.
PIP = """
import re, sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
extras = project["optional-dependencies"].values()
packages = {re.split(r"[<>=\\[]", r)[0] for extra in extras for r in extra}
packages |= {re.split(r"[<>=]", r)[0] for r in project["dependencies"]} | {"--no-deps"}
for word in sys.argv[4:]:
    if word in packages:
        continue
    extras = re.fullmatch(r"\\.(?:\\[(.*)\\])?", word)[1]
    assert all(e in project["optional-dependencies"] for e in (extras or "").split(",") if e), word
"""


@dataclass(frozen=True)
class Block:
    """Code of one language.

    Args:
        file: the Markdown file.
        line: of the file, from 1.
        language: "text" where the file names none.
        code: as in the file, or as `substitute` changed it.
    """

    file: Path
    line: int
    language: str
    code: str

    @property
    def name(self) -> str:
        """Return a name for tests and messages."""
        return f"{self.file.stem}-{self.line}"

    def list_commands(self) -> list[str]:
        """Return the commands of a shell block, with continued lines joined and no comments."""
        code = self.code.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s)#.*", "", line) for line in code.splitlines())
        return [" ".join(line.split()) for line in lines if line.strip()]


def read_blocks(path: Path) -> list[Block]:
    """Read every block of code of the file, fenced or indented, whatever its language."""
    parser = MarkdownIt("commonmark").enable("table")
    return [
        Block(path, token.map[0] + 1, _read_language(token), token.content)
        for token in parser.parse(path.read_text())
        if token.type in ("fence", "code_block") and token.map is not None
    ]


def _read_language(token: Token) -> str:
    if token.type == "code_block":
        return "indented"
    return token.info.strip() or "text"


def substitute(block: Block) -> Block:
    """Apply `SUBSTITUTIONS` to each command of a shell block; Python stays as it is."""
    if block.language == "python":
        return block
    commands = block.list_commands()
    for pattern, replacement, _ in SUBSTITUTIONS:
        commands = [re.sub(pattern, replacement, command) for command in commands]
    return replace(block, code="\n".join(commands))


def run_block(block: Block, folder: Path, python: Path, *, without: Set[str] = frozenset()) -> None:
    """Run a block in a folder as a newcomer would; raise AssertionError if anything fails.

    Commands of smallpose are called in this process, which has loaded PyTorch already; a shell
    still splits their words. Everything else is a process of its own.

    Args:
        folder: the working directory and the reader's home.
        python: the Python of a process of its own.
        without: commands, as in the page, that run elsewhere.
    """
    if block.language == "python":
        _run_process(block, [str(python), "-c", block.code], folder, python)
        return
    commands = [c for c in block.list_commands() if c not in without]
    reduced = substitute(replace(block, code="\n".join(commands))).code.splitlines()
    if block.code.startswith("#!"):  # a script runs as a unit
        commands = ["\n".join(commands)]
        reduced = ["\n".join(reduced)]
    for original, command in zip(commands, reduced, strict=True):
        if command.startswith("smallpose "):
            _call_smallpose(block, command, folder, python)
            continue
        command = command.replace("ROOT", str(ROOT)).replace("PORT", str(_find_free_port()))
        command = command.replace("TOOLS", str(write_tools(folder)))
        output = _run_process(block, ["bash", "-euc", command], folder, python)
        if command.endswith("--help"):
            for flag in re.findall(r"--[a-z-]+", original):
                assert flag in output, f"{block.file.name}, line {block.line}: no {flag}"


def write_tools(folder: Path) -> Path:
    """Return the folder of the stand-ins, which the first call writes."""
    tools = folder / ".tools"
    if not tools.is_dir():
        tools.mkdir()
        for name, line in TOOLS.items():
            (tools / name).write_text(f"#!/bin/bash\n{line}\n")
            (tools / name).chmod(0o755)
        (tools / "pip.py").write_text(PIP)
    return tools


def _call_smallpose(block: Block, command: str, folder: Path, python: Path) -> None:
    from smallpose.cli.main import main

    command = command.replace("TOOLS", str(write_tools(folder)))
    split = f"printf '%s\\0' {command.removeprefix('smallpose ')}"
    words = subprocess.run(
        ["bash", "-euc", split],
        cwd=folder,
        env=_make_environment(folder, python),
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")[:-1]
    with contextlib.chdir(folder), _set_home(folder):
        code = main(words)
    assert code == 0, f"{block.file.name}, line {block.line}: {command} ended with {code}"


@contextlib.contextmanager
def _set_home(folder: Path) -> Iterator[None]:
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before


def _run_process(block: Block, words: list[str], folder: Path, python: Path) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=_make_environment(folder, python),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, (
        f"{block.file.name}, line {block.line}:\n{words[-1]}\n"
        f"{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    )
    return done.stdout


def _make_environment(folder: Path, python: Path) -> dict[str, str]:
    environment = dict(os.environ) | SLURM
    environment |= {
        "PATH": f"{write_tools(folder)}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(python),
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        # PyTorch is compiled once for all of these processes and not by each of them.
        environment["PYTHONPYCACHEPREFIX"] = str(folder.parent / "pycache")
    return environment


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])
