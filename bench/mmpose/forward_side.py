"""MMPose's side of bench/forward.py, run by the Python of its environment.

Reads one JSON command per line and replies to each with one JSON line, so that the two sides can
alternate: `load` a method with weights, `forward` its network, `whole` from image files to
keypoints by the functions that MMPose's users call, `around` the same with cached outputs.
"""

import contextlib
import json
import resource
import sys
import time

import peer  # first, since it installs the stand-ins
import torch


def read_clock(device):
    """Return the CPU seconds of this process with all threads; on a GPU the wall-clock time."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class CommandRunner:
    """Executes the commands with one model."""

    def __init__(self, threads, device):
        import cv2
        import mmpretrain  # noqa: F401
        from mmpose.utils import register_all_modules

        register_all_modules()
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        self.device = device

    def load(self, method, weights):
        from mmengine.config import Config
        from mmpose.apis import init_model

        import mmpose

        self.method = method
        if method == "vitpose_s_rle":
            config = peer.load_config(method)
        else:
            folder = peer.Path(mmpose.__file__).parent / ".mim/configs" / peer.COCO
            config = Config.fromfile(folder / peer.CONFIGS[method])
        self.model = init_model(config, device=self.device)
        peer.load_state(self.model, torch.load(weights))
        return {}

    def forward(self, images, rounds=1):
        x = torch.load(images).to(self.device)
        with torch.no_grad():
            start = read_clock(self.device)
            for _ in range(rounds):
                self.model.head.forward(self.model.extract_feat(x))
            return {"seconds": (read_clock(self.device) - start) / rounds}

    def whole(self, path, boxes_xyxy):
        import numpy as np
        from mmpose.apis import inference_bottomup, inference_topdown

        start = read_clock(self.device)
        if boxes_xyxy is None:
            samples = inference_bottomup(self.model, path)
        else:
            samples = inference_topdown(self.model, path, np.array(boxes_xyxy, np.float32))
        seconds = read_clock(self.device) - start
        points = [p for s in samples for p in np.asarray(s.pred_instances.keypoints).tolist()]
        return {"seconds": seconds, "keypoints": points}

    def around(self, path, boxes_xyxy):
        with cached_outputs(self.model) as start_replay:
            self.whole(path, boxes_xyxy)
            start_replay()
            return self.whole(path, boxes_xyxy)


@contextlib.contextmanager
def cached_outputs(model):
    """Record the outputs of a model's network; calling the result makes it replay them."""
    recorded, state = [], {"calls": 0, "is_replaying": False}
    network, head = model.extract_feat, model.head.forward

    def pass_through(x):
        return x

    def run_cached(x):
        state["calls"] += 1
        if not state["is_replaying"]:
            recorded.append(head(network(x)))
            return recorded[-1]
        return recorded[state["calls"] % len(recorded) - 1]

    def start_replay():
        state.update(calls=0, is_replaying=True)

    model.extract_feat, model.head.forward = pass_through, run_cached
    try:
        yield start_replay
    finally:
        del model.extract_feat, model.head.forward


def main(threads, device):
    # What libraries print must not be read as a reply.
    replies, sys.stdout = sys.stdout, sys.stderr
    runner = CommandRunner(int(threads), device)
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        reply = getattr(runner, command.pop("do"))(**command)
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
