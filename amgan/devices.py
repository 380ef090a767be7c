"""Where networks run: what ``--device`` may name on this machine; and runtimes that keep to themselves."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from amgan.errors import UserError


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA where there is one, and of several the one that a launcher meant. Raises UserError."""
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        if not there:
            return torch.device("cpu")
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    valid = ["auto", "cpu", *(["cuda"] if there else []), *(f"cuda:{i}" for i in range(there))]
    if name not in valid:
        raise UserError(f"Device {name!r} is not available here; valid: {', '.join(valid)}.")
    return torch.device(name)


# --- OpenVINO ---------------------------------------------------------------------------------------------------------

_environment = threading.Lock()


@contextmanager
def without_telemetry() -> Iterator[None]:
    """OpenVINO reports each import and each conversion to its makers. Nothing here uses the network; its documented
    switches are a file in the user's home, which is not ours to write, and the variable of continuous integration."""
    with _environment:
        before = os.environ.get("CI")
        os.environ["CI"] = "true"
        try:
            yield
        finally:
            if before is None:
                del os.environ["CI"]
            else:
                os.environ["CI"] = before


def openvino_request(model: Any) -> Any:
    """What runs a network in OpenVINO on this machine's processor, in float32, with as many threads as torch. It serves
    one caller at a time.

    Args:
        model: an ``openvino.Model``, or the path of a saved one.
    """
    with without_telemetry():
        import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
