"""Plan size and composition: COCO 45 %, AIC 20 %, MPII 15 %, PoseTrack 20 %."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from smallpose.synthetic.render_jobs import RenderJob


@dataclass(frozen=True)
class Size:
    """The content of a data set of one size.

    Args:
        stills: number of single images.
        sequence: frames per PoseTrack sequence.
        group: images per MPII video.
        clips, frames, clip_wh: HiEve's videos.
        plates: number of backgrounds for training images; the other splits have half as many.
    """

    stills: int
    sequence: int
    group: int
    clips: int
    frames: int
    clip_wh: tuple[int, int]
    plates: int


SIZES = {
    "tiny": Size(60, 6, 3, 4, 24, (640, 360), 8),
    "small": Size(2_000, 20, 4, 8, 120, (1280, 720), 32),
    "bench": Size(20_000, 40, 5, 19, 300, (1280, 720), 96),
}
_TEST_SHARE = 0.2


def plan_jobs(size: str, seed: int) -> list[RenderJob]:
    """List every job of the data set, in the order of its records."""
    content = SIZES[size]
    mpii_jobs = _plan_mpii(round(0.15 * content.stills), content, seed)
    return [
        *_plan_stills("coco", round(0.45 * content.stills), content, seed),
        *mpii_jobs,
        *_plan_stills("aic", round(0.20 * content.stills), content, seed),
        *_plan_clips(content, seed),
        *_plan_sequences(content, seed, mpii_jobs),
    ]


def _choose_background_pool(split: str, content: Size) -> tuple[str, int]:
    return ("train", content.plates) if split == "train" else ("test", max(8, content.plates // 2))


def _plan_stills(source: str, count: int, content: Size, seed: int) -> list[RenderJob]:
    test = round(_TEST_SHARE * count)
    splits = ["train"] * (count - test) + ["val"] * test
    return [
        RenderJob(source, k, seed, s, 1, _choose_background_pool(s, content))
        for k, s in enumerate(splits)
    ]


def _plan_mpii(count: int, content: Size, seed: int) -> list[RenderJob]:
    """Plan MPII's list: training videos, then test videos, some of which PoseTrack has too.

    An image of the last test video has no `vididx`.
    """
    clips = _list_mpii_clips(content)
    clips_of = {
        split: [k for k in clips if _sequence_split(k) == split] for split in ("train", "val")
    }
    num_training = max(count // content.group, len(clips_of["train"]) + 1, 3)
    num_test = max(num_training // 10, len(clips_of["val"]) + 1)
    jobs: list[RenderJob] = []
    position = 1
    for k in range(num_training + num_test):
        is_training = k < num_training
        same_split = clips_of["train" if is_training else "val"]
        place = k if is_training else k - num_training
        clip = same_split[place] if place < len(same_split) else None
        is_last = k == num_training + num_test - 1
        num_images = 1 if not is_training and clip is None else content.group
        # Videos of MPII alone have backgrounds of their own, because the builder decides their
        # split.
        own_plates = (f"mpii{place % (content.plates // 2 + 1)}", 1)
        job = RenderJob(
            source="mpii",
            number=k,
            seed=seed,
            split="train" if is_training else "test",
            count=num_images,
            plates=own_plates,
            video=0 if is_last else 20_001 + 13 * k,
            scene=(1, k) if is_training else (3, place),
            position=position,
        )
        if clip is not None:
            plates = _choose_background_pool(_sequence_split(clip), content)
            job = replace(job, plates=plates, scene=(2, clip), kind="shared")
        jobs.append(job)
        position += num_images
    return _reuse_positions_as_videos(jobs)


def _reuse_positions_as_videos(jobs: Sequence[RenderJob]) -> list[RenderJob]:
    """Give videos of MPII alone the numbers of PoseTrack's clips, so that confusing both shows."""
    clips = iter([_clip_position(job) for job in jobs if job.kind == "shared"])
    return [
        replace(job, video=next(clips, job.video)) if job.split == "train" and not job.kind else job
        for job in jobs
    ]


def _clip_position(mpii_job: RenderJob) -> int:
    """Return the number of the PoseTrack clip that shows the same video: its second image."""
    return mpii_job.position + 1


def _sequence_split(number: int) -> str:
    return "val" if number % 4 == 1 else "train"


def _sequence_kind(number: int) -> str:
    return ("mpii", "mpii", "bonn")[number % 3]


def _count_sequences(content: Size) -> int:
    return max(round(0.20 * content.stills / content.sequence), 2)


def _list_mpii_clips(content: Size) -> list[int]:
    return [k for k in range(_count_sequences(content)) if _sequence_kind(k) == "mpii"]


def _plan_sequences(content: Size, seed: int, mpii_jobs: Sequence[RenderJob]) -> list[RenderJob]:
    """Plan PoseTrack's clips; one of kind `mpii` has the position of its video's second image."""
    video_of = {job.scene: job for job in mpii_jobs if job.kind == "shared"}
    jobs = []
    for k in range(_count_sequences(content)):
        split = _sequence_split(k)
        scene = (2, k)
        mpii_job = video_of.get(scene)
        jobs.append(
            RenderJob(
                source="posetrack",
                number=k,
                seed=seed,
                split=split,
                count=content.sequence,
                plates=_choose_background_pool(split, content),
                video=mpii_job.video if mpii_job else 0,
                scene=scene,
                kind=_sequence_kind(k),
                position=_clip_position(mpii_job) if mpii_job else 30_001 + k,
            )
        )
    return jobs


def _plan_clips(content: Size, seed: int) -> list[RenderJob]:
    return [
        RenderJob(
            "hieve",
            k,
            seed,
            "train" if k % 5 else "test",
            content.frames,
            (f"hieve{k}", 1),
            size_wh=content.clip_wh,
        )
        for k in range(content.clips)
    ]
