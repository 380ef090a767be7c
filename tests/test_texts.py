"""The pages' texts: every language says all that English says, and nothing is asked for that no table has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from amgan.photos import judging
from amgan.photos.judging import judge
from amgan.shipped import editor_values
from ui.drawings import drawing
from ui.texts import LANGUAGES, choose_language, in_language

PLACES = re.compile(r"\{(\w*)\}")
NAMES = ("protocols", "networks", "compared", "measures", "rows")  # of what reports hold; ``Texts.name``


def table(root: Path, language: str) -> dict:
    return tomllib.loads((root / "ui" / "texts" / f"{language}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", [x for x in LANGUAGES if x != "en"])
def test_every_language_says_all_with_the_same_places(root: Path, language: str) -> None:
    english, other = table(root, "en"), table(root, language)
    for section, texts in english.items():
        if section == "values":
            continue
        plain = {key: text for key, text in texts.items() if not key.endswith("_one")}
        theirs = {k for k in other[section] if not k.endswith("_one")}
        assert plain.keys() == theirs or (section in NAMES and plain.keys() < theirs), section
        for key, text in plain.items():
            assert set(PLACES.findall(text)) == set(PLACES.findall(other[section][key])), (section, key)


def test_what_the_code_says_is_in_the_tables_and_the_tables_hold_nothing_else(root: Path) -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (root / "ui").glob("*.py"))
    assert set(re.findall(r'texts\.name\("(\w+)"', code)) == set(NAMES)
    sections = {s: t for s, t in table(root, "en").items() if s not in ("attributes", "values", *NAMES)}
    said = set(re.findall(rf"""["']((?:{"|".join(sections)})\.\w+)["']""", code))
    keys = {f"{section}.{key}" for section, texts in sections.items() for key in texts if not key.endswith("_one")}
    assert said <= keys, said - keys
    built = {f"errors.{key}" for key in sections["errors"]}  # by reason
    built |= {f"studio.{key}" for key in ("everywhere", "sleeve", "torso")}  # by region
    built |= {f"studio.weight_{key}" for key in ("image", "wanted", "kept")}
    built |= {f"choose.{key}" for key in ("first", "previous", "next")}
    built |= {f"upload.{key}" for key in ("across", "down")}
    assert keys <= said | built, keys - said - built


@pytest.mark.parametrize("language", [x for x in LANGUAGES if x != "en"])
def test_every_value_of_the_shipped_weights_and_every_doubt_has_a_translation(root: Path, language: str) -> None:
    values = table(root, language)["values"]
    for weights in ("photos", "synthetic"):
        for name, known in (editor_values(weights) or {}).items():
            of = known["values"] if isinstance(known, dict) else known
            assert set(of) <= set(values[name]), name
    texts = in_language(language)
    source = Path(judging.__file__).read_text(encoding="utf-8")
    sentences = re.findall(r'f?"([A-Z][^"]+\.)"\)', source)
    assert len(sentences) >= 8
    for sentence in sentences:
        for side in ("top", "bottom", "left", "right"):
            example = sentence.replace("{side}", side).replace("{usual}", "15% to 80%")
            example = re.sub(r"\{[^}]+\}", "9%", example)
            assert texts.sentence(example) != example, example
    rgb = np.random.default_rng(0).integers(0, 255, (160, 120, 3), dtype=np.uint8)
    mask = np.zeros((160, 120), np.uint8)
    mask[70:90, 50:70] = 255
    for sentence in judge(rgb, mask, "grabcut")[1]:
        assert not re.search("[a-z]{4}", texts.sentence(sentence)), sentence


def test_patterns_that_photos_can_be_given_have_a_drawing_each() -> None:
    known = editor_values("photos")["pattern"]
    drawn = [drawing("pattern", value) for value in known["editable"]]
    assert len(set(drawn)) == len(drawn) and all("<svg" in d for d in drawn)
    assert drawing("pattern", "paisley") == ""


def test_the_language_is_the_addresss_else_the_browsers() -> None:
    assert choose_language("ko", "zh-CN") == "ko"
    assert choose_language(None, "zh-CN") == choose_language("xx", "zh") == "zh"
    assert choose_language(None, "de-DE") == choose_language("", None) == "en"
    texts = in_language("en")
    assert texts("choose.garments", count=1) == "1 garment"
    assert texts("choose.garments", count=12345) == "12,345 garments"
    assert texts.value("sleeve", "of silk") == "of silk" and texts.attribute("hem") == "Hem"
