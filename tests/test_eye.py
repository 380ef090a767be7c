"""Networks trained on ImageNet: their packages are converted faithfully, and refused where they are others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from amgan.errors import UserError
from amgan.models import eye
from amgan.models.backbones import make_backbone
from amgan.models.eye import PACKAGES, Eye, known_answer, package_weights, timm_network

NAME = "efficientnet_lite0"


def test_package_gives_the_network_that_is_known() -> None:
    network = timm_network(NAME, pretrained=True)
    assert torch.allclose(known_answer(network), torch.tensor(PACKAGES[NAME].answer), atol=1e-3)
    assert not torch.allclose(known_answer(timm_network(NAME, False)), torch.tensor(PACKAGES[NAME].answer), atol=0.1)


def test_layers_in_another_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = package_weights(NAME)
    first, second = "blocks.4.1.conv_pw.weight", "blocks.4.2.conv_pw.weight"  # of one shape
    weights[first], weights[second] = weights[second], weights[first]
    monkeypatch.setenv("AMGAN_CACHE", "off")
    monkeypatch.setattr(torch, "load", lambda *a, **k: weights)
    with pytest.raises(UserError, match="another order"):
        package_weights(NAME)


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(b"not the file")
    monkeypatch.setenv("AMGAN_CACHE", "off")
    monkeypatch.setattr(eye, "_package_file", lambda package: path)
    with pytest.raises(UserError, match=r"not the file .* install version 0\.1\.0"):
        package_weights(NAME)


def test_converted_weights_come_from_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMGAN_CACHE", str(tmp_path))
    once = package_weights(NAME)
    monkeypatch.setattr(eye, "_converted", lambda *a: pytest.fail("converted again"))
    again = package_weights(NAME)
    assert all(torch.equal(again[key], value) for key, value in once.items())


@pytest.mark.parametrize(
    ("name", "pretrained", "said"),
    [("timm-no_such_net", False, "no network"), ("timm-resnet18", True, "cannot be downloaded")],
)
def test_what_is_not_to_be_had_is_said(name: str, pretrained: bool, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no way there")

    if pretrained:
        monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(UserError, match=said):
        make_backbone(name, 64, pretrained)


def test_without_timm_it_is_named() -> None:
    code = (
        "import sys; sys.modules['timm'] = None\n"
        "from amgan.errors import UserError\nfrom amgan.models.backbones import make_backbone\n"
        "try: make_backbone('efficientnet_lite0', 64)\nexcept UserError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install timm" in done.stdout


def test_backbones_of_timm_give_three_depths() -> None:
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    for name in (NAME, "timm-resnet18"):
        maps = make_backbone(name, 64).eval()(x)
        assert [m.shape[-1] for m in maps.values()] == [8, 4, 2], name


def test_lite_takes_pictures_as_they_are() -> None:
    backbone = make_backbone(NAME, 64, pretrained=True).eval()
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    own = timm_network(NAME, True, features_only=True, out_indices=(2,))(x)[0]
    assert torch.allclose(backbone(x)["early"], own, atol=1e-4)


def test_folded_norms_change_nothing() -> None:
    seen, plain = Eye(NAME), timm_network(NAME, True, features_only=True, out_indices=(1, 2, 3, 4))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in seen.modules())
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    for a, b in zip(seen(x), plain(x), strict=True):
        assert torch.allclose(a, b, atol=1e-3 * float(b.abs().max()))


def test_eye_sees_at_four_depths_and_stays_as_it_is() -> None:
    seen = Eye(NAME).train()
    x = (torch.rand(1, 3, 64, 64) * 2 - 1).requires_grad_()
    before = {k: v.clone() for k, v in seen.state_dict().items()}
    maps = seen(x)
    assert [m.shape[-1] for m in maps] == [16, 8, 4, 2] and [m.shape[1] for m in maps] == seen.channels
    sum(m.square().mean() for m in maps).backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(torch.equal(seen.state_dict()[k], v) for k, v in before.items())
    assert all(p.grad is None for p in seen.parameters())
