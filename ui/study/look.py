"""How the page for participants looks. Colours are the theme's own, light or dark, so that neither is forgotten."""

from __future__ import annotations

import base64
from html import escape

ACCENT = "#0b6e4f"  # of the theme; on dark ground its lighter sister
ACCENT_ON_DARK = "#35c79a"

# Grid and overlay go by the classes that Streamlit makes of containers' keys.
CSS = """
.stMainBlockContainer { max-width: 1760px; padding: clamp(1rem, 5vh, 5rem) 1.6rem 1rem; }
.stAppHeader { display: none; }
.stMainBlockContainer h1 { font-size: 2.1rem; padding: 0 0 .4rem; }
.st-key-narrow { max-width: 38rem; margin: 4vh auto 0; }
.st-key-narrow p, .st-key-narrow li { font-size: 1.06rem; line-height: 1.6; }
.st-key-start button { min-width: 12rem; min-height: 3rem; margin: .4rem 0 1rem; }

.progress { display: flex; align-items: center; gap: 14px; font-size: 13.5px; font-variant-numeric: tabular-nums; }
.progress .bar { flex: 1; height: 6px; border-radius: 3px; background: rgba(128, 128, 128, .25); overflow: hidden; }
.progress .bar div { height: 100%; border-radius: 3px; background: #15936b; transition: width .3s; }
.progress .words { opacity: .75; white-space: nowrap; }
.ask { text-align: center; padding: .4rem 0; }
.ask h2 { font-size: 1.75rem; font-weight: 650; padding: 0; margin: 0; line-height: 1.25; }
.ask h2 mark { background: none; color: inherit; text-decoration: underline 3px #15936b; text-underline-offset: 5px; }
.ask .dots { display: flex; justify-content: center; gap: 7px; margin-bottom: .6rem; }
.ask .dots i { width: 22px; height: 5px; border-radius: 3px; background: rgba(128, 128, 128, .3); }
.ask .dots i.now { background: #15936b; }
.ask .dots i.done { background: rgba(21, 147, 107, .45); }

.st-key-table { display: grid !important; gap: 28px !important; align-items: start; }
.st-key-pictures { display: grid !important; gap: 16px !important; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.st-key-table > *, .st-key-pictures > * { width: 100% !important; min-width: 0; }
figure.shown { margin: 0; }
figure.shown .frame { aspect-ratio: 1; background: #fff; border-radius: 12px; overflow: hidden; }
figure.shown .frame { box-shadow: 0 0 0 1px rgba(128, 128, 128, .35); transition: box-shadow .12s, transform .12s; }
figure.shown img { width: 100%; height: 100%; display: block; }
figure.shown figcaption { text-align: center; font-size: 14.5px; line-height: 1.4; padding-top: 9px; }
figure.shown figcaption span { display: block; opacity: .75; }
[class*="st-key-picture-"] { position: relative; gap: 0 !important; }
[class*="st-key-picture-"]:hover figure.shown .frame { box-shadow: 0 0 0 3px rgba(21, 147, 107, .6); }
[class*="st-key-picture-"]:active figure.shown .frame { transform: scale(.985); }
[class*="st-key-picture-"]:has(:focus-visible) figure.shown .frame { box-shadow: 0 0 0 4px #15936b; }
figure.shown.chosen .frame { box-shadow: 0 0 0 4px #d9a21b !important; }
/* The button lies over its whole picture; what is seen of it is the number. */
[class*="st-key-choose-"] { position: absolute !important; inset: 0; width: auto !important; }
[class*="st-key-choose-"] .stButton, [class*="st-key-choose-"] button { width: 100%; height: 100%; }
[class*="st-key-choose-"] button { background: none !important; border: 0 !important; box-shadow: none !important; }
[class*="st-key-choose-"] button { outline: none; padding: 9px; align-items: flex-start; justify-content: flex-start; }
[class*="st-key-choose-"] button > div { flex: none; width: auto; }
[class*="st-key-choose-"] button p { min-width: 32px; line-height: 30px; border-radius: 9px; text-align: center; }
[class*="st-key-choose-"] button p { background: #fff; color: #2b2f33; border: 1px solid rgba(128, 128, 128, .4); }
[class*="st-key-choose-"] button p { font-size: 14px; font-weight: 600; }
[class*="st-key-choose-"] button kbd { display: none; }
.st-key-below { justify-content: center; gap: 2rem !important; }
.mine { text-align: center; font-size: 12.5px; opacity: .65; margin: 0; }
.mine code { font-size: 12.5px; }
@media (hover: none) { .stButton kbd { display: none; } }

@media (max-width: 640px) {
  .stMainBlockContainer { padding: .8rem .8rem .6rem; }
  .stMainBlockContainer > .stVerticalBlock { gap: .55rem; }
  .ask { padding: 0; }
  .ask h2 { font-size: 1.2rem; }
  .ask .dots { margin-bottom: .3rem; }
  .st-key-table { gap: 10px !important; }
  .st-key-photo figure.shown { display: flex; align-items: center; justify-content: center; gap: 14px; }
  .st-key-photo .frame { width: 92px; }
  .st-key-photo figure.shown figcaption { text-align: left; padding: 0; }
  .st-key-pictures { gap: 9px !important; }
  .st-key-narrow { margin-top: .6rem; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
"""


