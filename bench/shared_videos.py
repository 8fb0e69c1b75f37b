"""Count the MPII training images whose split PoseTrack's clips decide.

    python bench/shared_videos.py training_positions.txt.gz sequence_names.txt

The first file lists the 1-based positions in MPII's `RELEASE.annolist` of the labelled training
images, the second the names of PoseTrack18's sequences. Neither tells which images are of one
video (`vididx`), so images at a clip's own position are counted, and other images of its video are
estimated: those at most `--reach` positions away without a test image between them. MPII's paper
counts 24,920 images of 3,913 videos, 6.4 a video, which is a reach of three on both sides.
"""

import argparse
import gzip
import re
from pathlib import Path

HIGHEST_VIDEO = 2821  # length of MPII's `video_list`: up to it, every number is also a `vididx`
TEST_SHARE = 0.2


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, gzipped or not, without comments."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def find_neighbours(positions: set[int], clips: set[int], reach: int) -> set[int]:
    """Return the positions near clips, and not theirs, that no other position separates."""
    near = set()
    for clip in clips:
        for step in (-1, 1):
            place = clip + step
            while place in positions and abs(place - clip) <= reach:
                near.add(place)
                place += step
    return near - clips


def main() -> None:
    """Print the counts and the estimates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("positions", type=Path, metavar="POSITIONS")
    parser.add_argument("names", type=Path, metavar="NAMES")
    parser.add_argument("--reach", type=int, nargs="+", default=[1, 3, 6], metavar="N")
    arguments = parser.parse_args()
    positions = {int(line) for line in read_lines(arguments.positions)}
    matches = [re.fullmatch(r"(\d+)_mpii_(\w+)", n) for n in read_lines(arguments.names)]
    clips = {(int(m[1]), m[2]) for m in matches if m}
    train = {number for number, ending in clips if ending == "train"}
    agree = sum((number in positions) == (ending == "train") for number, ending in clips)
    false_ties = sum(number <= HIGHEST_VIDEO for number, _ in clips)
    print(f"{agree:,} of {len(clips):,} clips agree with the list of {len(positions):,} images")
    print(f"counted: {len(train):,} training images are the key image of a training clip;")
    print(f"  drawn 8 : 2 without their clip, {TEST_SHARE * len(train):.0f} of them go to test")
    for reach in arguments.reach:
        near = len(find_neighbours(positions, train, reach))
        print(
            f"estimated, other images of these videos within {reach} positions: {near:,}, "
            f"{TEST_SHARE * near:.0f} to test"
        )
    print(f"counted: {false_ties:,} clips have a number that is some video's as well")


if __name__ == "__main__":
    main()
