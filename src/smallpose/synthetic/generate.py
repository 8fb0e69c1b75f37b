"""Generate the whole synthetic data set: plan it, render it in parallel, write it atomically."""

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
from smallpose.synthetic.labels.records import ImageRecord
from smallpose.synthetic.plan import SIZES, plan_jobs
from smallpose.synthetic.render_jobs import RenderJob, batch_jobs, run_jobs
from smallpose.synthetic.rendering.raster import use_one_thread
from smallpose.system.files import describe_os_error, resolve_output_folder

_WRITERS = {
    "coco": write_coco,
    "mpii": write_mpii,
    "aic": write_aic,
    "hieve": write_hieve,
    "posetrack": write_posetrack,
}


def make_synthetic_dataset(
    out: Path, size: str = "small", seed: int = 0, workers: int = 1, overwrite: bool = False
) -> None:
    """Write the synthetic data set to `out`: five layouts, `truth.json`, `exact.json`.

    The same size and seed give the same bytes of every file, whatever `workers` is.

    Args:
        size: a key of `SIZES`.
        workers: number of processes.
        overwrite: replace the content of `out`.

    Raises: InputError when the size is unknown or `out` is not empty, RunError for a full disk.
    """
    out = resolve_output_folder(Path(out))
    if size not in SIZES:
        raise InputError(f"--size {size}", "no such size", f"use one of {', '.join(SIZES)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise InputError(
            str(out), "the folder exists and is not empty", "give another one or --overwrite"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name[:80]}.") as folder:
            root = Path(folder) / "dataset"
            root.mkdir()
            records = [p for job in _render_jobs(root, plan_jobs(size, seed), workers) for p in job]
            for source, write in _WRITERS.items():
                write(root / source, [p for p in records if p.source == source])
            write_truth(root, records)
            _put_in_place(root, out)
    except OSError as error:
        raise describe_os_error(error, str(out), "unfinished files were removed") from None


def _put_in_place(root: Path, out: Path) -> None:
    """Move the finished folder to `out`, in place of what is there."""
    if out.is_dir():
        shutil.rmtree(out)
    elif out.exists():
        out.unlink()
    root.replace(out)


def _render_jobs(root: Path, jobs: list[RenderJob], workers: int) -> Iterator[list[ImageRecord]]:
    """Yield the records of each job, in the order of the plan."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    batches = batch_jobs(jobs)
    show = partial(
        track,
        description="rendering",
        total=len(batches),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    if workers <= 1:
        with use_one_thread():
            for batch_records in show(run_jobs(root, batch) for batch in batches):
                yield from batch_records
        return
    # Spawned, because OpenCV's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool:
        for batch_records in show(pool.imap(partial(_render_in_process, root), batches)):
            yield from batch_records


def _render_in_process(root: Path, jobs: list[RenderJob]) -> list[list[ImageRecord]]:
    with use_one_thread():
        return run_jobs(root, jobs)
