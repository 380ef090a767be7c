"""A random open_clip model of a few thousand weights, saved as open_clip saves models."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}
PIXELS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear", "resize_mode": "squash"}


def make_open_clip(folder: Path) -> Path:
    """Write the model into ``folder``, and register its architecture as ``amgan-tiny``."""
    (folder / "amgan-tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "amgan-tiny.json")
    torch.manual_seed(0)
    model = open_clip.create_model("amgan-tiny")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": PIXELS}))
    tensors = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder
