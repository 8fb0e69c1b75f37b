"""The eleven methods, one file each: parts, targets, loss, decoding, recipes."""

# ruff: noqa: E402 (the modules below cannot be imported without these packages)
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from smallpose.catalog.keywords import PUBLISHED_WEIGHTS
from smallpose.catalog.method_checks import refuse_unknown_method
from smallpose.catalog.method_code import MethodCode, is_method_code
from smallpose.catalog.method_files import KEY, describe_changed_files
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.skeleton_json import find_skeleton
from smallpose.system.packages import require_packages
from smallpose.system.progress import print_status

require_packages("smallpose.methods", "torch", "safetensors")

from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.methods import (
    cal,
    cid,
    dekr,
    expected_oks,
    hrformer,
    hrnet,
    rle,
    rtmo,
    rtmpose,
    simcc,
    simple_baseline,
    vitpose,
    vitpose_rle,
)
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.methods.checkpoints import mmpose_zoo
from smallpose.methods.checkpoints.read import read_weights
from smallpose.methods.custom import Creator, load_custom_method
from smallpose.methods.full_image import FullImageMethod
from smallpose.models.codecs.heatmap_coding import HeatmapCoding

__all__ = [
    "METHODS",
    "MethodCard",
    "PoseMethod",
    "Recipe",
    "create_method",
    "find_skeleton",
    "find_weights",
    "is_method_name",
]

METHODS: Mapping[str, Callable[[Skeleton], PoseMethod]] = {
    "simple_baseline_r50": simple_baseline.create_r50,
    "simple_baseline_r18_tiny": simple_baseline.create_r18_tiny,
    "hrnet_w32": hrnet.create_w32,
    "hrnet_w16_tiny": hrnet.create_w16_tiny,
    "simcc_r50": simcc.create_r50,
    "simcc_r18_tiny": simcc.create_r18_tiny,
    "cal_hrnet_w32": cal.create_hrnet_w32,
    "cal_hrnet_w16_tiny": cal.create_hrnet_w16_tiny,
    "dekr_hrnet_w32": dekr.create_w32,
    "dekr_hrnet_w8_tiny": dekr.create_w8_tiny,
    "cid_hrnet_w32": cid.create_w32,
    "cid_hrnet_w8_tiny": cid.create_w8_tiny,
    "rtmo_s": rtmo.create_s,
    "rtmo_m": rtmo.create_m,
    "rtmo_l": rtmo.create_l,
    "rtmo_tiny": rtmo.create_tiny,
    "hrformer_s": hrformer.create_s,
    "hrformer_tiny": hrformer.create_tiny,
    "vitpose_s": vitpose.create_s,
    "vitpose_tiny": vitpose.create_tiny,
    "rle_r50": rle.create_r50,
    "rle_r18_tiny": rle.create_r18_tiny,
    "vitpose_s_rle": vitpose_rle.create_s,
    "vitpose_rle_tiny": vitpose_rle.create_tiny,
    # No methods of the paper.
    "rtmpose_t": rtmpose.create_t,
    "rtmpose_s": rtmpose.create_s,
    "rtmpose_m": rtmpose.create_m,
    "rtmpose_l": rtmpose.create_l,
    "rtmpose_tiny": rtmpose.create_tiny,
    "expected_oks_tiny": expected_oks.create_tiny,
    "hrnet_w48": hrnet.create_w48,
    "vitpose_b": vitpose.create_b,
}


def create_method(
    name: str,
    skeleton: str | Skeleton | None = None,
    weights: Path | str | None = None,
    *,
    adapt: bool = False,
    partial: bool = False,
    weights_skeleton: str | Skeleton | None = None,
    trust: bool = False,
) -> PoseMethod:
    """Create a method as a `torch.nn.Module`, in eval mode.

    Args:
        name: a key of `METHODS`, or `FILE.py:NAME` for a method of your own; the name of the
            function or class may be left out where the file has one method.
        skeleton: "coco17", "smallpose21", …, a JSON file, or a `Skeleton` (default: that of the
            weights where their file or their number of joints tells, else COCO's 17).
        weights: our safetensors, a run's folder, MMPose's `.pth`, the authors' files of
            SimpleBaseline, HRNet and ViTPose, or ViTPose of transformers; "mmpose" or the name of
            a published file for the method's published weights.
        adapt: accept weights of another skeleton and match joints by name.
        partial: accept the weights of a backbone alone (ImageNet's), for training; the head keeps
            its random initial values.
        weights_skeleton: of the joints the weights predict, where their file does not tell.
        trust: let a `.pth` run code while it is read, where it needs to.

    Raises: InputError for an unknown name or weights that do not fit; RefusedError for weights
        that would have to run code to be read.
    """
    create = _find_creator(name)
    if weights is None:
        return create(find_skeleton(skeleton or COCO17)).eval()
    checkpoint = read_weights(find_weights(name, weights), trust=trust)
    source = None if weights_skeleton is None else find_skeleton(weights_skeleton)
    if skeleton is not None:
        method = create(find_skeleton(skeleton))
    else:
        method = create(checkpoint.skeleton or source or COCO17)
        if checkpoint.skeleton is None and source is None and not adapt:
            inferred = checkpoint.infer_skeleton(method)
            if inferred is not None and inferred.joints != method.skeleton.joints:
                method = create(inferred)
    method.weights_path = checkpoint.path
    checkpoint.load_into(method, adapt=adapt, partial=partial, skeleton=source)
    _report_changed_files(weights, checkpoint.metadata.get(KEY), method)
    if checkpoint.is_mirrored_in_training and method.skeleton == checkpoint.skeleton:
        method.mark_mirroring_reported()
    method.set_crop_options(CropOptions.from_dict(checkpoint.metadata.get("crop")))
    if checkpoint.metadata.get("heatmap") is not None:
        method.set_heatmap_coding(HeatmapCoding.from_dict(checkpoint.metadata["heatmap"]))
    test_side = checkpoint.metadata.get("test_side", 0)
    if test_side and isinstance(method, FullImageMethod):
        method.input_wh = (test_side, test_side)
    return method.eval()


def _report_changed_files(weights: Path | str, trained: object, method: PoseMethod) -> None:
    note = describe_changed_files(weights, trained, method.code_hashes)
    if note:
        _print_once(note)


@cache
def _print_once(note: str) -> None:
    """Print a note once in a process, which may create a method several times."""
    print_status(note)


def is_method_name(name: str) -> bool:
    """Return whether it is a key of `METHODS` or names a method of the user's own."""
    return name in METHODS or is_method_code(name)


def _find_creator(name: str) -> Creator:
    code = MethodCode.parse(name)
    if code is not None:
        return load_custom_method(code, METHODS)
    refuse_unknown_method(name, METHODS)
    return METHODS[name]


def find_weights(name: str, weights: Path | str) -> Path:
    """Return a path unchanged, or that of published weights for "mmpose" or their file's name."""
    path = Path(weights)
    is_keyword = str(weights) == PUBLISHED_WEIGHTS  # also where a folder has that name
    if not is_keyword and (path.exists() or path.name != str(weights)):
        return path
    card = _find_creator(name)(COCO17).card
    if str(weights) in (PUBLISHED_WEIGHTS, card.checkpoint, *card.other_checkpoints):
        return mmpose_zoo.find_checkpoint(str(weights), card, name)
    return path
