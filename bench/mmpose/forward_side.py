"""MMPose's half of bench/forward.py, run by the Python of its environment.

Reads one JSON order a line and answers each with one JSON line, so that the two sides can take
turns: `load` a method with weights, `forward` its network, `whole` picture files to keypoints by
the functions that MMPose's users call, `around` the same with the network's outputs remembered.
"""

import contextlib
import json
import resource
import sys
import time

import peer  # brings the stand-ins, and is first
import torch


def spent(device):
    """CPU seconds of this process and all its threads; on a GPU the clock, once all is done."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


class Side:
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
            config = peer.config_of(method)
        else:
            folder = peer.Path(mmpose.__file__).parent / ".mim/configs" / peer.COCO
            config = Config.fromfile(folder / peer.CONFIGS[method])
        self.model = init_model(config, device=self.device)
        peer.fill(self.model, torch.load(weights))
        return {}

    def forward(self, pictures, rounds=1):
        x = torch.load(pictures).to(self.device)
        with torch.no_grad():
            start = spent(self.device)
            for _ in range(rounds):
                self.model.head.forward(self.model.extract_feat(x))
            return {"seconds": (spent(self.device) - start) / rounds}

    def whole(self, path, boxes_xyxy):
        import numpy as np
        from mmpose.apis import inference_bottomup, inference_topdown

        start = spent(self.device)
        if boxes_xyxy is None:
            found = inference_bottomup(self.model, path)
        else:
            found = inference_topdown(self.model, path, np.array(boxes_xyxy, np.float32))
        seconds = spent(self.device) - start
        points = [p for f in found for p in np.asarray(f.pred_instances.keypoints).tolist()]
        return {"seconds": seconds, "keypoints": points}

    def around(self, path, boxes_xyxy):
        with remembered(self.model) as now:
            self.whole(path, boxes_xyxy)
            now()
            return self.whole(path, boxes_xyxy)


@contextlib.contextmanager
def remembered(model):
    """A model whose network says the same again once it is told that one whole turn is over."""
    memory, state = [], {"calls": 0, "known": False}
    network, head = model.extract_feat, model.head.forward

    def features(x):
        return x

    def outputs(x):
        state["calls"] += 1
        if not state["known"]:
            memory.append(head(network(x)))
            return memory[-1]
        return memory[state["calls"] % len(memory) - 1]

    def now():
        state.update(calls=0, known=True)

    model.extract_feat, model.head.forward = features, outputs
    try:
        yield now
    finally:
        del model.extract_feat, model.head.forward


def main(threads, device):
    # What libraries print must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    side = Side(int(threads), device)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(side, order.pop("do"))(**order)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
