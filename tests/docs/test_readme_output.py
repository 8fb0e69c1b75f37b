"""The output that README shows follows from its own numbers, in the words of the program.

Its files are COCO's, which are not here, so that the block cannot be run.
"""

import re
from pathlib import Path

import numpy as np

from smallpose.evaluation.notes import describe_limit
from smallpose.evaluation.scoring.match_counts import MatchCounts

README = Path(__file__).parents[2] / "README.md"


def test_the_note_on_the_limit_is_worded_as_the_program_words_it(monkeypatch):
    text = " ".join(README.read_text().split())
    shown = re.search(r"note: (coco's limit .*?AP would be (\S+) without it, [^,]*?) In this", text)
    assert shown is not None
    ap = float(re.search(r"coco AP (\S+)", text)[1])
    without_limit = float(shown[2])
    num_people, num_images, num_bound = 329, 250, 3
    people = np.ones(num_images, int)
    people[: num_people - num_images] = 2
    counts = MatchCounts(
        classes=("all",),
        image_ids=np.arange(num_images),
        groups=("",) * num_images,
        num_detections=np.r_[np.full(num_bound, 21), np.ones(num_images - num_bound, int)],
        num_people=people[:, None],
        num_matched=np.zeros((num_images, 1, 0), int),
        image=np.zeros(0, int),
        rank=np.zeros(0, int),
        scores=np.zeros(0),
        true_positives=np.zeros((1, 0), int),
        false_positives={},
        thresholds=np.array([0.5]),
    )
    monkeypatch.setattr(MatchCounts, "compute_curves", lambda *_: None)
    monkeypatch.setattr(
        "smallpose.evaluation.notes.name_curve_metrics", lambda *_: {"AP": without_limit}
    )
    (note,) = describe_limit(counts, {"coco": {"AP": ap}, "owned": {}}, 20)
    assert note == shown[1]
