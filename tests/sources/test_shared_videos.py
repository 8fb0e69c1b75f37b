"""PoseTrack's clips belong to the MPII videos at whose position in MPII's list they were cut."""

import gzip

import numpy as np
import pytest

from smallpose.core.concat_instances import concat_instances
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import POSETRACK17
from smallpose.dataset.splits import assign_splits
from smallpose.sources import READERS
from smallpose.sources.shared_videos import name_video, tie_clips_to_mpii
from smallpose.sources.source import ImageFile, ListedImage, Source
from smallpose.synthetic.labels.formats.mpii import write_mpii
from smallpose.synthetic.labels.formats.posetrack import write_posetrack
from smallpose.synthetic.plan import plan_jobs
from smallpose.synthetic.render_jobs import run_jobs

# MPII's file is read in a process of its own.
pytestmark = pytest.mark.usefixtures("warm_executable")

# Positions 1 to 4 of MPII's list: three images of two training videos, and a test image.
LIST = (
    ListedImage("mpii_video_000003", True),
    ListedImage("mpii_video_000001", True),
    ListedImage("mpii_video_000003", True),
    ListedImage("mpii_position_000004", False),
)


def make_clips(*names, frames=2):
    names = [name for name in names for _ in range(frames)]
    images = make_images(
        range(len(names)),
        [f"posetrack/images/{n.split('_')[2]}/{n}/{i:06d}.jpg" for i, n in enumerate(names)],
        source=SOURCES.index("posetrack"),
        groups=["_".join(n.split("_")[:2]) for n in names],
    )
    people = make_instances(
        POSETRACK17, images, np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 17, 3))
    )
    splits = tuple(n.split("_")[2] for n in names)
    return Source("posetrack", None, people, (ImageFile(""),) * len(names), splits)


def groups_of(source):
    images = source.people.images
    folders = [name.split("/")[3] for name in images.file_names]
    return dict(zip(folders, images.groups, strict=True))


def test_a_clip_takes_the_group_of_its_position_and_not_of_the_video_with_its_number():
    tied = tie_clips_to_mpii(make_clips("000001_mpii_train", "000002_mpii_train"), LIST)
    assert groups_of(tied) == {
        "000001_mpii_train": "mpii_video_000003",  # not mpii_video_000001
        "000002_mpii_train": "mpii_video_000001",
    }
    assert "2 of 2 clips were cut from 2 MPII videos" in tied.people.notes[-1]


def test_a_clip_at_a_test_image_without_video_takes_the_group_of_the_position():
    tied = tie_clips_to_mpii(make_clips("000004_mpii_test"), LIST)
    assert groups_of(tied) == {"000004_mpii_test": "mpii_position_000004"}


def test_clips_of_other_kinds_keep_their_own_groups():
    clips = make_clips("000003_bonn_train", "000001_mpiinew_test", "000003_mpii_train")
    tied = groups_of(tie_clips_to_mpii(clips, LIST))
    assert tied["000003_bonn_train"] == "000003_bonn"
    assert tied["000001_mpiinew_test"] == "000001_mpiinew"
    assert tied["000003_mpii_train"] == "mpii_video_000003"
    alone = make_clips("000003_bonn_train")
    assert tie_clips_to_mpii(alone, LIST) is alone


@pytest.mark.parametrize(
    "wrong", ["000004_mpii_train", "000002_mpii_test", "000005_mpii_test", "000000_mpii_train"]
)
def test_one_clip_that_disagrees_with_the_list_unties_all(wrong):
    clips = make_clips("000001_mpii_train", wrong)
    tied = tie_clips_to_mpii(clips, LIST)
    assert groups_of(tied) == groups_of(clips)
    (note,) = tied.people.notes
    agree = (
        f"1 of 2 clips of kind mpii do not agree with the 4 images in MPII's list (first: {wrong})"
    )
    assert note.startswith(agree)


def test_a_video_in_both_splits_of_posetrack_is_named():
    both = (LIST[0], LIST[0]._replace(is_training=False))
    tied = tie_clips_to_mpii(make_clips("000001_mpii_train", "000002_mpii_test"), both)
    assert "1 MPII videos have clips in both" in tied.people.notes[-1]


