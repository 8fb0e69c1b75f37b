"""The units of work: one still, one video's stills, one sequence, one clip.

Each unit draws from a generator of its own, so that the world is the same for any number of
processes; a unit writes its pictures and returns what was written down about them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.labels.annotators import annotate
from smallpose.synthetic.labels.formats.aic import FOLDERS, hex_name
from smallpose.synthetic.labels.formats.hieve import form_of
from smallpose.synthetic.labels.records import Picture
from smallpose.synthetic.labels.video import FRAMES_PER_S, video_kind, write_video
from smallpose.synthetic.scenes.layout import PROFILES, Scene, draw_scene_plan
from smallpose.synthetic.scenes.render import TOGETHER, Drawn, Shot, draw_all

_STILLS = ("coco", "aic")  # one picture a unit
_SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")


@dataclass(frozen=True)
class Unit:
    """A piece of the world that is made in one go.

    Args:
        source: which data set it belongs to.
        number: of the unit in its source.
        seed: of the world.
        split: train, val or test.
        count: pictures or frames.
        plates: pool of plates and their number.
        video: id of the video (MPII, PoseTrack).
        scene: seeds the scene; two units with the same one show the same video.
        size_wh: of the pictures; None draws one.
        kind: middle part of a PoseTrack name.
    """

    source: str
    number: int
    seed: int
    split: str
    count: int
    plates: tuple[str, int]
    video: int = 0
    scene: tuple[int, ...] = ()
    size_wh: tuple[int, int] | None = None
    kind: str = ""


def batches(units: Sequence[Unit]) -> list[list[Unit]]:
    """The units in order, neighbouring stills together: they are drawn faster in one go."""
    out: list[list[Unit]] = []
    for unit in units:
        last = out[-1] if out else []
        if unit.source in _STILLS and last and len(last) < TOGETHER and last[0].source in _STILLS:
            last.append(unit)
        else:
            out.append([unit])
    return out


def make_units(root: Path, units: Sequence[Unit]) -> list[list[Picture]]:
    """Draw the pictures of one of the `batches` into `root`; each unit's records, in order."""
    if units[0].source in _STILLS:
        return [[picture] for picture in _make_stills(root, units)]
    make = {"mpii": _mpii, "posetrack": _posetrack, "hieve": _hieve}
    return [make[unit.source](root, unit) for unit in units]


def _generator(unit: Unit) -> np.random.Generator:
    return np.random.default_rng([unit.seed, _SOURCES.index(unit.source), unit.number])


def _palette(unit: Unit) -> str:
    return "train" if unit.split == "train" else "test"


def _write(root: Path, name: str, picture: NDArray[np.uint8], quality: int) -> None:
    path = root / name
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].data
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _size(drawn: Drawn) -> tuple[int, int]:
    return drawn.picture.shape[1], drawn.picture.shape[0]


def _make_stills(root: Path, units: Sequence[Unit]) -> Iterator[Picture]:
    """COCO's and AI Challenger's pictures, which have nothing to do with one another."""
    rngs = [_generator(unit) for unit in units]
    shots = []
    for unit, rng in zip(units, rngs, strict=True):
        profile = PROFILES[unit.source]
        scene = draw_scene_plan(profile, _palette(unit), unit.plates, rng, unit.size_wh)
        shots.append(Shot(scene, 0.0, unit.number))
    for unit, rng, shot, drawn in zip(units, rngs, shots, draw_all(shots), strict=True):
        if unit.source == "coco":
            number = 785 + 37 * unit.number + int(rng.integers(37))
            ident = str(number)
            name = path = f"coco/{unit.split}2017/{number:012d}.jpg"
        else:
            ident = hex_name(unit.seed, unit.number)
            folder, _, pictures = FOLDERS[unit.split]
            name, path = f"aic/{pictures}/{ident}.jpg", f"aic/{folder}/{pictures}/{ident}.jpg"
        _write(root, path, drawn.picture, shot.scene.quality)
        people = annotate(drawn, unit.source, rng)
        yield Picture(unit.source, name, ident, *_size(drawn), unit.split, "", people)


def _video_scene(unit: Unit, profile: str) -> Scene:
    """The scene of a video; the same for every unit that shows this video."""
    rng = np.random.default_rng([unit.seed, 17, *unit.scene])
    size = unit.size_wh or ((640, 480), (854, 480), (640, 360))[int(rng.integers(3))]
    return draw_scene_plan(PROFILES[profile], _palette(unit), unit.plates, rng, size, seconds=1.0)


