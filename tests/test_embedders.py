"""Embedders: a tiny open_clip model through the real loading code, the teacher, and an outside package's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from amgan.errors import UserError
from retrieval import embedders
from retrieval.embedders import PredictingEmbedder, load_embedder
from retrieval.embedding import EmbedderIdentity, unit_rows
from retrieval.open_clip_embedder import OpenClipEmbedder, PixelPreparation
from tests.tiny_catalogue import make_weights
from tests.tiny_open_clip import make_open_clip


def pictures(n: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, 3, height, width), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip model's folder; its architecture is registered as ``amgan-tiny``."""
    return make_open_clip(tmp_path_factory.mktemp("open clip"))


def test_every_way_to_name_a_local_open_clip_model(tiny: Path) -> None:
    weights = tiny / "open_clip_model.safetensors"
    images = pictures(3, 32, 32)
    folder = load_embedder(f"local-dir:{tiny}")
    assert isinstance(folder, OpenClipEmbedder)
    assert (folder.dimensions, folder.image_size) == (16, 32)
    vectors = folder.embed(images)
    assert vectors.shape == (3, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for name in (str(tiny), str(weights), f"open_clip:local-dir:{tiny}"):
        np.testing.assert_array_equal(load_embedder(name).embed(images), vectors)
    by_architecture = load_embedder(f"open_clip:amgan-tiny:{weights}")
    assert by_architecture.identity.weights_hash == folder.identity.weights_hash
    assert (
        by_architecture.identity.preprocessing != folder.identity.preprocessing
    )  # the folder's own pixels against the defaults
    again = load_embedder(folder.identity.model)
    assert again.identity == folder.identity


def test_the_vectors_are_open_clips_own(tiny: Path) -> None:
    embedder = load_embedder(f"local-dir:{tiny}")
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny}")
    images = pictures(2, 40, 52)
    pil = [Image.fromarray(i.permute(1, 2, 0).numpy()) for i in images]
    with torch.inference_mode():
        wanted = model.eval().encode_image(torch.stack([transform(p) for p in pil]), normalize=True)
    assert (embedder.embed(images) * wanted.numpy()).sum(1).min() > 0.9999
    # A picture's vector does not depend on its neighbours, but for rounding: kernels sum by the size of a batch.
    np.testing.assert_allclose(embedder.embed(images)[1:], embedder.embed(images[1:]), atol=1e-6)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(128, 128), (37, 91), (20, 11)])
def test_pixels_are_prepared_as_open_clip_does(mode: str, interpolation: str, size: tuple[int, int]) -> None:
    config = PreprocessCfg(size=32, resize_mode=mode, interpolation=interpolation, fill_color=255)
    image = pictures(1, *size)
    wanted = image_transform_v2(config, is_train=False)(Image.fromarray(image[0].permute(1, 2, 0).numpy()))
    got = PixelPreparation.of(vars(config))(image)[0]
    # Pillow and torchvision round bicubic overshoots differently, by a level or two of 256.
    assert (got - wanted).abs().max() < 3 / 255 / min(config.std)


def test_bf16_batches_and_empty_input(tiny: Path) -> None:
    images = pictures(5, 32, 32)
    plain = load_embedder(f"local-dir:{tiny}")
    half = OpenClipEmbedder(f"local-dir:{tiny}", bf16=True, batch_size=2)
    assert (plain.embed(images) * half.embed(images)).sum(1).min() > 0.999
    assert plain.embed(images[:0]).shape == (0, 16)
    with pytest.raises(ValueError, match="uint8"):
        plain.embed(images.float())


def test_names_that_cannot_be_loaded_say_what_would_be_valid(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pickled = tmp_path / "model.pt"
    pickled.write_bytes(b"\x80\x04.")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    cases = {
        f"amgan-tiny:{pickled}": "not a safetensors file",
        f"amgan-tiny:{broken}": "cannot be loaded",
        f"local-dir:{tmp_path / 'nowhere'}": "There is no model",
        f"local-dir:{tmp_path}": "open_clip_config.json",
        "open_clip:ViT-B-23": "Did you mean",
        "ViT-B-32:nonsense": "laion2b_s34b_b79k",
        "amgan-tiny": "give a file",
        f"ViT-B-32:{tiny / 'open_clip_model.safetensors'}": "cannot be loaded",
    }
    for name, sentence in cases.items():
        with pytest.raises(UserError, match=sentence):
            load_embedder(name)


@pytest.mark.parametrize("name", ["ViT-B-32", "hf-hub:somebody/fashion-model", "ViT-B-32:openai"])
def test_without_a_network_a_download_is_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"cannot be downloaded here: .*Give a local file"):
        load_embedder(name)


def test_a_cached_download_is_used_offline(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f.name: f for f in tiny.iterdir()}
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda repository, file, **_: str(files[file]))
    embedder = load_embedder("hf-hub:somebody/fashion-model")
    assert embedder.identity.model == "open_clip:hf-hub:somebody/fashion-model"
    np.testing.assert_array_equal(
        embedder.embed(pictures(1, 32, 32)), load_embedder(str(tiny)).embed(pictures(1, 32, 32))
    )


class MeanColour:
    """An embedder from outside: three numbers."""

    def __init__(self, argument: str) -> None:
        self.identity = EmbedderIdentity(f"mean-colour:{argument}", "0", "none")
        self.dimensions, self.image_size = 3, 1

    def embed(self, images: torch.Tensor) -> np.ndarray:
        return unit_rows(images.float().mean((2, 3)))


def test_an_outside_package_adds_an_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "mean-colour"

        def __init__(self, target: object) -> None:
            self.target = target

        def load(self) -> object:
            return self.target

    monkeypatch.setattr(embedders, "entry_points", lambda group: [Point(MeanColour)])
    assert load_embedder("mean-colour:x").identity.model == "mean-colour:x"
    monkeypatch.setattr(embedders, "entry_points", lambda group: [Point(lambda argument: object())])
    with pytest.raises(UserError, match="lacks identity"):
        load_embedder("mean-colour")


def test_the_teacher_embeds_and_predicts_in_one_pass(tmp_path: Path) -> None:
    weights = make_weights(tmp_path / "weights")
    teacher = load_embedder(f"teacher:{weights}")
    assert isinstance(teacher, PredictingEmbedder)
    images = pictures(5, 48, 40)
    probabilities, vectors = teacher.predict_and_embed(images)
    assert probabilities.shape == (5, teacher.schema.n_values)
    for s in teacher.schema.slices:
        np.testing.assert_allclose(probabilities[:, s].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(PredictingEmbedder("teacher", str(weights), bf16=True).embed(images), vectors, atol=0.05)
    assert load_embedder(teacher.identity.model).identity == load_embedder(str(weights)).identity
