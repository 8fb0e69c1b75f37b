"""Rename the tensors of other programs to our names, which are MMPose's."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# What follows the backbone in classifiers.
_CLASSIFIER = re.compile(r"(fc|classifier|final_layer|incre_modules|downsamp_modules)\.")


def rename_keys(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename tensors of MMPose (also before version 1), transformers, or a classifier.

    Entries that are not tensors are dropped.
    """
    tensors = {
        re.sub(r"^(module\.)?(keypoint_head\.)?", _rename_prefix, name): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and not name.startswith("data_preprocessor.")
    }
    if any("embeddings.patch_embeddings.projection" in name for name in tensors):
        return _convert_transformers(tensors)
    if "conv1.weight" in tensors and not any(n.startswith(("backbone.", "head")) for n in tensors):
        # Classifiers of torchvision, timm and HRNet's authors: only the backbone is needed.
        kept = {n: t for n, t in tensors.items() if not _CLASSIFIER.match(n)}
        return {f"backbone.{name}": tensor for name, tensor in kept.items()}
    return tensors


def _rename_prefix(match: re.Match[str]) -> str:
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


def _convert_transformers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tensors of ViTPose in transformers.

    Query, key and value become one tensor; the class token's position embedding is added to all
    others. Of ViTPose+'s experts, the first is COCO's; its rows follow the shared ones.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if re.search(r"\.attention\.(attention\.)?(key|value)\.", name) or _EXPERT.search(name):
            continue
        query = _QUERY.search(name)
        if query:
            parts = [tensor, *(tensors[name.replace("query", n)] for n in ("key", "value"))]
            head = name[: query.start()].replace(".encoder.layer.", ".layers.")
            renamed[f"{head}.attn.qkv.{query[1]}"] = torch.cat(parts)
        elif name.endswith("embeddings.position_embeddings"):
            renamed["backbone.pos_embed"] = tensor[:, 1:] + tensor[:, :1]
        else:
            shared = re.search(r"\.mlp\.fc2\.(weight|bias)$", name)
            if shared:
                before = name[: shared.start()]
                for middle in (".mlp.experts.0.", ".mlp.experts.experts.0."):
                    expert = tensors.get(f"{before}{middle}{shared[1]}")
                    tensor = tensor if expert is None else torch.cat([tensor, expert])
            for pattern, replacement in _TRANSFORMERS:
                name = re.sub(pattern, replacement, name)
            renamed[name] = tensor
    return renamed
