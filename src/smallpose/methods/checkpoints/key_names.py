"""Rename the tensors of other programs to our names, which are MMPose's."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# What follows the backbone in classifiers of torchvision, timm and HRNet's authors.
_CLASSIFIER = re.compile(r"(fc|classifier|final_layer\.\d+|incre_modules|downsamp_modules)\.")
# What follows it in the pose networks of SimpleBaseline's and HRNet's authors.
_POSE_HEAD = re.compile(r"(final_layer\.(weight|bias)|deconv_layers\.\d+\.)")


def rename_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors of other programs to MMPose's names.

    Reads MMPose (also before version 1), the authors' files of SimpleBaseline, HRNet, ViTPose and
    ViTPose+, ViTPose in transformers, and classifiers, of which only the backbone is kept.
    """
    tensors = {re.sub(r"^keypoint_head\.", "head.", name): t for name, t in state.items()}
    if any("embeddings.patch_embeddings.projection" in name for name in tensors):
        return _convert_transformers(tensors)
    if any(re.match(r"(backbone\.)?blocks\.\d+\.norm1\.", name) for name in tensors):
        return _convert_vitpose_authors(tensors)
    if "conv1.weight" in tensors and not any(n.startswith(("backbone.", "head")) for n in tensors):
        return _split_backbone_and_head(tensors)
    return tensors


def _split_backbone_and_head(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the prefixes that files of authors and of classifiers lack."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if _POSE_HEAD.match(name):
            renamed[f"head.{name}"] = tensor
        elif not _CLASSIFIER.match(name):
            renamed[f"backbone.{name}"] = tensor
    return renamed


# ViTPose of its authors, with timm's names of a vision transformer.
_VITPOSE_AUTHORS = (
    (r"^(backbone\.)?patch_embed\.proj\.", "backbone.patch_embed.projection."),
    (r"^(backbone\.)?blocks\.", "backbone.layers."),
    (r"^(backbone\.)?(last_norm|norm)\.", "backbone.ln1."),
    (r"^pos_embed$", "backbone.pos_embed"),
    (r"\.norm1\.", ".ln1."),
    (r"\.norm2\.", ".ln2."),
    (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
    (r"\.mlp\.fc2\.", ".ffn.layers.1."),
)


def _convert_vitpose_authors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tensors of ViTPose's authors.

    The class token's position embedding is added to all others, as their network does. Of
    ViTPose+'s experts and heads the first is COCO's; its rows follow the shared ones.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if ".mlp.experts." in name or name.startswith("associate_keypoint_heads."):
            continue
        if name.endswith("cls_token"):
            continue
        if name.endswith("pos_embed"):
            tensor = tensor[:, 1:] + tensor[:, :1]
        shared = re.search(r"\.mlp\.fc2\.(weight|bias)$", name)
        if shared:
            expert = tensors.get(f"{name[: shared.start()]}.mlp.experts.0.{shared[1]}")
            tensor = tensor if expert is None else torch.cat([tensor, expert])
        for pattern, replacement in _VITPOSE_AUTHORS:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


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


def _convert_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
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
