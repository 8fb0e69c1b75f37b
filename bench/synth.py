"""Measure how fast the synthetic data set is rendered on one core.

    OMP_NUM_THREADS=1 python bench/synth.py [IMAGES]

Stills: people drawn, annotated and written as JPEG per second, with the backgrounds painted before.
Video: frames drawn and encoded per second. Backgrounds: seconds to paint one. All in CPU seconds of
this process, so that other work on the machine does not count.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from smallpose.synthetic.render_jobs import RenderJob, batch_jobs, run_jobs
from smallpose.synthetic.rendering.backgrounds import paint_background
from smallpose.synthetic.rendering.image_style import PLACES
from smallpose.synthetic.rendering.raster import use_one_thread
from smallpose.synthetic.scenes.layout import PROFILES, plan_scene

BACKGROUNDS = ("bench", 8)


def count_drawn_people(job: RenderJob) -> int:
    """Return the number of people in the scene of a job; annotators leave some of them out."""
    source = ("coco", "mpii", "aic", "hieve", "posetrack").index(job.source)
    rng = np.random.default_rng([job.seed, source, job.number])
    return len(plan_scene(PROFILES[job.source], "train", job.plates, rng, job.size_wh))


def time_stills(root: Path, images: int) -> None:
    """Time jobs of COCO and AI Challenger, whose people can be counted from outside."""
    sources = ["coco", "coco", "aic"]
    jobs = [RenderJob(sources[k % 3], k, 1, "train", 1, BACKGROUNDS) for k in range(images)]
    people = sum(count_drawn_people(job) for job in jobs)
    for group in batch_jobs(jobs[:40]):
        run_jobs(root / "warm", group)
    start = time.process_time()
    for group in batch_jobs(jobs):
        run_jobs(root, group)
    spent = time.process_time() - start
    print(
        f"stills   {people / spent:,.0f} people/s   {images / spent:,.0f} images/s   "
        f"{people / images:.1f} people per image"
    )


def time_video(root: Path, frames: int) -> None:
    job = RenderJob("hieve", 0, 1, "train", frames, ("bench", 1), size_wh=(1280, 720))
    start = time.process_time()
    (records,) = run_jobs(root, [job])
    spent = time.process_time() - start
    people = sum(len(r.people) for r in records)
    print(f"video    {frames / spent:,.0f} frames/s   {people / spent:,.0f} people/s   1280x720")


def time_backgrounds() -> None:
    for number, place in enumerate(PLACES):
        paint_background(place, "warm", number)
    start = time.process_time()
    for number, place in enumerate(PLACES):
        paint_background(place, "timed", number)
    print(f"backgrounds   {(time.process_time() - start) / len(PLACES):.2f} s each")


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder, use_one_thread():
        time_backgrounds()
        time_stills(Path(folder), images)
        time_video(Path(folder), 40)


if __name__ == "__main__":
    main()