def test_videos_of_two_sources_are_one_only_where_mpii_names_them():
    assert name_video("1", "mpii_video_000003") == name_video("4", "mpii_video_000003")
    assert name_video("1", "7") != name_video("4", "7")
    assert name_video("1", "") == ""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """MPII and PoseTrack of the tiny synthetic data: a folder and MPII's records."""
    root = tmp_path_factory.mktemp("shared")
    jobs = [job for job in plan_jobs("tiny", 0) if job.source in ("mpii", "posetrack")]
    records = [record for job in jobs for records in run_jobs(root, [job]) for record in records]
    write_mpii(root / "mpii", [r for r in records if r.source == "mpii"])
    write_posetrack(root / "posetrack", [r for r in records if r.source == "posetrack"])
    return root, records


def read_tied(root, mpii_root):
    mpii = READERS["mpii"](mpii_root)
    return mpii, tie_clips_to_mpii(READERS["posetrack"](root / "posetrack"), mpii.listed_images)


def test_the_synthetic_list_has_the_true_relation(rendered):
    root, records = rendered
    truth = {r.file_name: r for r in records}
    mpii, tied = read_tied(root, root / "mpii")
    assert {image.is_training for image in mpii.listed_images} == {True, False}
    for source in (mpii, tied):
        images = source.people.images
        for name, group in zip(images.file_names, images.groups, strict=True):
            assert group == truth[name].group
    endings = {r.extra["sequence"].rsplit("_", 1)[1] for r in records if r.source == "posetrack"}
    assert endings == {"train", "test"}
    videos = {r.extra["vididx"] for r in records if r.source == "mpii"}
    positions = {int(r.extra["sequence"][:6]) for r in records if r.source == "posetrack"}
    assert positions & videos  # a reader that takes one for the other ties wrong videos


def test_images_of_a_tied_training_video_never_go_to_test(rendered):
    root, _ = rendered
    mpii, tied = read_tied(root, root / "mpii")
    images = concat_instances([mpii.people, tied.people]).images
    clip_groups = {
        g for g, s in zip(tied.people.images.groups, tied.splits, strict=True) if s == "train"
    }
    assert clip_groups
    for seed in range(20):
        rng = np.random.default_rng(seed)
        splits = assign_splits(images, mpii.splits + tied.splits, "grouped", rng)
        tied_splits = {s for s, g in zip(splits, images.groups, strict=True) if g in clip_groups}
        assert tied_splits == {"train"}


@pytest.mark.parametrize("cut", ["training images", "without the first", "sorted by name"])
def test_a_list_that_was_cut_or_sorted_fails_the_guard(rendered, tmp_path, cut):
    root, records = rendered
    mpii_records = [r for r in records if r.source == "mpii"]
    if cut == "training images":
        mpii_records = [r for r in mpii_records if r.labelled]
    elif cut == "without the first":
        mpii_records = mpii_records[3:]
    else:
        mpii_records = mpii_records[::-1]
    write_mpii(tmp_path / "mpii", mpii_records)
    _, tied = read_tied(root, tmp_path / "mpii")
    assert "no clip is tied" in tied.people.notes[-1]
    assert not any(g.startswith("mpii_") for g in tied.people.images.groups)


def test_real_names_agree_with_the_real_training_positions(real):
    """The rule of this module on the published lists: every clip agrees; one position off, no."""
    positions = gzip.decompress((real / "mpii/training_positions.txt.gz").read_bytes()).split()
    training = {int(p) for p in positions}
    listed = [ListedImage(f"mpii_position_{p:06d}", p in training) for p in range(1, 24_988)]
    lines = (real / "posetrack/sequence_names.txt").read_text().splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    tied = tie_clips_to_mpii(make_clips(*names, frames=1), listed)
    assert tied.people.notes == (
        "1,543 of 1,562 clips were cut from 1,543 MPII videos and stay in one split with their "
        "images",
    )
    shifted = tie_clips_to_mpii(make_clips(*names, frames=1), listed[1:])
    assert "no clip is tied" in shifted.people.notes[-1]


def test_the_cut_list_at_hand_fails_the_guard(real):
    mpii = READERS["mpii"](real / "mpii")
    posetrack = READERS["posetrack"](real / "posetrack/posetrack18")
    tied = tie_clips_to_mpii(posetrack, mpii.listed_images)
    assert len(mpii.listed_images) == 1370
    assert "no clip is tied" in tied.people.notes[-1]
