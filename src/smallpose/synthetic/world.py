"""The whole synthetic world: planned, drawn by any number of processes, written whole or not."""

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.synthetic.labels.formats.aic import write_aic
from smallpose.synthetic.labels.formats.coco import write_coco
from smallpose.synthetic.labels.formats.hieve import write_hieve
from smallpose.synthetic.labels.formats.mpii import write_mpii
from smallpose.synthetic.labels.formats.posetrack import write_posetrack
from smallpose.synthetic.labels.formats.truth import write_truth
from smallpose.synthetic.labels.records import Picture
from smallpose.synthetic.plan import SIZES, plan
from smallpose.synthetic.render_jobs import Unit, batches, make_units
from smallpose.synthetic.rendering.raster import one_thread
from smallpose.system.files import folder_to_make

_WRITERS = {
    "coco": write_coco,
    "mpii": write_mpii,
    "aic": write_aic,
    "hieve": write_hieve,
    "posetrack": write_posetrack,
}


def make_world(
    out: Path, size: str = "small", seed: int = 0, jobs: int = 1, overwrite: bool = False
) -> None:
    """Write the synthetic world below `out`: five layouts, `truth.json`, `exact.json`.

    The same size and seed give the same bytes of every file, whatever `jobs` is.

    Args:
        size: a key of `SIZES`.
        jobs: processes.
        overwrite: replace what `out` holds.

    Raises: InputError when the size is unknown or `out` is not empty.
    """
    out = folder_to_make(Path(out))
    if size not in SIZES:
        raise InputError(f"--size {size}", "no such size", f"use one of {', '.join(SIZES)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise InputError(str(out), "is there already and not empty", "name another or --overwrite")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name[:80]}.") as folder:
        root = Path(folder) / "world"
        root.mkdir()
        pictures = [p for unit in _drawn(root, plan(size, seed), jobs) for p in unit]
        for source, write in _WRITERS.items():
            write(root / source, [p for p in pictures if p.source == source])
        write_truth(root, pictures)
        if out.is_dir():
            shutil.rmtree(out)
        elif out.exists():
            out.unlink()
        root.replace(out)


def _drawn(root: Path, units: list[Unit], jobs: int) -> Iterator[list[Picture]]:
    """The records of each unit, in the order of the plan."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    groups = batches(units)
    say = partial(
        track,
        description="drawing",
        total=len(groups),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    if jobs <= 1:
        with one_thread():
            for made in say(make_units(root, group) for group in groups):
                yield from made
        return
    # Spawned, not forked: OpenCV's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs) as pool:
        for made in say(pool.imap(partial(_make_alone, root), groups)):
            yield from made


def _make_alone(root: Path, units: list[Unit]) -> list[list[Picture]]:
    with one_thread():
        return make_units(root, units)
