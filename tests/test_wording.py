"""A shopper's words to an edit, in three languages, and what is said of the words that are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amgan.attributes import NEVER_ASKED
from amgan.errors import UserError
from amgan.schema import AttributeSchema
from amgan.shipped import shipped_values
from retrieval.wording import LONGEST, understand, vocabulary

SCHEMAS = {name: AttributeSchema.from_dict(values) for name, values in shipped_values().items()}
ALL, PHOTOS = SCHEMAS["synthetic"], SCHEMAS["photos"]  # five attributes that can be edited; two, and four known ones


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("long sleeves, in navy", {"sleeve": "long", "color": "navy"}),
        ("Long-sleeved; NAVY blue!", {"sleeve": "long", "color": "navy"}),
        ("grey please", {"color": "gray"}),
        ("same in dark red without the hood", {"color": "maroon", "collar": "round"}),
        ("a red shirt with long sleeves", {"color": "red", "sleeve": "long"}),
        ("I'd like this tee in ¾ sleeves", {"sleeve": "3/4"}),
        ("colour=grey sleeve: long", {"color": "gray", "sleeve": "long"}),
        ("no zip and no print", {"fastening": "no closure", "pattern": "plain"}),
        ("without a hood or buttons", {"collar": "round", "fastening": "no closure"}),
        ("floral print", {"pattern": "floral"}),
        ("print: floral", {"pattern": "floral"}),
        ("polo collar", {"collar": "polo"}),
        ("same polo shirt, striped", {"pattern": "striped"}),
        ("the same with long sleeves, please", {"sleeve": "long"}),
        # What a garment is now, and what it shall become.
        ("from red to navy", {"color": "navy"}),
        ("change the red to navy", {"color": "navy"}),
        ("the red one in navy", {"color": "navy"}),
        ("not red but blue", {"color": "blue"}),
        ("green instead of red", {"color": "green"}),
        ("change the long sleeves to short", {"sleeve": "short"}),
        ("keep the collar and the pattern, in black", {"color": "black"}),
        ("same colour, sleeveless", {"sleeve": "sleeveless"}),
        ("긴팔, 네이비로", {"sleeve": "long", "color": "navy"}),
        ("같은 옷을 진한 빨간색으로, 후드 없이", {"color": "maroon", "collar": "round"}),
        ("회색으로 해주세요", {"color": "gray"}),
        ("빨간 티를 네이비로 바꿔줘", {"color": "navy"}),
        ("빨강 말고 파란색", {"color": "blue"}),
        ("소매를 길게 하고 지퍼 빼줘", {"sleeve": "long", "fastening": "no closure"}),
        ("색은 그대로, 반팔", {"sleeve": "short"}),
        ("长袖，藏青色", {"sleeve": "long", "color": "navy"}),
        ("同款换成深红色，不要帽子", {"color": "maroon", "collar": "round"}),
        ("请给我灰色的", {"color": "gray"}),
        ("从红色换成蓝色", {"color": "blue"}),
        ("把帽子去掉，黑色", {"collar": "round", "color": "black"}),
        ("颜色不变，無袖", {"sleeve": "sleeveless"}),
    ],
)
def test_what_is_understood_whole(text, edit):
    wording = understand(text, ALL)
    assert (wording.edit, wording.unused, wording.only_on) == (edit, (), None)
    assert {m.attribute: m.value for m in wording.meant} == edit


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("red sleeves", "sleeve"),
        ("make the sleeves red", "sleeve"),
        ("red on the sleeves only", "sleeve"),
        ("red body", "torso"),
        ("red except the sleeves", "torso"),
        ("all but the sleeves in red", "torso"),
        ("소매만 빨간색으로", "sleeve"),
        ("把袖子换成红色", "sleeve"),
    ],
)
def test_a_colour_on_a_part(text, part):
    for schema in SCHEMAS.values():
        wording = understand(text, schema)
        assert (wording.edit, wording.only_on, wording.unused) == ({"color": "red"}, part, ())


@pytest.mark.parametrize(
    ("text", "edit", "unused"),
    [
        ("cotton, under $50, long-sleeved", {"sleeve": "long"}, [("cotton", "unknown"), ("under $50", "unknown")]),
        ("red or blue", {"color": "red"}, [("blue", "said twice")]),
        ("red with a hood", {"color": "red"}, [("hood", "fixed")]),
        ("multi", {}, [("multi", "no picture")]),
        ("another colour", {}, [("another", "unknown"), ("colour", "no value")]),
        ("not red", {}, [("red", "no value")]),
        ("red collar", {}, [("red collar", "whole garment only")]),
        ("sleeves: long, and red on the sleeves", {"sleeve": "long"}, [("red sleeves", "second edit")]),
        ("a long dress", {}, [("long", "unknown")]),
        ("make it a hoodie", {}, [("hoodie", "fixed")]),
        ("dark", {}, [("dark", "unknown")]),
        ("면 소재로", {}, [("면 소재로", "unknown")]),
        ("要棉质的", {}, [("要棉质的", "unknown")]),
        (
            "<b>red</b> & Robert'); drop table",
            {"color": "red"},
            [("b", "unknown"), ("b", "unknown"), ("Robert", "unknown")],
        ),
    ],
)
def test_what_is_not_used_is_said_with_the_reason(text, edit, unused):
    wording = understand(text, PHOTOS)
    assert wording.edit == edit
    assert [(u.words, u.reason) for u in wording.unused][: len(unused)] == unused


@pytest.mark.parametrize(
    ("text", "value", "exact"),
    [
        ("scarlet", "red", False),
        ("burgundy", "red", False),  # these weights know no maroon
        ("bright blue", "blue", False),
        ("a darker shade of red", "red", False),
        ("burgandy", "red", False),  # misspelt
        ("하늘색", "blue", False),
        ("navy", "navy", True),
        ("cream", "beige", True),
    ],
)
def test_what_only_comes_near_is_marked(text, value, exact):
    (meant,) = understand(text, PHOTOS).meant
    assert (meant.value, meant.exact) == (value, exact)
    assert all(word in text for word in meant.words.split())  # as they were written


def test_every_phrase_of_the_vocabulary_means_what_it_says():
    for attribute, values in vocabulary.VALUES.items():
        for value, phrases in values.items():
            for phrase in (p.strip().lstrip("~") for p in phrases.split(",")):
                if phrase in vocabulary.ONLY_BESIDE:
                    continue
                wording = understand(f"in {phrase}, please", ALL)
                assert wording.edit == ({} if value in NEVER_ASKED else {attribute: value}), phrase


def test_without_a_part_that_can_be_found_no_part_is_coloured():
    schema = AttributeSchema.from_dict(
        {"color": ["red", "blue"], "sleeve": {"values": ["short", "long"], "editable": False}}
    )
    wording = understand("red sleeves", schema)
    assert not wording.edit and [(u.words, u.reason) for u in wording.unused] == [("red sleeves", "whole garment only")]


def test_a_schema_of_other_words_and_languages():
    schema = AttributeSchema.from_dict(
        {"색상": ["빨강", "파랑"], "Sleeves": ["Kurz", "long"], "fit": ["slim", "loose"]}
    )
    assert understand("loose fit, red, long sleeves", schema).edit == {
        "fit": "loose",
        "색상": "빨강",
        "Sleeves": "long",
    }
    assert understand("kurz, 파란색으로", schema).edit == {"Sleeves": "Kurz", "색상": "파랑"}
    # Equal schemas may differ in what can be edited.
    fixed = schema.editing(["fit"])
    assert fixed == schema
    assert [(u.words, u.reason) for u in understand("red", fixed).unused] == [("red", "fixed")]


def test_too_much_and_nothing_are_sentences():
    with pytest.raises(UserError, match=f"at most {LONGEST}"):
        understand("red " * LONGEST, PHOTOS)
    with pytest.raises(UserError, match="Say what should change"):
        understand(" \n", PHOTOS)


def test_a_word_of_particles_is_read_once():
    """Of two letters that are also one, a pattern that goes back tries every way: of 500 there is no end."""
    nonsense = "이고" * (LONGEST // 2 - 3) + "뷁"
    assert understand(f"red {nonsense}", PHOTOS).unused[0].words == nonsense
    assert understand("빨강 이고이고", PHOTOS).edit == {"color": "red"}


WORDS = [p.strip() for k, v in vars(vocabulary).items() if isinstance(v, str) and k.isupper() for p in v.split(",")]
WORDS += [p.strip() for values in vocabulary.VALUES.values() for v in values.values() for p in v.split(",")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([*WORDS, ",", "xyzzy", "0"]) | st.text(max_size=6), min_size=1, max_size=8).map(" ".join)
)
def test_whatever_is_written_gives_a_valid_edit(text):
    if not text.strip():
        return
    for schema in SCHEMAS.values():
        wording = understand(text, schema)
        assert not wording.edit or schema.canonical(wording.edit) == wording.edit
        assert {m.attribute for m in wording.meant} == set(wording.edit)
        if wording.only_on:
            assert "color" in wording.edit and "sleeve" not in wording.edit
