"""Render jobs: a still, the stills of a video, a sequence or a clip.

Each job has a random generator of its own, so that the data set does not depend on the number of
processes. A job writes its images and returns their records.

Each job draws from a generator of its own, so that the world is the same for any number of
processes; a job writes its records and returns what was written down about them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.labels.annotators import annotate_people
from smallpose.synthetic.labels.formats.aic import FOLDERS, make_hex_name
from smallpose.synthetic.labels.formats.hieve import choose_label_format
from smallpose.synthetic.labels.records import ImageRecord
from smallpose.synthetic.labels.video import FRAMES_PER_S, video_kind, write_video
from smallpose.synthetic.scenes.layout import PROFILES, Scene, plan_scene
from smallpose.synthetic.scenes.render import IMAGES_PER_BATCH, RenderedImage, Shot, render_shots

_STILLS = ("coco", "aic")  # one image per job
_SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")


@dataclass(frozen=True)
class RenderJob:
    """A part of the data set that is rendered at once.

    Args:
        source: which data set it belongs to.
        number: index of the job in its source.
        seed: of the data set.
        split: train, val or test.
        count: number of images or frames.
        plates: background pool and the number of its backgrounds.
        video: MPII's `vididx`, also of the PoseTrack clips cut from this video; 0 for no video.
        scene: seed of the scene; two jobs with the same one show the same video.
        size_wh: image size, px; None draws one.
        kind: middle part of a PoseTrack name; "shared" for an MPII video that PoseTrack has too.
        position: 1-based position in MPII's list of the job's first image (MPII), or the number in
            the clip's name (PoseTrack), which is such a position for clips of kind `mpii`.
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
    position: int = 0


def batch_jobs(jobs: Sequence[RenderJob]) -> list[list[RenderJob]]:
    """Group neighbouring stills, which render faster together, and keep the order of the jobs."""
    out: list[list[RenderJob]] = []
    for job in jobs:
        last = out[-1] if out else []
        if (
            job.source in _STILLS
            and last
            and len(last) < IMAGES_PER_BATCH
            and last[0].source in _STILLS
        ):
            last.append(job)
        else:
            out.append([job])
    return out


def run_jobs(root: Path, jobs: Sequence[RenderJob]) -> list[list[ImageRecord]]:
    """Render the images of one batch of jobs into `root`; return the records of each job."""
    if jobs[0].source in _STILLS:
        return [[record] for record in _render_stills(root, jobs)]
    make = {"mpii": _render_mpii, "posetrack": _render_posetrack, "hieve": _render_hieve}
    return [make[job.source](root, job) for job in jobs]


def _create_generator(job: RenderJob) -> np.random.Generator:
    return np.random.default_rng([job.seed, _SOURCES.index(job.source), job.number])


def _choose_palette(job: RenderJob) -> str:
    return "train" if job.split == "train" else "test"


def _write_jpeg(root: Path, name: str, image: NDArray[np.uint8], quality: int) -> None:
    path = root / name
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].data
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _image_size(rendered: RenderedImage) -> tuple[int, int]:
    return rendered.image.shape[1], rendered.image.shape[0]


def _render_stills(root: Path, jobs: Sequence[RenderJob]) -> Iterator[ImageRecord]:
    """Render COCO's and AI Challenger's images, which are independent of each other."""
    rngs = [_create_generator(job) for job in jobs]
    shots = []
    for job, rng in zip(jobs, rngs, strict=True):
        profile = PROFILES[job.source]
        scene = plan_scene(profile, _choose_palette(job), job.plates, rng, job.size_wh)
        shots.append(Shot(scene, 0.0, job.number))
    for job, rng, shot, rendered in zip(jobs, rngs, shots, render_shots(shots), strict=True):
        if job.source == "coco":
            number = 785 + 37 * job.number + int(rng.integers(37))
            ident = str(number)
            name = path = f"coco/{job.split}2017/{number:012d}.jpg"
        else:
            ident = make_hex_name(job.seed, job.number)
            folder, _, image_folder = FOLDERS[job.split]
            name, path = (
                f"aic/{image_folder}/{ident}.jpg",
                f"aic/{folder}/{image_folder}/{ident}.jpg",
            )
        _write_jpeg(root, path, rendered.image, shot.scene.quality)
        people = annotate_people(rendered, job.source, rng)
        yield ImageRecord(job.source, name, ident, *_image_size(rendered), job.split, "", people)


def _plan_video_scene(job: RenderJob, profile: str) -> Scene:
    """Plan the scene of a video; all jobs that show the video get the same one."""
    rng = np.random.default_rng([job.seed, 17, *job.scene])
    size = job.size_wh or ((640, 480), (854, 480), (640, 360))[int(rng.integers(3))]
    return plan_scene(PROFILES[profile], _choose_palette(job), job.plates, rng, size, seconds=1.0)


