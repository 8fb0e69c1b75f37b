"""Other people's names for the same tensors, turned into ours, which are MMPose's."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# Behind the backbone in other people's classifiers.
_OF_CLASSIFIER = re.compile(r"(fc|classifier|final_layer|incre_modules|downsamp_modules)\.")


def rename_keys(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of MMPose (also before its version 1), transformers, or a classifier, by our names.

    What is no tensor is left out.
    """
    tensors = {
        re.sub(r"^(module\.)?(keypoint_head\.)?", _rename, name): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and not name.startswith("data_preprocessor.")
    }
    if any("embeddings.patch_embeddings.projection" in name for name in tensors):
        return _of_transformers(tensors)
    if "conv1.weight" in tensors and not any(n.startswith(("backbone.", "head")) for n in tensors):
        # Classifiers of torchvision, timm and HRNet's authors: the backbone, and what nobody
        # needs here.
        kept = {n: t for n, t in tensors.items() if not _OF_CLASSIFIER.match(n)}
        return {f"backbone.{name}": tensor for name, tensor in kept.items()}
    return tensors


def _rename(match: re.Match[str]) -> str:
    return "head." if match[2] else ""


# ViTPose in transformers (`VitPoseForPoseEstimation` with the classic decoder).
_TRANSFORMERS = (
    (r"^backbone\.embeddings\.patch_embeddings\.", "backbone.patch_embed."),
    (r"^backbone\.encoder\.layer\.", "backbone.layers."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".ln1."),
    (r"\.layernorm_after\.", ".ln2."),
    (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
    (r"\.mlp\.fc2\.", ".ffn.layers.1."),
    (r"^backbone\.layernorm\.", "backbone.ln1."),
    (r"^head\.deconv1\.", "head.deconv_layers.0."),
    (r"^head\.batchnorm1\.", "head.deconv_layers.1."),
    (r"^head\.deconv2\.", "head.deconv_layers.3."),
    (r"^head\.batchnorm2\.", "head.deconv_layers.4."),
    (r"^head\.conv\.", "head.final_layer."),
)
_QUERY = re.compile(r"\.attention\.(?:attention\.)?query\.(weight|bias)$")
_EXPERT = re.compile(r"\.mlp\.experts\.(?:experts\.)?(\d+)\.(weight|bias)$")


def _of_transformers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Query, key and value become one tensor, the class token's place is added to all places.

    Of ViTPose+'s experts, the first is COCO's; its rows come behind those that all share.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if re.search(r"\.attention\.(attention\.)?(key|value)\.", name) or _EXPERT.search(name):
            continue
        query = _QUERY.search(name)
        if query:
            parts = [tensor, *(tensors[name.replace("query", n)] for n in ("key", "value"))]
            head = name[: query.start()].replace(".encoder.layer.", ".layers.")
            ours[f"{head}.attn.qkv.{query[1]}"] = torch.cat(parts)
        elif name.endswith("embeddings.position_embeddings"):
            ours["backbone.pos_embed"] = tensor[:, 1:] + tensor[:, :1]
        else:
            shared = re.search(r"\.mlp\.fc2\.(weight|bias)$", name)
            if shared:
                before = name[: shared.start()]
                for middle in (".mlp.experts.0.", ".mlp.experts.experts.0."):
                    expert = tensors.get(f"{before}{middle}{shared[1]}")
                    tensor = tensor if expert is None else torch.cat([tensor, expert])
            for pattern, word in _TRANSFORMERS:
                name = re.sub(pattern, word, name)
            ours[name] = tensor
    return ours
