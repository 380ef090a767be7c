"""What can run a generator: PyTorch as it is, or a saved network in OpenVINO or ONNX Runtime.

All of them are one function: pictures in [-1, 1], float32 (B, 3, S, S), and conditions (B, N + M), to z (B, 3, S, S) in
[-1, 1] and alpha (B, 1, S, S). Both libraries are extras, imported when asked for.
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

from amgan.editing.runtimes.int8 import eight_bit
from amgan.editing.runtimes.rearranged import Rearranged
from amgan.editing.runtimes.samples import sample_edits
from amgan.models.amgan.generator import Generator

Network = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

CALIBRATION = 24  # garments that eight-bit ranges are taken from
CALIBRATION_SEED = 500_000  # of the first; no weights were trained on it


def eager(generator: Generator, bf16: bool = False) -> Network:
    """PyTorch, on the generator's own device."""

    def network(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            made = generator(x, m)
        return made.raw, made.mask

    return network


@dataclass(frozen=True)
class Engine:
    """A runtime that a network is saved for.

    Attributes:
        format: of the saved network; engines of the same format share it.
        needs: modules to import; ``extra`` of this distribution brings them.
        save: writes the network into a folder.
        load: reads it, ready to run.
    """

    format: str
    needs: tuple[str, ...]
    extra: str
    save: Callable[[Generator, int, Path], None]
    load: Callable[[Path], Network]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


def _rearranged(generator: Generator, image_size: int) -> Rearranged:
    return Rearranged(generator, image_size).eval().requires_grad_(False)


def _example(generator: Generator, image_size: int) -> tuple[Tensor, Tensor]:
    planes = generator.schema.n_values + generator.schema.n_attributes
    return torch.zeros(2, 3, image_size, image_size), torch.zeros(2, planes)  # two, so that the batch stays open


def save_openvino(generator: Generator, image_size: int, folder: Path) -> None:
    _write_openvino(_rearranged(generator, image_size), _example(generator, image_size), folder)


def save_openvino_int8(generator: Generator, image_size: int, folder: Path) -> None:
    samples = sample_edits(generator.schema, image_size, CALIBRATION, CALIBRATION_SEED)
    rounded = eight_bit(_rearranged(generator, image_size), *samples)
    _write_openvino(rounded, _example(generator, image_size), folder)


def _write_openvino(network: nn.Module, example: tuple[Tensor, Tensor], folder: Path) -> None:
    import openvino
    from openvino._offline_transformations import apply_moc_transformations, compress_quantize_weights_transformation
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # What openvino.convert_model does, without its reports to its makers: nothing here uses the network.
    frontend = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what tracing fixes, which is meant
        decoder = TorchScriptPythonDecoder(network, example_input=example)  # kept until the model is made of it
        model = frontend.convert(frontend.load(decoder))
    apply_moc_transformations(model, cf=False)
    compress_quantize_weights_transformation(model)  # rounded weights are kept as whole numbers
    x, m = example
    # With an open batch OpenVINO 2026.4 computes eight-bit networks wrongly, and all of them more slowly.
    model.reshape({model.inputs[0]: [1, *x.shape[1:]], model.inputs[1]: [1, m.shape[1]]})
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)


def _load_openvino(precision: str) -> Callable[[Path], Network]:
    def load(folder: Path) -> Network:
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        request = openvino.Core().compile_model(folder / "model.xml", "CPU", settings).create_infer_request()
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

    return load


def save_onnx(generator: Generator, image_size: int, folder: Path) -> None:
    batch: Any = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _rearranged(generator, image_size),
            _example(generator, image_size),
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


OPENVINO, ONNX = ("openvino",), ("onnx", "onnxscript", "onnxruntime")
ENGINES = {
    "openvino": Engine("openvino", OPENVINO, "fast", save_openvino, _load_openvino("f32")),
    "openvino-bf16": Engine("openvino", OPENVINO, "fast", save_openvino, _load_openvino("bf16")),
    "openvino-int8": Engine("openvino-int8", OPENVINO, "fast", save_openvino_int8, _load_openvino("f32")),
    "onnx": Engine("onnx", ONNX, "onnx", save_onnx, load_onnx),
}