def _name_mpii_group(video: int, position: int) -> str:
    """Name the group of an image as the builder must: by its video, else by its position."""
    return f"mpii_video_{video:06d}" if video else f"mpii_position_{position:06d}"


def _render_mpii(root: Path, job: RenderJob) -> list[ImageRecord]:
    rng = _create_generator(job)
    scene = _plan_video_scene(job, "posetrack" if job.kind == "shared" else "mpii")
    labelled = job.split == "train"
    out = []
    shots = [Shot(scene, 1.3 * k, job.number * 100 + k) for k in range(job.count)]
    for k, rendered in enumerate(render_shots(shots)):
        number = 15_600_000 + 100 * job.number + k + 7
        name = f"mpii/images/{number:09d}.jpg"
        _write_jpeg(root, name, rendered.image, scene.quality)
        people = annotate_people(rendered, "mpii", rng)
        if job.number % 9 == 5 and k == 0:
            people = ()  # an empty annorect, as in the real file
        position = job.position + k
        extra = {"vididx": job.video, "frame_sec": 11 + 4 * k}
        width, height = _image_size(rendered)
        record = ImageRecord(
            source="mpii",
            file_name=name,
            source_id=f"{number:09d}",
            width=width,
            height=height,
            split=None,
            group=_name_mpii_group(job.video, position),
            people=people,
            labelled=labelled,
            extra=extra,
        )
        out.append(record)
    return out


def _render_posetrack(root: Path, job: RenderJob) -> list[ImageRecord]:
    rng = _create_generator(job)
    scene = _plan_video_scene(job, "posetrack")
    ending = "train" if job.split == "train" else "test"
    clip = f"{job.position:06d}_{job.kind}"
    sequence = f"{clip}_{ending}"
    group = _name_mpii_group(job.video, job.position) if job.kind == "mpii" else clip
    out = []
    times = [k / FRAMES_PER_S * 2 for k in range(job.count)]
    shots = [Shot(scene, t, job.number * 1000 + k) for k, t in enumerate(times)]
    for k, rendered in enumerate(render_shots(shots)):
        name = f"posetrack/images/{job.split}/{sequence}/{k:06d}.jpg"
        _write_jpeg(root, name, rendered.image, scene.quality)
        labelled = _is_labelled(k, job.count, job.split)
        people = annotate_people(rendered, "posetrack", rng) if labelled else ()
        heads = rendered.heads_xyxy.tolist()
        people = tuple(
            p if p.iscrowd else replace(p, extra={**p.extra, "head": heads[p.extra["row"]]})
            for p in people
        )
        extra = {"sequence": sequence, "frame_id": 10**10 + job.position * 10**4 + k}
        width, height = _image_size(rendered)
        record = ImageRecord(
            source="posetrack",
            file_name=name,
            source_id=f"{sequence}/{k:06d}",
            width=width,
            height=height,
            split=job.split,
            group=group,
            people=people,
            labelled=labelled,
            extra=extra,
        )
        out.append(record)
    return out


def _is_labelled(frame: int, count: int, split: str) -> bool:
    """Return whether a frame is labelled.

    Training videos have labels in the middle, validation videos in every fourth frame as well.
    """
    block = min(30, count // 2)
    start = (count - block) // 2
    return start <= frame < start + block or (split != "train" and frame % 4 == 0)


def _render_hieve(root: Path, job: RenderJob) -> list[ImageRecord]:
    rng = _create_generator(job)
    size = job.size_wh or (1280, 720)
    clip = job.number + 1
    profile = PROFILES["hieve"]
    factor = size[1] / 480
    profile = replace(profile, heights=(profile.heights[0], profile.heights[1] * factor))
    scene = plan_scene(profile, _choose_palette(job), job.plates, rng, size, seconds=job.count / 25)
    scene = replace(scene, blur_faces=True, noise=0.4 * scene.noise)
    tells = choose_label_format(clip) != "list"
    out: list[ImageRecord] = []

    def frames() -> Iterator[NDArray[np.uint8]]:
        times = [k / FRAMES_PER_S for k in range(job.count)]
        shots = [Shot(scene, t, job.number * 10_000 + k) for k, t in enumerate(times)]
        for k, rendered in enumerate(render_shots(shots)):
            people = annotate_people(rendered, "hieve", rng, says_hidden=tells)
            out.append(
                ImageRecord(
                    source="hieve",
                    file_name=f"hieve/{clip}/{k:06d}.jpg",
                    source_id=f"{clip}/{k:06d}",
                    width=size[0],
                    height=size[1],
                    split=None,
                    group=str(clip),
                    people=people,
                    extra={"clip": clip, "frame": k},
                )
            )
            yield rendered.image

    extension, code = video_kind()
    path = root / "hieve" / "HIE20" / "videos" / "train" / f"{clip}{extension}"
    write_video(path, frames(), size, code)
    return out