def layout(editors: int) -> str:
    """On a wide screen up to four pictures stand in one row, five and six in two; the photo is as large as they are,
    and none of it below the window's edge."""
    columns, side = (editors, "58vh") if editors <= 4 else (3, "34vh")
    gaps = f"28px + {columns - 1} * 16px"
    photo = f"calc((100% - ({gaps})) / {columns + 1})"
    return (
        f"@media (min-width: 900px) {{ .st-key-table {{ grid-template-columns: {photo} minmax(0, 1fr); "
        f"max-width: calc({columns + 1} * {side} + {gaps}); margin: 0 auto; }} "
        f".st-key-pictures {{ grid-template-columns: repeat({columns}, minmax(0, 1fr)); }} }}"
    )


def data_address(picture: bytes) -> str:
    """A WebP inside an address: it has no file name that could tell anything."""
    return "data:image/webp;base64," + base64.b64encode(picture).decode("ascii")


def header(step: int, steps: int, question: int, questions: int) -> str:
    """How far the participant has come."""
    garment, garments = step // questions + 1, steps // questions
    return (
        f'<div class="progress"><div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" '
        f'aria-valuemax="{steps}" aria-valuenow="{step}"><div style="width:{step / steps:.2%}"></div></div>'
        f'<span class="words">Garment {garment} of {garments}, question {question + 1} of {questions}</span></div>'
    )


def question(text: str, change: str, number: int, questions: int) -> str:
    """The question, with the change marked in it."""
    marked = escape(text).replace("{change}", f"<mark>{escape(change)}</mark>")
    dots = "".join(
        f'<i class="{"now" if i == number else "done" if i < number else ""}"></i>' for i in range(questions)
    )
    return f'<div class="ask"><div class="dots" aria-hidden="true">{dots}</div><h2>{marked}</h2></div>'


def picture(address: str, alt: str, caption: tuple[str, str] | None = None, chosen: bool = False) -> str:
    """A picture, with a title and a line below where it has a caption; ``chosen`` marks the answer given before."""
    below = ""
    if caption:
        title, line = map(escape, caption)
        below = f"<figcaption><b>{title}</b><span>{line}</span></figcaption>"
    kind = "shown chosen" if chosen else "shown"
    image = f'<img src="{address}" alt="{escape(alt)}" draggable="false">'
    return f'<figure class="{kind}"><div class="frame">{image}</div>{below}</figure>'


def footer(code: str) -> str:
    return f'<p class="mine">Your code, to go on later: <code>{escape(code)}</code></p>'
