"""MMPose's side of bench/gpu.py: train its network on batches of a job, with MMPose's own losses.

    ENV/bin/python bench/mmpose/train_side.py JOB [--half] [--device cuda]

Targets are encoded by MMPose's codecs before the clock starts, as its loaders do beside the
training. The last line of the output is JSON.
"""

import contextlib
import json
import statistics
import sys
import time
from itertools import pairwise

# MMPretrain's language models cannot be imported beside transformers 5, and none is needed.
sys.modules.setdefault("transformers", None)

import peer  # noqa: E402 (first, since it installs the stand-ins)
import torch  # noqa: E402


def split_people(people, method, image_index, size):
    """Return the labels of one image as `peer.make_training_samples` takes them."""
    if not method.startswith("rtmo"):
        keypoints = people[image_index : image_index + 1].numpy()
        return {"keypoints": keypoints[..., :2], "visible": (keypoints[..., 2] > 0) * 1.0}
    is_taken = people["image_index"] == image_index
    is_taken &= (people["keypoints"][..., 2] > 0).any(1)
    points = people["keypoints"][is_taken]
    corners = people["corners"][is_taken]
    # Our masks have a quarter of the sample's resolution.
    unlabelled = 1 - people["heatmap_mask"][image_index]
    invalid = unlabelled.repeat_interleave(4, dim=0).repeat_interleave(4, dim=1)
    return {
        "keypoints": points[..., :2],
        "visible": points[..., 2].clamp(max=1),
        "bboxes": torch.cat([corners.amin(1), corners.amax(1)], 1),
        "areas": people["area"][is_taken],
        "invalid": invalid[: size[1], : size[0]],
    }


def make_batches(job, model, device):
    """Prepare network inputs' sources and data samples of every batch."""
    method = job["method"]
    batches = []
    for images, people in zip(job["images"], job["people"], strict=True):
        h, w = images.shape[1:3]
        truth = [split_people(people, method, i, (w, h)) for i in range(len(images))]
        metas = [{"input_size": (w, h)}] * len(images)
        samples = peer.make_training_samples(
            method, {"metas": metas, "truth": truth, "codec": {"input_size": (w, h)}}
        )
        batches.append((images, [sample.to(device) for sample in samples]))
    return batches


def prepare(images, method, device):
    """Convert (b, h, w, 3) RGB to what the network takes, on the device."""
    x = images.to(device, non_blocking=True).float()
    if method.startswith("rtmo"):
        return x.flip(-1).permute(0, 3, 1, 2)
    mean = torch.tensor((123.675, 116.28, 103.53), device=device)
    std = torch.tensor((58.395, 57.12, 57.375), device=device)
    return ((x - mean) / std).permute(0, 3, 1, 2)


def main():
    """Train and print speed, peak memory and losses."""
    import mmpretrain  # noqa: F401
    from mmpose.utils import register_all_modules

    register_all_modules()
    arguments = sys.argv[1:]
    device = arguments[arguments.index("--device") + 1] if "--device" in arguments else "cuda"
    job = torch.load(arguments[0], weights_only=False)
    method = job["method"]
    torch.manual_seed(0)
    model = peer.build_model(method)
    peer.load_state(model, job["state"])
    model = model.to(device).train()
    adam = torch.optim.AdamW if job["optimizer"] == "adamw" else torch.optim.Adam
    optimizer = adam(model.parameters(), lr=1e-3, weight_decay=job["weight_decay"])
    batches = make_batches(job, model, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    half = (
        torch.autocast(device, torch.bfloat16)
        if "--half" in arguments
        else contextlib.nullcontext()
    )
    losses = []
    times = [time.monotonic()]
    for step, rate in enumerate(job["rates"]):
        images, samples = batches[step % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = rate
        with half:
            terms = model.loss(prepare(images, method, device), samples)
        loss = sum(v.mean() for k, v in terms.items() if k.startswith("loss"))
        optimizer.zero_grad()
        loss.backward()
        if job["clip_norm"]:
            torch.nn.utils.clip_grad_norm_(model.parameters(), job["clip_norm"])
        optimizer.step()
        losses.append(loss.item())
        times.append(time.monotonic())
        if times[-1] - times[0] > job["seconds"]:
            break
    steps = [b - a for a, b in pairwise(times)]
    seconds = statistics.median(steps[len(steps) // 2 :])
    result = {
        "images_per_s": round(len(job["images"][0]) / seconds, 1),
        "first_step_s": round(steps[0], 2),
        "peak_mb": round(torch.cuda.max_memory_allocated() / 2**20) if device == "cuda" else 0,
        "steps": len(losses),
        "losses": [round(loss, 6) for loss in losses],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
