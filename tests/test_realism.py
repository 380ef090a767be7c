"""Kernel distances and sharpness: against plain loops, and on pictures and features whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from amgan.evaluation import metrics, realism
from amgan.evaluation.edits import EditPlan
from amgan.schema import AttributeSchema
from tests.memory import peak_memory

SCHEMA = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": ["red", "blue", "green"]})


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def features(rng: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    """Unit features (n, 16) around a common direction, which ``shift`` turns."""
    x = rng.normal(0, 0.3, (n, 16)) + np.eye(16)[0] + shift * np.eye(16)[1]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_squared_mmd_is_a_loop_over_pairs(rng: np.random.Generator) -> None:
    x, y = features(rng, 7), features(rng, 5, 0.5)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) + 1) ** 3

    within_x = [k(x[i], x[j]) for i in range(7) for j in range(7) if i != j]
    within_y = [k(y[i], y[j]) for i in range(5) for j in range(5) if i != j]
    across = [k(a, b) for a in x for b in y]
    expected = np.mean(within_x) + np.mean(within_y) - 2 * np.mean(across)
    found = realism.squared_mmd(realism.kernel(x, x), realism.kernel(x, y), realism.kernel(y, y))
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_estimate_is_unbiased(rng: np.random.Generator) -> None:
    def once(shift: float) -> float:
        x, y = features(rng, 6), features(rng, 6, shift)
        return realism.squared_mmd(realism.kernel(x, x), realism.kernel(x, y), realism.kernel(y, y))

    same = [once(0.0) for _ in range(400)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    assert np.mean([once(0.8) for _ in range(50)]) > 0.5


def test_distance_of_one_distribution_is_nothing_and_of_a_shifted_one_is_not(rng: np.random.Generator) -> None:
    one, other, shifted = features(rng, 200), features(rng, 200), features(rng, 200, 0.5)
    near, far = (realism.kernel_distance(one, x, 60) for x in (other, shifted))
    assert abs(near["mean"]) < 2 * near["spread"]
    assert far["mean"] > 5 * near["spread"]
    assert realism.kernel_distance(one, other, 60) == near
    floor = realism.floor_distance(one, 60)
    assert abs(floor["mean"]) < floor["spread"] < 2 * near["spread"]


def test_large_sets_give_the_same_without_a_whole_kernel(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = features(rng, 900), features(rng, 700, 0.2)
    whole = realism.kernel_distance(x, y, 40, subsets=5), realism.floor_distance(x, 40, subsets=5)
    monkeypatch.setattr(realism, "WHOLE_KERNEL", 1000)
    parts = realism.kernel_distance(x, y, 40, subsets=5), realism.floor_distance(x, 40, subsets=5)
    for one, other in zip(whole, parts, strict=True):
        assert one == pytest.approx(other, abs=1e-12)
    assert peak_memory(floor_in_parts, x) < 1 << 20  # the whole kernel of x takes 6 MB


def floor_in_parts(x: np.ndarray) -> None:
    realism.WHOLE_KERNEL = 1000
    realism.floor_distance(x, 40, subsets=5)


def test_entries_say_how_many_and_leave_out_what_is_too_few(rng: np.random.Generator) -> None:
    labels = np.array([[0, 0]] * 30 + [[1, 1]] * 30 + [[1, 2]] * 3)
    photos = np.concatenate([features(rng, 30), features(rng, 33, 1.0)])
    photo = np.array([*range(30), *range(30), *range(10)])
    attribute = np.array([0] * 30 + [1] * 40)
    value = np.array([1] * 30 + [1] * 30 + [2] * 10)
    plan = EditPlan(SCHEMA, photo, attribute, value, {})
    good = features(rng, 70, 1.0)
    table = realism.kernel_distances(plan, labels, {"edited": good, "no edit": photos[photo]}, photos)
    long = table["sleeve"]["values"]["long"]
    assert (long["edits"], long["real"], long["subset"]) == (30, 33, 16)
    assert abs(long["edited"]["mean"]) < 0.1 * long["no edit"]["mean"]
    assert abs(long["real items"]["mean"]) < 0.1 * long["no edit"]["mean"]
    assert table["color"]["values"]["green"] == {"edits": 10, "real": 3, "subset": 1}
    macro = table["color"]["macro"]
    assert set(macro) == {"edits", "real", "edited", "no edit", "real items"}
    assert macro["edited"] == pytest.approx(table["color"]["values"]["blue"]["edited"])  # the only one with figures
    assert realism.kernel_distances(plan, labels[:0], {"edited": good}, photos[:0])["color"]["macro"]["real"] == 0


def test_sleeves_are_compared_without_the_torso(rng: np.random.Generator) -> None:
    def mean(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images[:, 0, 0, :2].float(), images.float().mean((2, 3))

    images = torch.zeros(2, 3, 10, 10, dtype=torch.uint8)
    images[1, :, :, 4:6] = 200  # a print on the torso
    torso, sleeves = mean(images)[1], realism.on_sides(mean)(images)[1]
    assert (torso[0] != torso[1]).any() and (sleeves[0] == sleeves[1]).all()
    assert sleeves[0, 0] == pytest.approx(255 * 0.4) and images[0].max() == 0  # on a copy
    labels = np.array([[0, 0]] * 20 + [[1, 0]] * 30)
    photos = np.concatenate([features(rng, 20), features(rng, 30, 1.0)])
    plan = EditPlan(SCHEMA, np.arange(20).repeat(2), np.array([0, 1] * 20), np.ones(40, np.int64), {})
    table = realism.sleeve_distances(plan, labels, {"no edit": photos[plan.photo]}, photos)
    long = table[realism.SLEEVES_ALONE]["values"]["long"]
    assert (list(table), long["edits"], long["real"]) == ([realism.SLEEVES_ALONE], 20, 30)
    assert long["no edit"]["mean"] > 10 * abs(long["real items"]["mean"])
    colours = plan.part(np.flatnonzero(plan.attribute == 1))
    assert realism.sleeve_distances(colours, labels, {"no edit": photos[colours.photo]}, photos) == {}


def test_gradient_is_a_loop_over_neighbours(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (3, 9, 8)).astype(np.uint8)
    light = 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]
    found = metrics.gradient(picture)
    for r in range(1, 8):
        for c in range(1, 7):
            across, down = (light[r, c + 1] - light[r, c - 1]) / 2, (light[r + 1, c] - light[r - 1, c]) / 2
            assert found[r, c] == pytest.approx(np.hypot(across, down), abs=1e-3)


def test_blur_is_less_sharp_and_noise_is_more(rng: np.random.Generator) -> None:
    cloth = rng.integers(90, 130, (1, 40, 40)).astype(np.uint8).repeat(3, axis=0)
    where = np.zeros((40, 40), dtype=bool)
    where[5:35, 5:35] = True
    blurred = cv2.GaussianBlur(cloth.transpose(1, 2, 0), (0, 0), 1.5).transpose(2, 0, 1)
    noisy = np.clip(cloth + rng.normal(0, 30, cloth.shape), 0, 255).astype(np.uint8)
    sharp, dull, rough = (metrics.sharpness(p, where) for p in (cloth, blurred, noisy))
    assert dull < 0.5 * sharp < sharp < rough
    assert np.isnan(metrics.sharpness(cloth, where & False))
    framed = cloth.copy()
    framed[:, ~where] = 255  # an outline moves the median little
    assert metrics.sharpness(framed, where) == pytest.approx(sharp, rel=0.25)
    np.testing.assert_array_equal(
        metrics.ratio(np.array([1.0, 2, 3]), np.array([2.0, 0, np.nan])), [0.5, np.nan, np.nan]
    )
