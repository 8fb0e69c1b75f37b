"""How large a world is and what it is made of: COCO 45 %, AIC 20 %, MPII 15 %, PoseTrack 20 %."""

from dataclasses import dataclass

from smallpose.synthetic.render_jobs import Unit


@dataclass(frozen=True)
class Size:
    """What a world of a size holds.

    Args:
        stills: pictures, videos apart.
        sequence: frames of a PoseTrack sequence.
        group: pictures of an MPII video.
        clips, frames, clip_wh: HiEve's videos.
        plates: places painted for training pictures; half as many for the others.
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


def plan(size: str, seed: int) -> list[Unit]:
    """Every unit of the world, in the order of its records."""
    what = SIZES[size]
    return [
        *_stills("coco", round(0.45 * what.stills), what, seed),
        *_mpii(round(0.15 * what.stills), what, seed),
        *_stills("aic", round(0.20 * what.stills), what, seed),
        *_clips(what, seed),
        *_sequences(round(0.20 * what.stills), what, seed),
    ]


def _plates(split: str, what: Size) -> tuple[str, int]:
    return ("train", what.plates) if split == "train" else ("test", max(8, what.plates // 2))


def _stills(source: str, count: int, what: Size, seed: int) -> list[Unit]:
    test = round(_TEST_SHARE * count)
    splits = ["train"] * (count - test) + ["val"] * test
    return [Unit(source, k, seed, s, 1, _plates(s, what)) for k, s in enumerate(splits)]


def _video(kind: str, number: int) -> int:
    """Ids of PoseTrack's and MPII's videos; the first two of either are the same videos."""
    return 3418 + 97 * number if kind == "posetrack" else 20_001 + 13 * number


def _mpii(count: int, what: Size, seed: int) -> list[Unit]:
    groups = max(count // what.group, 3)
    units = []
    for k in range(groups):
        # Plates of their own: the builder decides which side a video goes to.
        units.append(
            Unit(
                "mpii",
                k,
                seed,
                "train",
                what.group,
                (f"mpii{k % (what.plates // 2 + 1)}", 1),
                _video("mpii", k),
                (1, k),
            )
        )
    for k in range(2):
        video = _video("posetrack", k)
        split = _sequence_split(k)
        units[k] = Unit(
            "mpii", k, seed, "train", what.group, _plates(split, what), video, (2, k), kind="shared"
        )
    for k in range(max(groups // 10, 1)):
        units.append(
            Unit(
                "mpii",
                groups + k,
                seed,
                "test",
                1,
                (f"mpii{k % (what.plates // 2 + 1)}", 1),
                _video("mpii", groups + k),
                (3, k),
            )
        )
    return units


def _sequence_split(number: int) -> str:
    return "val" if number % 4 == 1 else "train"


def _sequences(count: int, what: Size, seed: int) -> list[Unit]:
    units = []
    for k in range(max(round(count / what.sequence), 2)):
        split = _sequence_split(k)
        kind = ("mpii", "mpii", "bonn")[k % 3]
        units.append(
            Unit(
                "posetrack",
                k,
                seed,
                split,
                what.sequence,
                _plates(split, what),
                _video("posetrack", k),
                (2, k),
                kind=kind,
            )
        )
    return units


def _clips(what: Size, seed: int) -> list[Unit]:
    return [
        Unit(
            "hieve",
            k,
            seed,
            "train" if k % 5 else "test",
            what.frames,
            (f"hieve{k}", 1),
            size_wh=what.clip_wh,
        )
        for k in range(what.clips)
    ]
