"""How fast the synthetic world is drawn, on one core.

    OMP_NUM_THREADS=1 python bench/synth.py [PICTURES]

Stills: people drawn, annotated and written as JPEG per second;
plates painted before. Video: frames drawn and encoded per second. Plates: seconds to paint one.
CPU seconds of this process, so that other people's work on the machine does not count.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from smallpose.synthetic.render_jobs import Unit, batches, make_units
from smallpose.synthetic.rendering.backgrounds import plate
from smallpose.synthetic.rendering.image_style import PLACES
from smallpose.synthetic.rendering.raster import one_thread
from smallpose.synthetic.scenes.layout import PROFILES, draw_scene_plan

POOL = ("bench", 8)


def drawn_people(unit: Unit) -> int:
    """How many people the unit's scene holds; the records leave some of them out."""
    source = ("coco", "mpii", "aic", "hieve", "posetrack").index(unit.source)
    rng = np.random.default_rng([unit.seed, source, unit.number])
    return len(draw_scene_plan(PROFILES[unit.source], "train", unit.plates, rng, unit.size_wh))


def stills(root: Path, pictures: int) -> None:
    """COCO's and AI Challenger's units, whose people can be counted from outside."""
    sources = ["coco", "coco", "aic"]
    units = [Unit(sources[k % 3], k, 1, "train", 1, POOL) for k in range(pictures)]
    people = sum(drawn_people(u) for u in units)
    for group in batches(units[:40]):
        make_units(root / "warm", group)
    start = time.process_time()
    for group in batches(units):
        make_units(root, group)
    spent = time.process_time() - start
    print(
        f"stills   {people / spent:,.0f} people/s   {pictures / spent:,.0f} pictures/s   "
        f"{people / pictures:.1f} people per picture"
    )


def video(root: Path, frames: int) -> None:
    unit = Unit("hieve", 0, 1, "train", frames, ("bench", 1), size_wh=(1280, 720))
    start = time.process_time()
    (records,) = make_units(root, [unit])
    spent = time.process_time() - start
    people = sum(len(r.people) for r in records)
    print(f"video    {frames / spent:,.0f} frames/s   {people / spent:,.0f} people/s   1280x720")


def plates() -> None:
    for number, place in enumerate(PLACES):
        plate(place, "warm", number)
    start = time.process_time()
    for number, place in enumerate(PLACES):
        plate(place, "timed", number)
    print(f"plates   {(time.process_time() - start) / len(PLACES):.2f} s each")


def main() -> None:
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder, one_thread():
        plates()
        stills(Path(folder), pictures)
        video(Path(folder), 40)


if __name__ == "__main__":
    main()