def _mpii(root: Path, unit: Unit) -> list[Picture]:
    rng = _generator(unit)
    scene = _video_scene(unit, "posetrack" if unit.kind == "shared" else "mpii")
    labelled = unit.split == "train"
    group = f"{unit.video:06d}_mpii"
    out = []
    shots = [Shot(scene, 1.3 * k, unit.number * 100 + k) for k in range(unit.count)]
    for k, drawn in enumerate(draw_all(shots)):
        number = 15_600_000 + 100 * unit.number + k + 7
        name = f"mpii/images/{number:09d}.jpg"
        _write(root, name, drawn.picture, scene.quality)
        people = annotate(drawn, "mpii", rng)
        if unit.number % 9 == 5 and k == 0:
            people = ()  # an empty annorect, as the real file has them
        extra = {"vididx": unit.video, "frame_sec": 11 + 4 * k}
        picture = Picture(
            "mpii", name, f"{number:09d}", *_size(drawn), None, group, people, labelled, extra
        )
        out.append(picture)
    return out


def _posetrack(root: Path, unit: Unit) -> list[Picture]:
    rng = _generator(unit)
    scene = _video_scene(unit, "posetrack")
    ending = "train" if unit.split == "train" else "test"
    sequence = f"{unit.video:06d}_{unit.kind}_{ending}"
    out = []
    times = [k / FRAMES_PER_S * 2 for k in range(unit.count)]
    shots = [Shot(scene, t, unit.number * 1000 + k) for k, t in enumerate(times)]
    for k, drawn in enumerate(draw_all(shots)):
        name = f"posetrack/images/{unit.split}/{sequence}/{k:06d}.jpg"
        _write(root, name, drawn.picture, scene.quality)
        labelled = _is_labelled(k, unit.count, unit.split)
        people = annotate(drawn, "posetrack", rng) if labelled else ()
        heads = drawn.heads_xyxy.tolist()
        people = tuple(
            p if p.iscrowd else replace(p, extra={**p.extra, "head": heads[p.extra["row"]]})
            for p in people
        )
        extra = {"sequence": sequence, "frame_id": 10**10 + unit.video * 10**4 + k}
        picture = Picture(
            "posetrack",
            name,
            f"{sequence}/{k:06d}",
            *_size(drawn),
            unit.split,
            f"{unit.video:06d}_{unit.kind}",
            people,
            labelled,
            extra,
        )
        out.append(picture)
    return out


def _is_labelled(frame: int, count: int, split: str) -> bool:
    """The middle of a training video; of a validation video every fourth frame as well."""
    block = min(30, count // 2)
    start = (count - block) // 2
    return start <= frame < start + block or (split != "train" and frame % 4 == 0)


def _hieve(root: Path, unit: Unit) -> list[Picture]:
    rng = _generator(unit)
    size = unit.size_wh or (1280, 720)
    clip = unit.number + 1
    profile = PROFILES["hieve"]
    factor = size[1] / 480
    profile = replace(profile, heights=(profile.heights[0], profile.heights[1] * factor))
    scene = draw_scene_plan(
        profile, _palette(unit), unit.plates, rng, size, seconds=unit.count / 25
    )
    scene = replace(scene, blur_faces=True, noise=0.4 * scene.noise)
    tells = form_of(clip) != "list"
    out: list[Picture] = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        times = [k / FRAMES_PER_S for k in range(unit.count)]
        shots = [Shot(scene, t, unit.number * 10_000 + k) for k, t in enumerate(times)]
        for k, drawn in enumerate(draw_all(shots)):
            people = annotate(drawn, "hieve", rng, says_hidden=tells)
            out.append(
                Picture(
                    "hieve",
                    f"hieve/{clip}/{k:06d}.jpg",
                    f"{clip}/{k:06d}",
                    *size,
                    None,
                    str(clip),
                    people,
                    True,
                    {"clip": clip, "frame": k},
                )
            )
            yield drawn.picture

    extension, code = video_kind()
    path = root / "hieve" / "HIE20" / "videos" / "train" / f"{clip}{extension}"
    write_video(path, frames(), size, code)
    return out
