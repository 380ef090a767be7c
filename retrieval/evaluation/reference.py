"""What networks make of pictures that every report needs again, the training photos of prototypes, kept on disk by
content and identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from amgan.cache import Cache, Entry, content_key
from amgan.evaluation.edits import Network, run_networks

VERSION = 1  # count up when networks are asked in another way


def kept_features(
    images: Tensor, networks: Mapping[str, Network], identities: Mapping[str, str], cache: Cache | None = None
) -> dict[str, np.ndarray]:
    """Features float32 (n, D) of pictures uint8 (n, 3, S, S) by network; those that an earlier report left are read.

    Args:
        identities: of the networks: whatever changes what one says changes its identity.
        cache: where they are kept; the user's own when not given.
    """
    cache = cache or Cache.at_home("features")
    pictures = hashlib.sha256(np.ascontiguousarray(images.cpu().numpy()).data).hexdigest()
    shape = "x".join(map(str, images.shape))
    keys = {n: content_key("features", VERSION, identities[n], pictures, shape, torch.__version__) for n in networks}
    read = {name: cache.read(key) for name, key in keys.items()}
    found = {name: entry.tensors["features"].numpy() for name, entry in read.items() if entry is not None}
    missing = {name: network for name, network in networks.items() if name not in found}
    if missing:
        for name, features in run_networks(images, missing)[1].items():
            cache.write(keys[name], Entry({"features": torch.from_numpy(features)}))
            found[name] = features
    return {name: found[name] for name in networks}
