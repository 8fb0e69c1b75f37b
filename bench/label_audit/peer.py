"""Rank planted poses with another package, in its own environment, for bench/label_audit.py.

    python bench/label_audit/peer.py sleap|trekr POSES.npz

POSES.npz has `points` (n, k, 2), NaN where a joint is not labelled, `images` (n,), `joints` (k,)
and `edges` (e, 2). Prints the n suspicions and the CPU seconds as JSON.
"""

import json
import sys
import time

import numpy as np


def score_with_trekr(data):
    """Return the largest score of any joint of each person."""
    from trekr.labels.check import scores

    per_joint = np.asarray(scores(data["points"]))
    return np.nanmax(np.where(np.isnan(per_joint), -np.inf, per_joint), axis=1)


def score_with_sleap(data):
    """Return the score of sleap.qc, one frame per image."""
    import sleap_io as sio
    from sleap.qc import LabelQCDetector

    names = [str(name) for name in data["joints"]]
    nodes = [sio.Node(name) for name in names]
    edges = [sio.Edge(nodes[a], nodes[b]) for a, b in data["edges"]]
    pairs = [
        sio.Symmetry([nodes[i], nodes[names.index(name.replace("left", "right"))]])
        for i, name in enumerate(names)
        if name.startswith("left")
    ]
    skeleton = sio.Skeleton(nodes=nodes, edges=edges, symmetries=pairs)
    video = sio.Video(filename="none.mp4", open_backend=False)
    frames, place_of = [], {}
    for number, image in enumerate(np.unique(data["images"])):
        rows = np.flatnonzero(data["images"] == image)
        people = [sio.Instance.from_numpy(data["points"][row], skeleton=skeleton) for row in rows]
        frames.append(sio.LabeledFrame(video=video, frame_idx=number, instances=people))
        place_of |= {(number, index): row for index, row in enumerate(rows)}
    labels = sio.Labels(frames, videos=[video], skeletons=[skeleton])
    detector = LabelQCDetector()
    detector.fit(labels)
    results = detector.score(labels)
    out = np.zeros(len(data["points"]))
    for flag in results.get_flagged(threshold=0.0):
        key = flag.instance_key
        row = place_of[key.frame_idx, key.instance_idx]
        out[row] = max(out[row], flag.score)
    return out


def main(name, path):
    """Score the poses and print the result."""
    data = dict(np.load(path))
    begin = time.process_time()
    scores = {"sleap": score_with_sleap, "trekr": score_with_trekr}[name](data)
    print(json.dumps({"scores": scores.tolist(), "cpu_s": time.process_time() - begin}))


if __name__ == "__main__":
    main(*sys.argv[1:])
