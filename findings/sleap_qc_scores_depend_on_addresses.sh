#!/bin/bash
# Surprising: sleap.qc gives equal labels unequal scores, in one process or from run to run.
# A good guess: scores are repeatable, since both of its random fits (the mixture and 2-means) have
#   a fixed random_state.
# What happens: a Symmetry of sleap-io is a set of two nodes, which are hashed by their address. The
#   detector takes the first of the set as the left joint, so that left and right are exchanged in
#   some pairs and not in others, and its symmetry feature compares shoulders and hips across sides.
#   Scores move with it, since one mixture is fitted to all features.
# Versions: sleap 1.6.6, sleap-io 0.9.5. Date: 29 November 2026. Source: this script, which makes
#   nodes until their addresses have the order that it wants; elsewhere chance decides.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check sleap-io==0.9.5 scikit-learn==1.9.1 \
  networkx==3.6.1 2>/dev/null
env/bin/pip install -q --disable-pip-version-check --no-deps sleap==1.6.6 2>/dev/null
cat > show.py <<'PY'
import logging
import sys

import numpy as np
import sleap_io

logging.disable(logging.CRITICAL)
from sleap.qc import LabelQCDetector  # noqa: E402

JOINTS = ["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"]
EDGES = [("nose", "left_shoulder"), ("nose", "right_shoulder"), ("left_shoulder", "left_hip"),
         ("right_shoulder", "right_hip")]
PAIRS = [("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")]
SHAPE = np.array([[0.0, 0], [10, 15], [-10, 15], [6, 45], [-6, 45]])
random = np.random.default_rng(0)
poses = [200 + SHAPE * random.uniform(0.8, 1.2) + random.normal(0, 2.5, SHAPE.shape)
         for _ in range(200)]
kept = []


def make_pair(names, left_first):
    """Return two nodes whose set has the left or the right one first."""
    while True:
        pair = [sleap_io.Node(name) for name in names]
        kept.append(pair)
        if (next(iter(set(pair))) is pair[0]) == left_first:
            return pair


def make_labels(order):
    """Return the same 200 people, one a frame, with new nodes."""
    nodes = [sleap_io.Node("nose")]
    for pair, left_first in zip(PAIRS, order, strict=True):
        nodes += make_pair(pair, left_first)
    skeleton = sleap_io.Skeleton(nodes, edges=list(EDGES), symmetries=list(PAIRS))
    video = sleap_io.Video(filename="none.mp4", open_backend=False)
    frames = []
    for number, points in enumerate(poses):
        pose = sleap_io.Instance.from_numpy(points, skeleton=skeleton)
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=number, instances=[pose]))
    return sleap_io.Labels(frames)


def score_people(order):
    """Return the scores of all people."""
    labels = make_labels(order)
    detector = LabelQCDetector()
    detector.fit(labels)
    flags = detector.score(labels).get_flagged(threshold=0.0)
    score_of = {flag.instance_key.frame_idx: flag.score for flag in flags}
    first = " and ".join("left" if left_first else "right" for left_first in order)
    print(f"first of the pairs: {first}; "
          f"scores of persons 0 to 4: {[round(score_of[n], 3) for n in range(5)]}")
    return np.array([score_of[number] for number in range(len(poses))])


equal = score_people((True, True))
again = score_people((True, True))
unequal = score_people((True, False))
print(f"scores that differ: {np.sum(equal != again)} of 200 with the same order, "
      f"{np.sum(equal != unequal)} with another (by up to {np.abs(equal - unequal).max():.3f})")
sys.exit(bool(np.any(equal != again)) or not np.any(equal != unequal))
PY
echo "Equal labels have unequal scores:"
env/bin/pip list 2>/dev/null | grep -E "^(sleap|sleap-io|scikit-learn) "
env/bin/python show.py 2>/dev/null
