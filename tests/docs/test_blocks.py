"""Every code block of README and docs/ runs, in order, in a small world of its own.

A block that cannot run here is marked `<!-- not run: WHY -->` on the line before it; the marks are
counted, so that nobody adds one unseen. README's blocks that this file names are marked here.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
TEXTS = sorted((HOUSE / "docs").glob("*.md"))
MARKED = 0  # blocks with a mark in docs/
# README is not ours to mark: blocks that hold one of these need the network, minutes, or the files
# of a reader.
README_NOT_RUN = ("make demo", "pip install", "~/data")
# How-to pages whose blocks build on each other, in the order of reading.
LINE = ("build", "train", "predict", "report")


@dataclass(frozen=True)
class Block:
    """Code of one language."""

    text: Path
    line: int
    language: str
    code: str
    marked: bool


def blocks(path: Path) -> list[Block]:
    """The fenced blocks that are code."""
    out, lines = [], path.read_text().splitlines()
    start, before = None, ""
    for number, line in enumerate(lines):
        fence = re.match(r"```(\w*)", line)
        if fence and start is None:
            start, language = number, fence[1]
            above = next((w for w in reversed(lines[:number]) if w.strip()), "")
            before = above if above.startswith("<!-- not run") else ""
        elif fence and start is not None:
            code = "\n".join(lines[start + 1 : number])
            if language in ("sh", "bash", "python"):
                out.append(Block(path, start + 1, language, code, bool(before)))
            start = None
    assert start is None, f"{path.name}: a block is never closed"
    return out


def run(block: Block, folder: Path) -> None:
    """In that folder, as a newcomer would; nothing of it may fail."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    command = tools / "smallpose"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m smallpose "$@"\n')
    command.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    words = ["bash", "-euc", block.code]
    if block.language == "python":
        words = [sys.executable, "-c", block.code]
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    where = f"{block.text.name}, line {block.line}"
    assert done.returncode == 0, (
        f"{where}:\n{block.code}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with truth.json, found.json and other.json, as the pages call them."""
    from smallpose.synthetic.world import make_world

    folder = tmp_path_factory.mktemp("docs")
    make_world(folder / "made", "tiny", 0)
    shutil.copyfile(folder / "made" / "truth.json", folder / "truth.json")
    shutil.copyfile(folder / "made" / "truth.json", folder / "person_keypoints_val2017.json")
    _write_found(folder)
    return folder


def _write_found(folder: Path) -> None:
    import numpy as np

    import smallpose
    from smallpose.table.predictions import make_predictions

    truth = smallpose.read_coco(folder / "truth.json")
    ids = truth.images.ids[truth.image_rows]
    for seed, names in enumerate((("found.json", "a.json"), ("other.json", "b.json"))):
        poses = truth.keypoints.copy()
        shake = np.random.default_rng(seed).normal(0, 2.0 + seed, poses[:, :, :2].shape)
        poses[:, :, :2] += shake
        found = make_predictions(truth.skeleton, ids, poses, np.ones(len(truth)), truth.boxes_xywh)
        for name in names:
            smallpose.write_results(found, folder / name)


def runnable(path: Path) -> list[Block]:
    return [b for b in blocks(path) if not b.marked]


def test_the_marks_are_counted():
    marked = [b for path in TEXTS for b in blocks(path) if b.marked]
    assert len(marked) == MARKED, [f"{b.text.name}:{b.line}" for b in marked]


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(b, id=f"{b.text.stem}-{b.line}") for p in paths for b in runnable(p)]


# Pages whose blocks need a cluster or files of a reader; they are not run yet.
NOT_YET = ("cluster", "own-source", "parquet")
ALONE = [path for path in TEXTS if path.stem not in (*LINE, *NOT_YET)]


@pytest.mark.slow
@pytest.mark.parametrize("block", named(ALONE))
def test_blocks_that_stand_alone_run(block: Block, world: Path):
    run(block, world)


@pytest.mark.slow
def test_the_blocks_from_sources_to_report_run_one_after_the_other(tmp_path: Path):
    for name in LINE:
        for block in runnable(HOUSE / "docs" / f"{name}.md"):
            run(block, tmp_path)
    assert (tmp_path / "report" / "index.html").is_file()
    assert (tmp_path / "zoo" / "README.md").is_file()


def test_readmes_python_runs(world: Path):
    here = [b for b in blocks(HOUSE / "README.md") if b.language == "python"]
    assert here
    for block in here:
        run(block, world)


def test_readme_names_only_commands_and_flags_that_there_are():
    """Blocks that need a reader's own files are not run, but every word of them is known."""
    from smallpose.cli.main import VERBS

    verbs = {verb for group in VERBS.values() for verb in group}
    for block in blocks(HOUSE / "README.md"):
        if block.language == "python":
            continue
        joined = block.code.replace("\\\n", " ")
        for line in joined.splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["smallpose"]:
                known = any(word in line for word in README_NOT_RUN) or not words
                assert known, f"README, line {block.line}: {line}"
                continue
            assert words[1] in verbs
            shown = _help(words[1])
            for word in words[2:]:
                if word.startswith("--"):
                    assert word in shown, f"README: smallpose {words[1]} has no {word}"


def _help(verb: str) -> str:
    words = [sys.executable, "-m", "smallpose", verb, "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
