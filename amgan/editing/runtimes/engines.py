"""What can run a generator: PyTorch as it is, or a saved network in OpenVINO or ONNX Runtime.

All of them are one function: pictures in [-1, 1], float32 (B, 3, S, S), and conditions (B, N + M), to z (B, 3, S, S) in
[-1, 1] and alpha (B, 1, S, S). Both libraries are extras, imported when asked for.

Loading a saved network is safe beside other threads. Saving one is not: it traces the generator, and torch patches the
call of every module in the process meanwhile. So nothing that serves people may save (see choice.py).
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from amgan.devices import openvino_request, without_telemetry
from amgan.editing.runtimes.rearranged import Rearranged
from amgan.errors import UserError
from amgan.models.amgan.cam_mask import CamMasked
from amgan.models.amgan.generator import Generator

Network = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def eager(generator: nn.Module) -> Network:
    """PyTorch in float32, on the generator's own device."""

    def network(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        made = generator(x, m)
        return made.raw, made.mask

    return network


@dataclass(frozen=True)
class Engine:
    """A runtime that a network is saved for.

    Attributes:
        needs: modules to import; ``extra`` of this distribution brings them.
        save: writes the network into a folder.
        load: reads it, ready to run.
    """

    needs: tuple[str, ...]
    extra: str
    save: Callable[[Generator, int, Path], None]
    load: Callable[[Path], Network]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


class Pair(nn.Module):
    """A generator's z and alpha as the pair that runtimes give."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        made = self.generator(x, m)
        return made.raw, made.mask


def _to_save(generator: nn.Module, image_size: int) -> nn.Module:
    """AMGAN's generator with fewer operations, which is worth a fifth of the time; those of other methods as they
    are. Raises UserError where only PyTorch can compute the mask."""
    if isinstance(generator, CamMasked):
        raise UserError(
            "The mask of these weights is a class activation map (the setting cam), which PyTorch alone computes: they "
            "cannot be exported; use them as they are."
        )
    network = Rearranged(generator, image_size) if isinstance(generator, Generator) else Pair(generator)
    return network.eval().requires_grad_(False)


def _example(generator: Generator, image_size: int, batch: int) -> tuple[Tensor, Tensor]:
    planes = generator.schema.n_values + generator.schema.n_attributes
    return torch.zeros(batch, 3, image_size, image_size), torch.zeros(batch, planes)


def save_openvino(generator: Generator, image_size: int, folder: Path) -> None:
    with without_telemetry(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what tracing fixes, which is meant
        import openvino

        example = _example(generator, image_size, batch=1)  # OpenVINO runs networks of an open batch more slowly
        shapes = [list(tensor.shape) for tensor in example]
        model = openvino.convert_model(_to_save(generator, image_size), input=shapes, example_input=example)
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)


def load_openvino(folder: Path) -> Network:
    request = openvino_request(folder / "model.xml")
    lock = threading.Lock()  # a request serves one caller at a time, and pages have several

    def network(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        pictures, conditions = x.contiguous().numpy(), m.contiguous().numpy()
        made: list[tuple[Tensor, Tensor]] = []
        with lock:
            for i in range(len(x)):  # one picture keeps all cores busy
                out = request.infer([pictures[i : i + 1], conditions[i : i + 1]], share_inputs=True)
                made.append((torch.from_numpy(out[0]), torch.from_numpy(out[1])))
        z, alpha = zip(*made, strict=True)
        return torch.cat(z), torch.cat(alpha)

    return network


def save_onnx(generator: Generator, image_size: int, folder: Path) -> None:
    batch: Any = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _to_save(generator, image_size),
            _example(generator, image_size, batch=2),  # two, so that the batch stays open
            str(folder / "model.onnx"),
            dynamo=True,
            input_names=["picture", "condition"],
            output_names=["z", "alpha"],
            dynamic_shapes=({0: batch}, {0: batch}),
            external_data=False,
            verbose=False,
        )


def load_onnx(folder: Path) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def network(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        z, alpha = session.run(None, {"picture": x.contiguous().numpy(), "condition": m.contiguous().numpy()})
        return torch.from_numpy(z), torch.from_numpy(alpha)

    return network


ENGINES = {
    "openvino": Engine(("openvino",), "fast", save_openvino, load_openvino),
    "onnx": Engine(("onnx", "onnxscript", "onnxruntime"), "onnx", save_onnx, load_onnx),
}
