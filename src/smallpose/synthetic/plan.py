"""Plan size and composition: COCO 45 %, AIC 20 %, MPII 15 %, PoseTrack 20 %."""

from dataclasses import dataclass

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
    return [
        *_plan_stills("coco", round(0.45 * content.stills), content, seed),
        *_plan_mpii(round(0.15 * content.stills), content, seed),
        *_plan_stills("aic", round(0.20 * content.stills), content, seed),
        *_plan_clips(content, seed),
        *_plan_sequences(round(0.20 * content.stills), content, seed),
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


def _video_id(kind: str, number: int) -> int:
    """Return the id of a PoseTrack or MPII video; the first two are the same videos in both."""
    return 3418 + 97 * number if kind == "posetrack" else 20_001 + 13 * number


def _plan_mpii(count: int, content: Size, seed: int) -> list[RenderJob]:
    groups = max(count // content.group, 3)
    jobs = []
    for k in range(groups):
        # Backgrounds of their own, because the builder decides the split of a video.
        jobs.append(
            RenderJob(
                source="mpii",
                number=k,
                seed=seed,
                split="train",
                count=content.group,
                plates=(f"mpii{k % (content.plates // 2 + 1)}", 1),
                video=_video_id("mpii", k),
                scene=(1, k),
            )
        )
    for k in range(2):
        video = _video_id("posetrack", k)
        split = _sequence_split(k)
        jobs[k] = RenderJob(
            source="mpii",
            number=k,
            seed=seed,
            split="train",
            count=content.group,
            plates=_choose_background_pool(split, content),
            video=video,
            scene=(2, k),
            kind="shared",
        )
    for k in range(max(groups // 10, 1)):
        jobs.append(
            RenderJob(
                source="mpii",
                number=groups + k,
                seed=seed,
                split="test",
                count=1,
                plates=(f"mpii{k % (content.plates // 2 + 1)}", 1),
                video=_video_id("mpii", groups + k),
                scene=(3, k),
            )
        )
    return jobs


def _sequence_split(number: int) -> str:
    return "val" if number % 4 == 1 else "train"


def _plan_sequences(count: int, content: Size, seed: int) -> list[RenderJob]:
    jobs = []
    for k in range(max(round(count / content.sequence), 2)):
        split = _sequence_split(k)
        kind = ("mpii", "mpii", "bonn")[k % 3]
        jobs.append(
            RenderJob(
                source="posetrack",
                number=k,
                seed=seed,
                split=split,
                count=content.sequence,
                plates=_choose_background_pool(split, content),
                video=_video_id("posetrack", k),
                scene=(2, k),
                kind=kind,
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
